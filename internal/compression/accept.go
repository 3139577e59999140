package compression

import (
	"strconv"
	"strings"
)

const (
	// identity is the coding of uncompressed content.
	identity = "identity"
	// anyCoding stands for all codings that a header does not name.
	anyCoding = "*"
)

// acceptedCoding picks zstd, gzip or identity by Accept-Encoding headers, as in
// RFC 9110, section 12.5.3: the coding with the highest weight. Among equal
// weights, codings that the client names come first, in the order zstd, gzip,
// identity. A "*" alone does not cause compression. If nothing is acceptable,
// it picks identity.
func acceptedCoding(headers []string) string {
	weights := codingWeights(headers)
	best, most := identity, 0.0
	for _, coding := range []string{"zstd", "gzip", identity} {
		if weights[coding] > most {
			best, most = coding, weights[coding]
		}
	}
	if weights[anyCoding] <= most {
		return best
	}
	for _, coding := range []string{identity, "gzip", "zstd"} {
		if _, named := weights[coding]; !named {
			return coding
		}
	}
	return best
}

// codingWeights parses headers like "gzip;q=0.5, br". The first mention of a
// coding counts. A weight that is not a number is 0.
func codingWeights(headers []string) map[string]float64 {
	weights := make(map[string]float64)
	for _, header := range headers {
		for part := range strings.SplitSeq(header, ",") {
			name, params, _ := strings.Cut(part, ";")
			if name = strings.ToLower(strings.TrimSpace(name)); name == "x-gzip" {
				name = "gzip"
			}
			if _, again := weights[name]; !again {
				weights[name] = weightOf(params)
			}
		}
	}
	return weights
}

// weightOf finds q among the parameters of a coding.
func weightOf(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		q, found := strings.CutPrefix(strings.ToLower(strings.TrimSpace(param)), "q=")
		if !found {
			continue
		}
		weight, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
		if err != nil || !(weight > 0) {
			return 0
		}
		return min(weight, 1)
	}
	return 1
}
