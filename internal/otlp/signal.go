package otlp

import (
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// signal is what a request of the OpenTelemetry protocol carries, if not metrics.
type signal string

// refusal returns the error for a body with this signal.
func (s signal) refusal() error {
	return &SyntaxError{fmt.Errorf("the body has %s, but the gateway takes only metrics; send them to another server: OTEL_EXPORTER_OTLP_METRICS_ENDPOINT sets the one for metrics alone", s)}
}

// signalOf returns the signal of a body that has no metrics, or "" if that is not
// certain. Such a body, read as metrics, has no points or cannot be read.
func signalOf(body []byte, e Encoding) signal {
	if e == JSON {
		return signalOfJSON(body)
	}
	return signalWithin(body, 0)
}

// signalOfJSON looks at the names of the fields, of which each signal has one.
func signalOfJSON(body []byte) signal {
	var has struct {
		Spans     json.RawMessage `json:"resourceSpans"`
		Spans2    json.RawMessage `json:"resource_spans"`
		Logs      json.RawMessage `json:"resourceLogs"`
		Logs2     json.RawMessage `json:"resource_logs"`
		Profiles  json.RawMessage `json:"resourceProfiles"`
		Profiles2 json.RawMessage `json:"resource_profiles"`
	}
	switch err := json.Unmarshal(body, &has); {
	case err != nil:
	case has.Spans != nil || has.Spans2 != nil:
		return "traces"
	case has.Logs != nil || has.Logs2 != nil:
		return "logs"
	case has.Profiles != nil || has.Profiles2 != nil:
		return "profiles"
	}
	return ""
}

// signalWithin looks for fields in which metrics have no numbers. depth is how many
// messages are around it. Items are within three, which have the same fields for all
// signals.
func signalWithin(msg []byte, depth int) signal {
	const items = 3 // resources, scopes, and then what these have
	wanted := protowire.Number(2)
	if depth == 0 {
		wanted = 1
	}
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeField(msg)
		if n < 0 {
			return ""
		}
		field := msg[:n]
		msg = msg[n:]
		if depth == items {
			if s := signals[fieldKey{num, typ}]; s != "" {
				return s
			}
			continue
		}
		if num != wanted || typ != protowire.BytesType {
			continue
		}
		_, _, head := protowire.ConsumeTag(field)
		within, _ := protowire.ConsumeBytes(field[head:])
		if s := signalWithin(within, depth+1); s != "" {
			return s
		}
	}
	return ""
}

type fieldKey struct {
	num protowire.Number
	typ protowire.Type
}

// signals are by the times that spans and records of logs have. A metric has only
// texts and messages.
var signals = map[fieldKey]signal{
	{7, protowire.Fixed64Type}:  "traces", // the start
	{8, protowire.Fixed64Type}:  "traces", // the end
	{1, protowire.Fixed64Type}:  "logs",   // the time
	{11, protowire.Fixed64Type}: "logs",   // when it was observed
}
