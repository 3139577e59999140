// Package deflate compresses pieces of deflate streams, as in RFC 1951, that can
// be put together in any stream. It gives pieces the codes of earlier ones, since
// making codes takes as long as compressing 8 kB.
package deflate

import (
	"slices"
	"sync/atomic"
)

// Codes are the codes that the pieces of one stream share. They follow the
// content. The zero value is ready, and safe for concurrent use.
type Codes struct {
	latest atomic.Pointer[table]
	pieces atomic.Uint32
}

// Encoder makes pieces. The zero value is ready. It is not safe for concurrent use.
type Encoder struct {
	finder
	segment []byte // with what precedes it
}

const (
	// window is how far back deflate can refer, in bytes.
	window = 32 << 10
	// maxBefore is how much of what precedes a segment is searched, in bytes.
	maxBefore = 4 << 10
	// renewal is how many pieces in a row get the same codes.
	renewal = 16
)

// Append appends a piece, which consists of whole bytes and is not the end of the
// stream. before is what precedes content in every stream that has the piece, or
// the end of that, or empty. The piece may refer to it.
func (e *Encoder) Append(to, content, before []byte, codes *Codes) []byte {
	anew := codes.pieces.Add(1)%renewal == 0 || len(before) == 0
	for len(content) > 0 {
		before = before[max(0, len(before)-maxBefore):]
		n := min(len(content), window-len(before))
		e.segment = append(append(e.segment[:0], before...), content[:n]...)
		to = e.appendSegment(to, len(before), codes, anew)
		before, content = content[:n], content[n:]
	}
	return to
}

// appendSegment appends a block with what follows the first bytes of the segment,
// and an empty one.
func (e *Encoder) appendSegment(to []byte, from int, codes *Codes, anew bool) []byte {
	rest := e.find(e.segment, from)
	content := e.segment[from:]
	t := codes.latest.Load()
	if t != nil && !anew {
		to = slices.Grow(to, t.most(len(content)))
		if packed, covered := t.appendBlock(to, content, e.found); covered && len(packed)-len(to) <= len(content) {
			return packed
		}
	}
	t = newTable(t, content, e.found, rest-from)
	codes.latest.Store(t)
	packed, _ := t.appendBlock(slices.Grow(to, t.most(len(content))), content, e.found)
	return packed
}
