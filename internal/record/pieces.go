package record

import (
	"bytes"

	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
)

// pieceSize is how much of a record is packed at a time, in bytes. S2 looks
// back no further for repetitions.
const pieceSize = 1 << 20

// writer writes the content of a record and packs large parts piece by piece,
// so that they are never in memory as a whole.
type writer struct {
	buf    *buffers // not packed yet
	packed [][]byte // S2 blocks
	budget exposition.Budget
	format gateway.Format
	err    error
}

func (w *writer) group(g *gateway.Group) {
	w.buf.content = appendHead(w.buf.content, g, w.format)
	for i := range g.Families {
		h := &g.Families[i]
		w.buf.content = protowire.AppendTag(w.buf.content, groupFamilies, protowire.BytesType)
		if len(h.StoredText()) > pieceSize {
			w.large(g, h)
		} else {
			w.takeFor(h)
			w.buf.content = appendSized(w.buf.content, func(b []byte) []byte { return appendHeld(b, g, h) })
		}
		if len(w.buf.content) > pieceSize {
			w.pack(w.buf.content)
			w.buf.content = w.buf.content[:0]
		}
		if w.err != nil {
			return
		}
	}
}

// takeFor takes the memory for a copy of a family that is large because it is
// not stored as text.
func (w *writer) takeFor(h *gateway.Held) {
	if n := h.StoredSize(); n > pieceSize {
		w.take(n)
	}
}

// large writes a family whose text must not be copied.
func (w *writer) large(g *gateway.Group, h *gateway.Held) {
	text := h.StoredText()
	b := protowire.AppendTag(nil, familyBlock, protowire.BytesType)
	b = appendSized(b, h.AppendStored)
	b = protowire.AppendTag(b, familyText, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(text)))
	tail := appendTail(nil, g, h)
	w.buf.content = protowire.AppendVarint(w.buf.content, uint64(len(b)+len(text)+len(tail)))
	w.pack(append(w.buf.content, b...))
	for len(text) > 0 && w.err == nil {
		n := min(len(text), pieceSize)
		w.pack(text[:n])
		text = text[n:]
	}
	w.buf.content = append(w.buf.content[:0], tail...)
}

// pack packs the next piece.
func (w *writer) pack(content []byte) {
	w.buf.packed = s2.Encode(w.buf.packed[:cap(w.buf.packed)], content)
	const copies = 4 // here, in the record, in the page of the file, and in the page that it replaces
	w.take(copies * len(w.buf.packed))
	w.packed = append(w.packed, bytes.Clone(w.buf.packed))
}

func (w *writer) take(n int) {
	if w.err == nil && w.budget != nil && n > 0 {
		w.err = w.budget.Take(n)
	}
}

// join makes a record from the packed pieces.
func (w *writer) join() ([]byte, error) {
	w.pack(w.buf.content)
	if w.err != nil {
		return nil, w.err
	}
	rec := make([]byte, contentAt)
	rec[0] = byte(w.format)
	return s2.ConcatBlocks(rec, w.packed...)
}
