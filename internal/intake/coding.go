package intake

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"pushgateway/internal/compression"
	"pushgateway/internal/guard"
)

// codingsOf returns the codings in Content-Encoding that a body is to be
// decoded from, in this order. unknown is the first coding that prevents the
// others from being decoded, or "" if there is none. With an unknown coding the
// body is read as it is, as in 1.11.
func codingsOf(h http.Header) (known []string, unknown string) {
	values := h["Content-Encoding"]
	if len(values) == 0 {
		return nil, ""
	}
	listed := strings.Split(strings.Join(values, ","), ",")
	for _, coding := range slices.Backward(listed) { // the last coding was applied last
		given := strings.TrimSpace(coding)
		switch coding = strings.ToLower(given); coding {
		case "", "identity":
			continue
		case "x-gzip":
			coding = "gzip"
		}
		if !compression.Known(coding) {
			return known, given
		}
		known = append(known, coding)
	}
	return known, ""
}

// checkCodings refuses a body that is compressed many times.
func checkCodings(known []string, l guard.BodyLimits) error {
	if len(known) > l.Codings {
		return badBody(fmt.Errorf("Content-Encoding lists %d codings, more than the %d allowed; compress the body once", len(known), l.Codings))
	}
	return nil
}
