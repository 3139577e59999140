package exposition

import (
	"bytes"
	"strings"

	"pushgateway/internal/metric"
)

// Most records of a group have what the group has already, with other values.
// Then each line is compared with the known one, and only its value is read.

// repeated is a family that has the lines of a block, with other values.
type repeated struct {
	old  *Block
	text []byte
}

// Repeats reports whether a stored family, from what AppendStored and StoredText
// returned, differs from a block in nothing but its values. If so, the reader
// remembers it for Repeated. It is false if that is unclear.
func (r *StoredReader) Repeats(old *Block, family, text []byte) bool {
	if old.StoredText() == nil {
		return false
	}
	if r.head = old.AppendStored(r.head[:0]); !bytes.Equal(r.head, family) {
		return false
	}
	l := likeness{known: view(old.Text()), lines: view(text), longest: StoredLimits().least()}
	if !l.check(old) {
		return false
	}
	r.repeated = append(r.repeated, repeated{old, text})
	return true
}

// maxShared bounds the text of blocks that share their memory, in bytes. None of
// it is released while one of the blocks is in use.
const maxShared = 64 << 10

// Repeated returns the blocks of the families for which Repeats was true, since
// GetStoredReader. They keep no reference to what Repeats got.
func (r *StoredReader) Repeated() []Block {
	size := 0
	for _, f := range r.repeated {
		size += len(f.text)
	}
	var joined []byte
	if size <= maxShared {
		joined = make([]byte, 0, size)
	}
	blocks := make([]Block, len(r.repeated))
	for i, f := range r.repeated {
		if size > maxShared {
			f.old.refill(&blocks[i], bytes.Clone(f.text))
			continue
		}
		start := len(joined)
		joined = append(joined, f.text...)
		f.old.refill(&blocks[i], joined[start:len(joined):len(joined)])
	}
	return blocks
}

// refill makes c what b is, with other values. text has the lines of b with
// these values.
func (b *Block) refill(c *Block, text []byte) {
	*c = Block{
		Name: b.Name, Help: b.Help, EmptyHelp: b.EmptyHelp, Unit: b.Unit, Type: b.Type, Legacy: b.Legacy,
		text: text, proto: b.proto, series: b.series,
		era: b.era, pattern: b.pattern, part: b.part, order: b.order,
	}
	c.hashes.Store(b.hashes.Load())
}

// likeness reads lines beside those of a block that has only text.
type likeness struct {
	known, lines string // what is left of them
	longest      int    // length of the longest line within the limits
}

func (l *likeness) check(old *Block) bool {
	if specialLabel(old.Type) == "" {
		return l.numbers()
	}
	if !metric.IsLegacyName(old.Name) {
		return false
	}
	for len(l.known) > 0 {
		if !l.special(old.Name, old.Type.IsHistogram()) {
			return false
		}
	}
	return l.lines == ""
}

// numbers checks series of a single line.
func (l *likeness) numbers() bool {
	known, lines := l.known, l.lines
	for len(known) > 0 {
		end, at := lineEnd(known)
		if end < 0 || !strings.HasPrefix(lines, known[:at]) {
			return false
		}
		size := renderedSize(lines[at:])
		if size < 0 || at+size > l.longest {
			return false
		}
		known, lines = known[end+1:], lines[at+size+1:]
	}
	return lines == ""
}

// lineEnd returns where the first of some lines ends, and where its value begins.
// end is negative if it does not end.
func lineEnd(lines string) (end, at int) {
	end = strings.IndexByte(lines, '\n')
	at = max(end, 0)
	for at > 0 && lines[at-1] != ' ' {
		at--
	}
	return end, at
}

// renderedSize returns the size of the number at the beginning of s, which a line
// feed follows. It is negative if the number is not as rendering writes it.
func renderedSize(s string) int {
	const most = 6 // digits of a whole number that is written without an exponent
	digits := 0
	for digits < len(s) && digits <= most && s[digits]-'0' <= 9 {
		digits++
	}
	if 0 < digits && digits <= most && digits < len(s) && s[digits] == '\n' && (digits == 1 || s[0] != '0') {
		return digits
	}
	size := strings.IndexByte(s, '\n')
	if size < 0 || !isRendered(s[:size]) {
		return -1
	}
	return size
}

// special checks the lines of one histogram or summary.
func (l *likeness) special(name string, histogram bool) bool {
	buckets := uint64(0) // the number in the last
	for isSpecialLine(l.known, name) {
		if value, ok := l.next(); !ok || histogram && !growTo(&buckets, value) {
			return false
		}
	}
	if _, ok := l.next(); !ok { // the sum
		return false
	}
	all := buckets
	count, ok := l.next()
	return ok && growTo(&all, count) && (!histogram || all == buckets)
}

// next returns the value of the next line, which must otherwise be the known
// one.
func (l *likeness) next() (value string, ok bool) {
	end, at := lineEnd(l.known)
	if end < 0 || !strings.HasPrefix(l.lines, l.known[:at]) {
		return "", false
	}
	rest := l.lines[at:]
	size := renderedSize(rest)
	if size < 0 || at+size > l.longest {
		return "", false
	}
	l.known, l.lines = l.known[end+1:], rest[size+1:]
	return rest[:size], true
}

// isSpecialLine reports whether lines begin with that of a quantile or bucket of
// a family. Its name is a legacy name, without quotes.
func isSpecialLine(lines, name string) bool {
	if len(lines) < len(name) {
		return false
	}
	rest := lines[len(name):]
	return strings.HasPrefix(rest, metric.BucketSuffix) || strings.HasPrefix(rest, "{")
}
