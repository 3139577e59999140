package intake

import (
	"mime"
	"slices"
	"strings"

	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
)

// format is a format of pushes.
type format struct {
	// matches reports whether the Content-Type is that of the format.
	matches func(contentType string) bool
	// read parses a body. The result belongs to the parser and uses the memory of
	// the body.
	read func(p *exposition.Parser, body []byte) ([]*metric.Family, error)
	// text means that a body consists of lines. Then its line ends may be fixed, a
	// body with the lines of the previous push takes the fast path that reads only
	// its values, and errors show the bad line. The parser has
	// accepted only label values in UTF-8.
	text bool
}

// formats lists all formats of pushes. The first one that matches reads the body.
// A body that matches no other format is text, as in 1.11.
var formats = []format{
	{isProtobuf, (*exposition.Parser).ParseProto, false},
	{isAny, (*exposition.Parser).ParseText, true},
}

func formatOf(contentType string) format {
	i := slices.IndexFunc(formats, func(f format) bool { return f.matches(contentType) })
	return formats[i] // the last one matches everything
}

func isAny(string) bool { return true }

// isProtobuf is as strict as 1.11.
func isProtobuf(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/vnd.google.protobuf") {
		return false // without parsing it, since most pushes are text
	}
	_, params, err := mime.ParseMediaType(contentType)
	return err == nil && params["encoding"] == "delimited" && params["proto"] == "io.prometheus.client.MetricFamily"
}
