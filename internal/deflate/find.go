package deflate

import (
	"encoding/binary"
	"math/bits"
)

// sequence is a run of literal bytes and the repeat that follows it.
type sequence struct {
	literals uint16
	length   uint16 // of the repeat; it may exceed maxLength
	back     uint16 // its distance less 1
}

const (
	hashBits = 13
	// hashed is how many bytes are hashed, and margin how many more than these are
	// read at once.
	hashed, margin = 5, 12
)

// finder finds repeats. It looks for one place of each hash, the latest.
type finder struct {
	places [1 << hashBits]uint16
	found  []sequence
}

func hash(v uint64) uint32 {
	const prime = 889523592379
	return uint32(v << (64 - 8*hashed) * prime >> (64 - hashBits))
}

// find divides a segment, from some byte on, into sequences, and returns where
// the last one ends. What follows are literals.
func (f *finder) find(segment []byte, from int) (end int) {
	f.found = f.found[:0]
	clear(f.places[:])
	last := len(segment) - margin
	for i := 1; i < min(from, last); i += 2 {
		f.places[hash(binary.LittleEndian.Uint64(segment[i:]))] = uint16(i)
	}
	end = from
	for at := max(from, 1); at < last; {
		v := binary.LittleEndian.Uint64(segment[at:])
		h := hash(v)
		like := int(f.places[h])
		f.places[h] = uint16(at)
		if uint32(v) != binary.LittleEndian.Uint32(segment[like:]) {
			at += 1 + (at-end)>>5 // what has no repeats is passed faster and faster
			continue
		}
		n := 4 + alike(segment[at+4:], segment[like+4:])
		for like > 0 && at > end && segment[like-1] == segment[at-1] {
			at, like, n = at-1, like-1, n+1
		}
		f.found = append(f.found, sequence{uint16(at - end), uint16(n), uint16(at - like - 1)})
		at += n
		if end = at; at < last {
			f.places[hash(binary.LittleEndian.Uint64(segment[at-2:]))] = uint16(at - 2)
		}
	}
	return end
}

// alike returns how many bytes are the same. a is the shorter one.
func alike(a, b []byte) (n int) {
	for ; len(a) >= n+8; n += 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)>>3
		}
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}
