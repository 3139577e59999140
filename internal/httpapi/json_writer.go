package httpapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
)

// jsonWriter streams JSON that would be large as a whole. After an error it
// does nothing.
type jsonWriter struct {
	w   *bufio.Writer
	err error
}

// newJSONWriter begins an answer, which is cut off if the client does not read
// it, since it keeps its view in memory.
func newJSONWriter(w http.ResponseWriter) *jsonWriter {
	w.Header().Set("Content-Type", "application/json")
	return &jsonWriter{w: bufio.NewWriterSize(newSteady(w), 64<<10)}
}

func (j *jsonWriter) text(s string) {
	if j.err == nil {
		_, j.err = j.w.WriteString(s)
	}
}

func (j *jsonWriter) raw(b []byte) {
	if j.err == nil {
		_, j.err = j.w.Write(b)
	}
}

// writeList streams the entries of an answer, since labels may be long and JSON
// makes them longer. They replace the one empty list in the answer.
func writeList(w http.ResponseWriter, status int, a answer, entries iter.Seq[any]) {
	frame, err := json.Marshal(a)
	before, behind, ok := bytes.Cut(frame, []byte("[]")) // no text precedes the list
	if err != nil || !ok {
		http.Error(w, fmt.Sprintf("encoding the answer %s: %v", excerpt.Of(string(frame)), err), http.StatusInternalServerError)
		return
	}
	out := newJSONWriter(w)
	w.WriteHeader(status)
	out.raw(before)
	out.raw([]byte("["))
	separator := ""
	for entry := range entries {
		out.text(separator)
		out.json(entry)
		separator = ","
		if out.err != nil {
			return // the client is gone
		}
	}
	out.raw([]byte("]"))
	out.raw(append(behind, '\n'))
	_ = out.w.Flush()
}

// jsonField is a field of an object. If it has a block, its value is a
// familyJSON without series, to be filled with those of the block, shown with
// this type.
type jsonField struct {
	name  string
	value any
	block *exposition.Block
	as    metric.Type
}

// object writes fields one at a time, until the client is gone. There may be as
// many as a group has families.
func (j *jsonWriter) object(fields iter.Seq[jsonField]) {
	separator := "{"
	for f := range fields {
		j.text(separator)
		j.json(f.name)
		j.text(":")
		j.field(f)
		separator = ","
		if j.err != nil {
			return
		}
	}
	if separator == "{" {
		j.text(separator)
	}
	j.text("}")
}

// json writes a value as JSON.
func (j *jsonWriter) json(v any) {
	b, err := json.Marshal(v)
	if j.err == nil {
		j.err = err
	}
	j.raw(b)
}

func (j *jsonWriter) field(f jsonField) {
	if f.block == nil || f.block.Series() == 0 {
		j.json(f.value)
		return
	}
	family, err := json.Marshal(f.value)
	if j.err == nil {
		j.err = err
	}
	open, _ := bytes.CutSuffix(family, []byte("null}")) // the series come last
	open, _ = bytes.CutSuffix(open, []byte("[]}"))
	j.raw(open)
	separator := "["
	f.block.EachSeries(func(s metric.Series) bool {
		j.text(separator)
		j.json(toSeriesJSON(f.as, &s))
		separator = ","
		return j.err == nil
	})
	j.text("]}")
}
