package exposition

import "math/bits"

// knownLine is a line of the last block. The one at the same place in the next
// block mostly has the same labels, with other values of the same length, such as
// those of another instance.
type knownLine struct {
	labels   string // what stands between the name and the value
	values   []labelValue
	from, to int // of the same in protobuf
}

// labelValue is a value without escapes: its place in the labels, and in their
// protobuf.
type labelValue struct{ from, to, proto int }

// mostKnown is how many lines of a block are known.
const mostKnown = 64

// repeat writes the labels of the nth line, without its value, if they are like
// those of the last block, and returns what follows them.
func (p *plainReader) repeat(n int, line string) (rest string, ok bool) {
	if n >= len(p.known) {
		return "", false
	}
	k := &p.known[n]
	all := len(k.labels)
	if len(line) < all {
		return "", false
	}
	start, labels := len(p.now), line[:all]
	p.now = append(p.now, p.before[k.from:k.to]...)
	for at := equalUpTo(k.labels, labels, 0); at < all; {
		v := k.valueAt(at)
		if v == nil || !isUnescaped(labels[v.from:v.to]) {
			p.now = p.now[:start]
			return "", false
		}
		copy(p.now[start+v.proto:], labels[v.from:v.to])
		at = equalUpTo(k.labels, labels, v.to)
	}
	k.labels, k.from, k.to = labels, start, len(p.now)
	return line[all:], true
}

// valueAt returns the value at a place in the labels, or nil.
func (k *knownLine) valueAt(at int) *labelValue {
	for i := range k.values {
		if v := &k.values[i]; v.from <= at && at < v.to {
			return v
		}
	}
	return nil
}

// remember notes the nth line, whose labels have just been written from start on.
func (p *plainReader) remember(n int, labels string, start int) {
	if n >= mostKnown {
		return
	}
	if n == cap(p.known) {
		p.known = append(p.known[:n], knownLine{})
	}
	p.known = p.known[:max(n+1, len(p.known))]
	k := &p.known[n]
	k.labels, k.from, k.to, k.values = labels, start, len(p.now), k.values[:0]
	text, proto := len("{"), len(p.now)-start-p.size
	for i := range p.pairs {
		pair := &p.pairs[i]
		proto += len(pair.proto)
		if pair.plain {
			to := text + len(pair.text) - len(`"`)
			from := text + pair.name
			k.values = append(k.values, labelValue{from, to, proto - (to - from)})
		}
		text += len(pair.text) + len(",")
	}
}

// equalUpTo returns where two texts of one length differ, from a place on, or
// their length.
func equalUpTo(a, b string, at int) int {
	for ; at+8 <= len(a); at += 8 {
		if x := eight(a[at:at+8]) ^ eight(b[at:at+8]); x != 0 {
			return at + bits.TrailingZeros64(x)/8
		}
	}
	for at < len(a) && a[at] == b[at] {
		at++
	}
	return at
}

// eight returns the first 8 bytes of s.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// isUnescaped reports whether what is written between quotes stands for itself.
func isUnescaped(s string) bool {
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}
