package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"pushgateway/internal/exposition"
)

// maxCodings bounds how often one body is unpacked.
const maxCodings = 3

// codingsOf gives the codings of Content-Encoding that a body is to be unpacked
// of, in this order. Unknown is the first one in the way of the others, "" if
// there is none: the body is read as it is then, as in 1.11.
func codingsOf(h http.Header) (known []string, unknown string) {
	listed := strings.Split(strings.Join(h.Values("Content-Encoding"), ","), ",")
	for _, coding := range slices.Backward(listed) { // the last one was put on last
		given := strings.TrimSpace(coding)
		switch coding = strings.ToLower(given); coding {
		case "", "identity":
			continue
		case "x-gzip":
			coding = "gzip"
		}
		if !exposition.IsPacked(coding) {
			return known, given
		}
		known = append(known, coding)
	}
	return known, ""
}

// checkCodings refuses to unpack a body again and again.
func checkCodings(known []string) error {
	if len(known) > maxCodings {
		return badBody(fmt.Errorf("Content-Encoding lists %d codings, more than the %d allowed; compress the body once", len(known), maxCodings))
	}
	return nil
}
