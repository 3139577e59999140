package httpapi

import (
	"bufio"
	"bytes"
	"io"
	"iter"
	"net/http"
	"slices"

	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pushgateway/internal/compression"
)

// list is an array whose entries are made while it is written, since all of
// them would be large. A nil list is null.
type list iter.Seq[any]

// listOf returns a list with an entry for each value.
func listOf[T any](values iter.Seq[T], entry func(T) any) list {
	return func(yield func(any) bool) {
		for v := range values {
			if !yield(entry(v)) {
				return
			}
		}
	}
}

// MarshalJSONTo implements json.MarshalerTo.
func (l list) MarshalJSONTo(e *jsontext.Encoder) error {
	if l == nil {
		return e.WriteToken(jsontext.Null)
	}
	if err := e.WriteToken(jsontext.BeginArray); err != nil {
		return err
	}
	for v := range l {
		if err := json.MarshalEncode(e, v); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndArray)
}

// object is an object whose fields are made while it is written, in this order.
type object iter.Seq2[string, any]

// MarshalJSONTo implements json.MarshalerTo.
func (o object) MarshalJSONTo(e *jsontext.Encoder) error {
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for name, v := range o {
		if err := json.MarshalEncode(e, name); err != nil {
			return err
		}
		if err := json.MarshalEncode(e, v); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndObject)
}

// jsonBuffer is how much of an answer is written at a time, in bytes.
const jsonBuffer = 64 << 10

// writeJSON answers with a value in JSON. The answer is cut off if the client
// does not read it, since it keeps its view in memory.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	out := bufio.NewWriterSize(newSteady(w), jsonBuffer)
	err := encode(out, v)
	if unread := out.Flush(); unread == nil && err != nil {
		panic(http.ErrAbortHandler) // no answer is better than a part that looks complete
	}
}

func encode(w io.Writer, v any) error {
	return json.MarshalEncode(jsontext.NewEncoder(w, jsonv1.DefaultOptionsV1()), v)
}

// encoded returns the answer with some data, for all who ask for the same.
func encoded(data any) *compression.Content {
	var text bytes.Buffer
	_ = encode(&text, answer{Status: "success", Data: data}) // writing to memory cannot fail
	return compression.NewContent(text.Bytes())
}

// writeEncoded writes an answer that was encoded before.
func writeEncoded(w http.ResponseWriter, r *http.Request, c *compression.Content) {
	w.Header().Set("Content-Type", "application/json")
	coding, text := c.For(r.Header.Values("Accept-Encoding"))
	if coding != "" {
		w.Header().Set("Content-Encoding", coding)
	}
	out := newSteady(w)
	for piece := range slices.Chunk(text, jsonBuffer) {
		if _, err := out.Write(piece); err != nil {
			return
		}
	}
}
