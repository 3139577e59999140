package exposition

import (
	"bytes"
	"hash/maphash"
	"slices"
)

// A pattern is what a text body is without its values. The blocks of one push
// share it.
type pattern struct {
	sum sum
	// values are the numbers of values of the families, in their order in the body.
	values []int32
}

// sum stands for a text. Two texts of one length have the same sum by chance once
// in 2^64; and no client knows the seed.
type sum struct {
	hash uint64
	size int
}

func sumOf(text []byte) sum { return sum{maphash.Bytes(seed, text), len(text)} }

const (
	valueMark = '\x00'
	// maxPattern bounds the bodies that have patterns, in bytes.
	maxPattern = 1 << 20
)

// outline is a text body taken apart: its values, and the rest.
type outline struct {
	values []place32
	rest   []byte // with a mark for each value
}

// place32 is the place of a value in a body.
type place32 struct{ from, to int32 }

// outlineSize is what a value takes in an outline beside the rest, in bytes.
const outlineSize = 8

// read takes a body apart, looking only for the last word of each line that is
// no comment. ok is false if the body can have no pattern: it is too large, is
// not made of lines, has marks of its own, or memory has no room.
func (o *outline) read(body []byte, memory *tab) (ok bool) {
	if len(body) == 0 || len(body) > maxPattern || body[len(body)-1] != '\n' || bytes.IndexByte(body, valueMark) >= 0 {
		return false
	}
	lines := bytes.Count(body, []byte{'\n'})
	if memory.take(len(body)+outlineSize*lines) != nil {
		return false
	}
	o.values = slices.Grow(o.values[:0], lines)
	o.rest = slices.Grow(o.rest[:0], len(body)+lines)
	done := 0
	for at := 0; at < len(body); {
		end := at + bytes.IndexByte(body[at:], '\n')
		if from, to := lastWord(body[at:end]); to > 0 {
			o.rest = append(append(o.rest, body[done:at+from]...), valueMark)
			o.values = append(o.values, place32{int32(at + from), int32(at + to)})
			done = at + to
		}
		at = end + 1
	}
	o.rest = append(o.rest, body[done:]...)
	return true
}

// lastWord finds what may be the value in a line: what stands behind the last
// blank or closing brace, without blanks at the end. to is 0 if there is none.
func lastWord(line []byte) (from, to int) {
	start := skipBlanks(view(line), 0)
	if start == len(line) || line[start] == '#' {
		return 0, 0
	}
	to = len(line)
	for isBlank(line[to-1]) {
		to--
	}
	for i := to - 1; i >= start; i-- {
		if c := line[i]; c == ' ' || c == '}' || c == '\t' {
			return i + 1, to
		}
	}
	return 0, 0
}

// has reports whether the values of the outline are these samples.
func (o *outline) has(samples []sample) bool {
	if len(o.values) != len(samples) {
		return false
	}
	for i, v := range o.values {
		if v != (place32{samples[i].from, samples[i].to}) {
			return false
		}
	}
	return true
}
