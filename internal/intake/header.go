package intake

import (
	"fmt"
	"net/http"

	"pushgateway/internal/excerpt"
)

// headerOf returns the value of a header, or "" if there is none. A header that comes
// several times must always say the same. name is in the form that needs no conversion
// to be looked up.
func headerOf(h http.Header, name string) (string, error) {
	values := h[name]
	if len(values) == 0 {
		return "", nil
	}
	for _, other := range values[1:] {
		if other != values[0] {
			return "", &ParameterError{fmt.Errorf("the request has several headers %s, among them %q and %q; send one", name, excerpt.Of(values[0]), excerpt.Of(other))}
		}
	}
	return values[0], nil
}
