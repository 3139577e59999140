package intake

import (
	"mime"
	"slices"
	"strings"

	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
	"pushgateway/internal/sniff"
)

// format is a format of pushes: how it is recognized, how it is read, and what
// it is called where it was expected or sent by mistake.
type format struct {
	sniff.Format
	// matches reports whether a body is in this format, by its Content-Type. A
	// format may also look at the body.
	matches func(contentType string, body []byte) bool
	// read parses a body. The result belongs to the parser and uses the memory of
	// the body.
	read func(p *exposition.Parser, body []byte) ([]*metric.Family, error)
	// refills means that a body with the lines of the previous push to its group
	// may take the fast path, which reads only the values.
	refills bool
	// valid means that read accepts only label values in UTF-8.
	valid bool
}

// formats lists all formats of pushes. The first one that matches reads the body.
// A body that matches no other format is text, as in 1.11.
var formats = []format{
	{
		Format:  sniff.Format{Name: "protobuf", ContentType: sniff.ProtobufType, Binary: true, Looks: sniff.IsProtobuf},
		matches: isProtobuf,
		read:    (*exposition.Parser).ParseProto,
	},
	{
		Format:  sniff.Format{Name: "OpenMetrics", ContentType: sniff.OpenMetricsType, Looks: sniff.LooksLikeOpenMetrics},
		matches: isOpenMetrics,
		read:    (*exposition.Parser).ParseOpenMetrics,
		valid:   true,
	},
	{
		Format:  sniff.Format{Name: "text", ContentType: "text/plain"},
		matches: isAny,
		read:    (*exposition.Parser).ParseText,
		refills: true, valid: true,
	},
}

func formatOf(contentType string, body []byte) format {
	i := slices.IndexFunc(formats, func(f format) bool { return f.matches(contentType, body) })
	return formats[i] // the last one matches everything
}

// sniffed returns what package sniff needs to know of the formats.
func sniffed() (all []sniff.Format) {
	for _, f := range formats {
		all = append(all, f.Format)
	}
	return all
}

// isOpenMetrics wants the end that OpenMetrics has. 1.11 reads everything as
// text, and so do we where a client only says OpenMetrics.
func isOpenMetrics(contentType string, body []byte) bool {
	if !saysOpenMetrics(contentType) {
		return false
	}
	_, params, err := mime.ParseMediaType(contentType)
	switch params["version"] {
	case "", "1.0.0", "0.0.1":
		return err == nil && exposition.HasOpenMetricsEnd(body)
	}
	return false
}

func saysOpenMetrics(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), sniff.OpenMetricsMedia)
}

func isAny(string, []byte) bool { return true }

// isProtobuf is as strict as 1.11.
func isProtobuf(contentType string, _ []byte) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/vnd.google.protobuf") {
		return false // without parsing it, since most pushes are text
	}
	_, params, err := mime.ParseMediaType(contentType)
	return err == nil && params["encoding"] == "delimited" && params["proto"] == "io.prometheus.client.MetricFamily"
}
