// Package otlp reads metrics in the OpenTelemetry protocol, and translates them
// to families as Prometheus does. It also writes the answers of the protocol.
package otlp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/guard"
)

// Encoding is how a request, and so its answer, is written.
type Encoding uint8

// The encodings of the protocol over HTTP.
const (
	Protobuf Encoding = iota
	JSON
)

var mediaTypes = [...]string{Protobuf: "application/x-protobuf", JSON: "application/json"}

// EncodingOf returns the encoding that a Content-Type names.
func EncodingOf(contentType string) (Encoding, bool) {
	media, _, _ := mime.ParseMediaType(contentType)
	for e, known := range mediaTypes {
		if media == known {
			return Encoding(e), true
		}
	}
	return Protobuf, false
}

// SyntaxError means that a body is not a request of the protocol.
type SyntaxError struct{ error }

func (e *SyntaxError) Unwrap() error { return e.error }

// deepest is how many messages may be within each other. Real ones have ten.
const deepest = 64

// read parses a request, which has the wire form of MetricsData. take provides
// the memory for the result before it is allocated. The result is valid until d is
// released.
func (d *decoder) read(body []byte, e Encoding, take func(bytes int) error) (*metrics.MetricsData, error) {
	req := new(metrics.MetricsData)
	if e == JSON {
		if err := take(costOfJSON(body)); err != nil {
			return nil, err
		}
		o := protojson.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: deepest}
		if err := o.Unmarshal(body, req); err != nil {
			return nil, &SyntaxError{fmt.Errorf("the body is not OTLP in JSON: %s; %s", said(err), instead(body, e, err))}
		}
		return req, nil
	}
	read, err := d.decode(body, take)
	if err == nil || errors.Is(err, guard.ErrBusy) || errors.Is(err, guard.ErrTooLarge) {
		return read, err
	}
	cost := costOf(req.ProtoReflect().Descriptor(), body, 0)
	if err := take(cost); err != nil {
		return nil, err
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: deepest}).Unmarshal(body, req); err != nil {
		return nil, &SyntaxError{fmt.Errorf("the body is not OTLP in protobuf: %s; %s", said(err), instead(body, e, err))}
	}
	return req, nil
}

// instead says what to send instead of a body that cannot be read because of err.
func instead(body []byte, e Encoding, err error) string {
	begins := bytes.TrimLeft(body, " \t\r\n")
	isBinary := bytes.ContainsFunc(begins, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' })
	switch {
	case e == Protobuf && bytes.HasPrefix(begins, []byte("{")) && !isBinary:
		return "it looks like JSON, so send Content-Type: " + mediaTypes[JSON]
	case e == JSON && isBinary:
		return "if it is protobuf, send Content-Type: " + mediaTypes[Protobuf]
	case e == JSON && len(begins) == 0:
		return "it is empty, so send an ExportMetricsServiceRequest, like {}"
	case strings.Contains(err.Error(), "invalid UTF-8"):
		return "write all names and values as UTF-8, or values as bytes"
	}
	return "send an ExportMetricsServiceRequest"
}

// said returns the message of an error of the library, which puts odd blanks
// into it so that nobody compares it.
func said(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return excerpt.Of(strings.TrimPrefix(strings.TrimPrefix(text, "proto: "), "syntax error "))
}

// messageSize is about how many bytes a message takes with what points to it.
const messageSize = 200

// costOf estimates, without making it, what a message takes in memory.
func costOf(d protoreflect.MessageDescriptor, msg []byte, depth int) int {
	cost := messageSize
	for len(msg) > 0 && depth < deepest {
		num, typ, n := protowire.ConsumeField(msg)
		if n < 0 {
			break // parsing says what is wrong
		}
		if typ == protowire.BytesType {
			cost += costOfField(d.Fields().ByNumber(num), msg[:n], depth)
		}
		msg = msg[n:]
	}
	return cost
}

// costOfField is costOf for a field with a length. Unknown fields cost nothing.
func costOfField(f protoreflect.FieldDescriptor, field []byte, depth int) int {
	if f == nil {
		return 0
	}
	_, _, head := protowire.ConsumeTag(field)
	content, _ := protowire.ConsumeBytes(field[head:])
	switch {
	case f.Message() != nil:
		return costOf(f.Message(), content, depth+1)
	case f.IsList() && f.Kind() != protoreflect.StringKind:
		const number = 8
		return 2 * number * len(content) // varints may have a byte each
	}
	return len(content)
}

// costOfJSON is costOf for JSON: each message has a brace, and each number of a
// list a comma.
func costOfJSON(body []byte) int {
	cost := 2 * len(body)
	for _, c := range body {
		switch c {
		case '{':
			cost += messageSize
		case ',':
			cost += 16
		}
	}
	return cost
}

// WriteAnswer answers a request that was read. rejected says what of it was not
// taken.
func WriteAnswer(w http.ResponseWriter, e Encoding, rejected Rejected) {
	w.Header().Set("Content-Type", mediaTypes[e])
	points, text := rejected.Points, rejected.String()
	if e == JSON {
		answer := struct {
			Partial *partialSuccess `json:"partialSuccess,omitempty"`
		}{}
		if points > 0 || text != "" {
			answer.Partial = &partialSuccess{points, text}
		}
		writeJSON(w, answer)
		return
	}
	if points == 0 && text == "" {
		return // an empty message
	}
	partial := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(points))
	partial = protowire.AppendString(protowire.AppendTag(partial, 2, protowire.BytesType), text)
	_, _ = w.Write(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial)) // the client may be gone
}

type partialSuccess struct {
	Points int64  `json:"rejectedDataPoints,string,omitempty"`
	Text   string `json:"errorMessage,omitempty"`
}

func writeJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("an answer cannot be written as JSON: %v", err)) // it has only numbers and strings
	}
	_, _ = w.Write(b)
}
