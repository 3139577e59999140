package intake

import (
	"mime"
	"slices"
	"strings"

	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
)

// format is one way to write pushes.
type format struct {
	// matches tells whether a Content-Type is that of the format.
	matches func(contentType string) bool
	// read makes families of a body. The result belongs to the parser and uses the
	// memory of the body.
	read func(p *exposition.Parser, body []byte) ([]*metric.Family, error)
	// text says that a body has lines: their ends may be mended, one with the
	// lines of the push before is read by its values alone, and what cannot be
	// read is shown. Label values have been read only where they are UTF-8.
	text bool
}

// formats are all that pushes can have. The first that matches reads the body.
// What no other one matches is text, as in 1.11.
var formats = []format{
	{isProtobuf, (*exposition.Parser).ParseProto, false},
	{isAny, (*exposition.Parser).ParseText, true},
}

func formatOf(contentType string) format {
	i := slices.IndexFunc(formats, func(f format) bool { return f.matches(contentType) })
	return formats[i] // the last one matches everything
}

func isAny(string) bool { return true }

// isProtobuf is exact, as 1.11 is.
func isProtobuf(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/vnd.google.protobuf") {
		return false // without parsing it, since most pushes are text
	}
	_, params, err := mime.ParseMediaType(contentType)
	return err == nil && params["encoding"] == "delimited" && params["proto"] == "io.prometheus.client.MetricFamily"
}
