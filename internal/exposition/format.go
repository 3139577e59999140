package exposition

import (
	"net/http"

	"github.com/munnerz/goautoneg"

	"pushgateway/internal/metric"
)

// Syntax is a scrape format.
type Syntax uint8

// The formats that a scrape can ask for.
const (
	Text Syntax = iota
	Protobuf
	ProtobufText
	ProtobufCompact
	OpenMetrics1
	OpenMetrics0
)

var mediaTypes = [...]string{
	Text:            "text/plain; version=0.0.4; charset=utf-8",
	Protobuf:        protobufType + "; proto=" + protobufMessage + "; encoding=delimited",
	ProtobufText:    protobufType + "; proto=" + protobufMessage + "; encoding=text",
	ProtobufCompact: protobufType + "; proto=" + protobufMessage + "; encoding=compact-text",
	OpenMetrics1:    openMetricsType + "; version=1.0.0; charset=utf-8",
	OpenMetrics0:    openMetricsType + "; version=0.0.1; charset=utf-8",
}

// String returns a short name of the format, for a label.
func (s Syntax) String() string { return syntaxNames[s] }

var syntaxNames = [...]string{
	Text: "text", Protobuf: "protobuf", ProtobufText: "protobuf_text", ProtobufCompact: "protobuf_compact_text",
	OpenMetrics1: "openmetrics", OpenMetrics0: "openmetrics",
}

const (
	protobufType    = "application/vnd.google.protobuf"
	protobufMessage = "io.prometheus.client.MetricFamily"
	openMetricsType = "application/openmetrics-text"
)

// Format is how a scrape is answered.
type Format struct {
	Syntax   Syntax
	Escaping metric.Escaping
}

// ContentType returns the value of the Content-Type header.
func (f Format) ContentType() string {
	return mediaTypes[f.Syntax] + "; escaping=" + f.Escaping.String()
}

func (f Format) isOpenMetrics() bool { return f.Syntax == OpenMetrics0 || f.Syntax == OpenMetrics1 }

// Negotiate picks the format of a scrape from its Accept header, with the
// results of Pushgateway 1.11: text is always version 0.0.4, and an escaping
// counts even if its clause is for a format that is not served.
func Negotiate(header http.Header, openMetrics bool) Format {
	format := Format{Syntax: Text, Escaping: metric.Underscores}
	for _, a := range goautoneg.ParseAccept(header.Get("Accept")) {
		if e, ok := metric.ParseEscaping(a.Params["escaping"]); ok {
			format.Escaping = e
		}
		if syntax, ok := match(a, openMetrics); ok {
			format.Syntax = syntax
			return format
		}
	}
	return format
}

func match(a goautoneg.Accept, openMetrics bool) (Syntax, bool) {
	version := a.Params["version"]
	switch a.Type + "/" + a.SubType {
	case protobufType:
		if a.Params["proto"] != protobufMessage {
			return 0, false
		}
		switch a.Params["encoding"] {
		case "delimited":
			return Protobuf, true
		case "text":
			return ProtobufText, true
		case "compact-text":
			return ProtobufCompact, true
		}
	case openMetricsType:
		switch {
		case !openMetrics:
		case version == "1.0.0":
			return OpenMetrics1, true
		case version == "0.0.1" || version == "":
			return OpenMetrics0, true
		}
	case "text/plain":
		return Text, version == "0.0.4" || version == ""
	}
	return 0, false
}
