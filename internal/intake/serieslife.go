package intake

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"pushgateway/internal/gateway"
)

// SeriesTTLHeader sets the time to live of the series that a push adds to.
const SeriesTTLHeader = "X-Pushgateway-Series-TTL"

var seriesTTLField = http.CanonicalHeaderKey(SeriesTTLHeader)

// seriesTTL returns how long the series that a push adds to live without another
// addition. 0 means as long as their group.
func seriesTTL(h http.Header, mode gateway.Mode) (time.Duration, error) {
	asked, err := headerOf(h, seriesTTLField)
	switch {
	case err != nil:
		return 0, err
	case asked == "":
		return 0, nil
	case mode != gateway.Sum:
		return 0, &ParameterError{errors.New("the header " + SeriesTTLHeader + " is for pushes that add up; add merge=sum, or leave it out")}
	}
	ttl, err := ParseTTL(asked)
	if err != nil {
		return 0, &ParameterError{fmt.Errorf("%s: %w", SeriesTTLHeader, err)}
	}
	return ttl, nil
}
