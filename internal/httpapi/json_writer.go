package httpapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"

	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
)

// jsonWriter writes what would be large as a whole. After an error it does
// nothing.
type jsonWriter struct {
	w   *bufio.Writer
	err error
}

// newJSONWriter begins an answer, which is cut off if it is not read: until then
// it keeps the view that it began with in memory.
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

// writeList writes an answer an entry at a time: labels may be long, and JSON
// makes them longer. The entries take the place of the one list in the answer,
// which is empty there.
func writeList(w http.ResponseWriter, status int, a answer, entries iter.Seq[any]) {
	frame, err := json.Marshal(a)
	before, behind, ok := bytes.Cut(frame, []byte("[]")) // no text comes before the list
	if err != nil || !ok {
		http.Error(w, fmt.Sprintf("encoding the answer %s: %v", frame, err), http.StatusInternalServerError)
		return
	}
	out := newJSONWriter(w)
	w.WriteHeader(status)
	out.raw(before)
	out.raw([]byte("["))
	separator := ""
	for entry := range entries {
		b, err := json.Marshal(entry)
		if out.err == nil {
			out.err = err
		}
		out.text(separator)
		out.raw(b)
		separator = ","
		if out.err != nil {
			return // the client has gone
		}
	}
	out.raw([]byte("]"))
	out.raw(append(behind, '\n'))
	_ = out.w.Flush()
}

// jsonField is a value as JSON. If it has a block it is a familyJSON without
// series, which those of the block are to be put into, shown as of a type.
type jsonField struct {
	json  []byte
	block *exposition.Block
	as    metric.Type
}

// object writes fields by their names, in their order.
func (j *jsonWriter) object(fields map[string]jsonField) {
	separator := "{"
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		quoted, _ := json.Marshal(name) // a string has no way to fail
		j.text(separator)
		j.raw(quoted)
		j.text(":")
		j.field(fields[name])
		separator = ","
	}
	if separator == "{" {
		j.text(separator)
	}
	j.text("}")
}

func (j *jsonWriter) field(f jsonField) {
	if f.block == nil || f.block.Series() == 0 {
		j.raw(f.json)
		return
	}
	open, _ := bytes.CutSuffix(f.json, []byte("null}")) // the series come last
	open, _ = bytes.CutSuffix(open, []byte("[]}"))
	j.raw(open)
	separator := "["
	f.block.EachSeries(func(s metric.Series) bool {
		b, err := json.Marshal(toSeriesJSON(f.as, &s))
		if j.err == nil {
			j.err = err
		}
		j.text(separator)
		j.raw(b)
		separator = ","
		return j.err == nil
	})
	j.text("]}")
}
