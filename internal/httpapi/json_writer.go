package httpapi

import (
	"bufio"
	"iter"
	"net/http"

	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// list is an array whose entries are made while it is written, as all of them
// would be large. It is null if it is nil.
type list iter.Seq[any]

// listOf makes an entry of each of some values.
func listOf[T any](values iter.Seq[T], entry func(T) any) list {
	return func(yield func(any) bool) {
		for v := range values {
			if !yield(entry(v)) {
				return
			}
		}
	}
}

// MarshalJSONTo is for the encoder.
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

// object is one whose fields are made while it is written, in this order.
type object iter.Seq2[string, any]

// MarshalJSONTo is for the encoder.
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

// jsonBuffer is how much of an answer is written at once, in bytes.
const jsonBuffer = 64 << 10

// writeJSON answers with a value in JSON. It is cut off if it is not read: until
// then it keeps the view that it is made of in memory.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	out := bufio.NewWriterSize(newSteady(w), jsonBuffer)
	err := json.MarshalEncode(jsontext.NewEncoder(out, jsonv1.DefaultOptionsV1()), v)
	if unread := out.Flush(); unread == nil && err != nil {
		panic(http.ErrAbortHandler) // better no answer than a part that looks like all
	}
}
