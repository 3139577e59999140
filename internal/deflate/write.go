package deflate

import "encoding/binary"

// bitWriter collects bits. The lowest bits of a value come first.
type bitWriter struct {
	out  []byte
	bits uint64 // of the byte that is not complete
	n    uint
}

func (w *bitWriter) put(v uint32, n uint8) {
	w.bits |= uint64(v) << w.n
	for w.n += uint(n); w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.bits))
		w.bits >>= 8
	}
}

// most is the size of the largest block of so much content.
func (t *table) most(content int) int {
	const tail = 16 // the end, and what is stored too much at once
	return len(t.head.out) + 2*content + tail
}

// appendBlock appends a block and an empty one, which ends at a byte. It reports
// whether all bytes of the content have codes; if not, the block is of no use. to
// has room for the most that a block takes.
func (t *table) appendBlock(to, content []byte, found []sequence) (packed []byte, covered bool) {
	packed = append(to, t.head.out...)
	w := blockWriter{out: packed[len(packed):cap(packed)], bits: t.head.bits, n: t.head.n, covered: true}
	for _, s := range found {
		w.putLiterals(t, content[:s.literals])
		w.putRepeat(t, s)
		content = content[int(s.literals)+int(s.length):]
	}
	w.putLiterals(t, content)
	w.put(t.end)
	const storedHead = 3 // bits, all of them 0
	w.put(code{0, storedHead})
	if w.n > 0 {
		w.at++ // put stores the last byte as well
	}
	packed = packed[:len(packed)+w.at]
	return append(packed, 0, 0, 0xff, 0xff), w.covered
}

// blockWriter is a bitWriter for what must be fast.
type blockWriter struct {
	out     []byte
	at      int
	bits    uint64
	n       uint // at most 7 between calls
	covered bool
}

// store stores the complete bytes.
func (w *blockWriter) store() {
	binary.LittleEndian.PutUint64(w.out[w.at:], w.bits)
	w.at += int(w.n >> 3)
	w.bits >>= w.n & 56
	w.n &= 7
}

func (w *blockWriter) put(c code) {
	w.bits |= uint64(c.bits) << (w.n & 63)
	w.n += uint(c.n)
	w.store()
}

func (w *blockWriter) putLiterals(t *table, content []byte) {
	out, at, acc, n, covered := w.out, w.at, w.bits, w.n, w.covered
	for _, b := range content {
		c := t.literals[b]
		covered = covered && c.n > 0
		acc |= uint64(c.bits) << (n & 63)
		n += uint(c.n)
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(n >> 3)
		acc >>= n & 56
		n &= 7
	}
	w.at, w.bits, w.n, w.covered = at, acc, n, covered
}

// putRepeat puts a repeat. Each of its codes takes 48 bits at most.
func (w *blockWriter) putRepeat(t *table, s sequence) {
	symbol, extraBits := distanceSymbol(s.back)
	distance := t.distances[symbol]
	extra := uint32(s.back) & (1<<extraBits - 1)
	distance = code{distance.bits | extra<<distance.n, distance.n + extraBits}
	for left := int(s.length); left > 0; {
		n := nextLength(left)
		left -= n
		length := t.lengths[n]
		w.bits |= uint64(length.bits)<<(w.n&63) | uint64(distance.bits)<<((w.n+uint(length.n))&63)
		w.n += uint(length.n) + uint(distance.n)
		w.store()
	}
}
