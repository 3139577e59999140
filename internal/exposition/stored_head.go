package exposition

import (
	"bytes"

	"pushgateway/internal/metric"
)

// knownHead is a stored family without its series, and what it says. The series
// are stored as text.
type knownHead struct {
	stored           []byte // what AppendStored returned
	name, help, unit string
	emptyHelp        bool
	typ              metric.Type
}

// knownHeads are the families of the last records, by their places there. The
// groups of a job have the same ones, so they need not be read again for each group.
// They are bounded.
type knownHeads struct {
	heads []knownHead
	other knownHead // the last one that is not among them
	buf   []byte
}

const (
	maxHeads    = 100
	maxHeadSize = 1000 // bytes
)

// of returns what AppendStored appends for a block that is the ith of a group. The
// lines of the block must be stored as text.
func (k *knownHeads) of(b *Block, i int) []byte {
	if i < len(k.heads) && k.heads[i].isOf(b) {
		return k.heads[i].stored
	}
	k.buf = b.AppendStored(k.buf[:0])
	return k.keep(i, k.buf, knownHead{nil, b.Name, b.Help, b.Unit, b.EmptyHelp, b.Type}).stored
}

// isOf reports whether the head is that of b. It may be false although it is.
func (h *knownHead) isOf(b *Block) bool {
	return isCopy(h.name, b.Name) && isCopy(h.help, b.Help) && h.unit == b.Unit && h.emptyHelp == b.EmptyHelp && h.typ == b.Type
}

// find returns the ith head of a record if it is known, or else nil.
func (k *knownHeads) find(i int, stored []byte) *knownHead {
	if i < len(k.heads) && bytes.Equal(k.heads[i].stored, stored) {
		return &k.heads[i]
	}
	return nil
}

// keep remembers the ith head of a record. The result is valid until the next call.
func (k *knownHeads) keep(i int, stored []byte, h knownHead) *knownHead {
	at := &k.other
	if i < maxHeads && i <= len(k.heads) && len(stored) <= maxHeadSize {
		if i == len(k.heads) {
			k.heads = append(k.heads, knownHead{})
		}
		at = &k.heads[i]
	}
	h.stored = append(at.stored[:0], stored...)
	*at = h
	return at
}

// release drops what is not bounded.
func (k *knownHeads) release() {
	if k.other = (knownHead{}); cap(k.buf) > maxHeadSize {
		k.buf = nil
	}
}
