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
	if !bytes.Equal(r.heads.of(old, len(r.repeated)), family) {
		return false
	}
	l := likeness{known: view(old.Text()), lines: view(text)}
	if !l.check(old, StoredLimits().least()) {
		return false
	}
	r.repeated = append(r.repeated, repeated{old, text})
	return true
}

// Repeated returns the blocks of the families for which Repeats was true, since
// GetStoredReader. They keep no reference to what Repeats got.
func (r *StoredReader) Repeated() []*Block {
	blocks := make([]*Block, len(r.repeated))
	r.together.begin(len(blocks))
	for i, f := range r.repeated {
		blocks[i] = r.together.next(len(f.text))
		f.old.refill(blocks[i])
		r.together.give(blocks[i], f.text)
	}
	r.together.finish()
	return blocks
}

// refill makes c what b is, except its text, which has the same lines with other
// values.
func (b *Block) refill(c *Block) {
	*c = Block{
		Name: b.Name, Help: b.Help, EmptyHelp: b.EmptyHelp, Unit: b.Unit, Type: b.Type, Legacy: b.Legacy,
		proto: b.proto, series: b.series,
		era: b.era, pattern: b.pattern, part: b.part, order: b.order,
	}
	if hashes := b.hashes.Load(); hashes != nil {
		c.hashes.Store(hashes)
	}
}

// likeness reads lines beside those of a block that has only text.
type likeness struct {
	known, lines string // what is left of them
}

// check reports whether the lines are those of old, with other values. No line is
// longer than longest.
func (l *likeness) check(old *Block, longest int) bool {
	if len(l.lines) > longest && longestLine(l.lines) > longest {
		return false
	}
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

func longestLine(lines string) (longest int) {
	for line := range strings.Lines(lines) {
		longest = max(longest, len(line))
	}
	return longest
}

// numbers checks series of a single line. It looks only at the lines that have
// another value.
func (l *likeness) numbers() bool {
	for {
		n := commonPrefix(l.known, l.lines)
		if n == len(l.known) && n == len(l.lines) {
			return true
		}
		from, end := valueAround(l.known, n)
		if end < 0 {
			return false
		}
		size := renderedSize(l.lines[from:])
		if size < 0 {
			return false
		}
		l.known, l.lines = l.known[end+1:], l.lines[from+size+1:]
	}
}

// valueAround returns where the value in some lines begins that contains the
// place at or ends there, and where it ends. end is negative if there is none.
func valueAround(lines string, at int) (from, end int) {
	from, end = blankBefore(lines, at)+1, blankFrom(lines, at)
	if from == 0 || lines[from-1] != ' ' || end == len(lines) || lines[end] != '\n' {
		return 0, -1 // the place is among the labels, or behind the lines
	}
	return from, end
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
	if size := integerSize(s); size > 0 {
		return size
	}
	if size := shortSize(s); size > 0 {
		return size
	}
	size := strings.IndexByte(s, '\n')
	if size < 0 || !isRendered(s[:size]) {
		return -1
	}
	return size
}

// integerSize is renderedSize for whole numbers of up to six digits. For others it
// returns 0.
func integerSize(s string) int {
	const most = 6 // digits of a number that is written without an exponent
	if len(s) < wordSize {
		return 0
	}
	word := wordOf(s)
	size := firstByte(blanks(word))
	if size == 0 || size > most || s[size] != '\n' || size > 1 && s[0] == '0' || firstByte(^digitsIn(word)&highBits) < size {
		return 0
	}
	return size
}

// shortSize is renderedSize in one pass, for most numbers that isShortest and
// isPower are for. For others it returns 0.
func shortSize(s string) int {
	const (
		most  = 15 // digits that a float64 always holds, and the point
		whole = 6  // digits of a number that is written without an exponent
	)
	point := digits(s, 0)
	if point == 0 || point > whole || point == len(s) || s[0] == '0' && point > 1 {
		return 0
	}
	end := point
	if s[point] == '.' {
		end = digits(s, point+1)
		if s[end-1] == '0' || s[end-1] == '.' || end > most || end == len(s) {
			return 0
		}
	}
	switch {
	case s[end] == '\n' && !strings.HasPrefix(s, "0.0000"):
		return end
	case s[end] == 'e' && point == 1 && s[0] != '0':
		return powerSize(s, end)
	}
	return 0
}

// powerSize returns the size of a number whose exponent, from 6 to 99, begins at
// end.
func powerSize(s string, end int) int {
	size := end + len("e+06")
	if len(s) <= size || s[size] != '\n' || s[end+1] != '+' || digits(s[:size], end+2) != size || s[end+2] == '0' && s[end+3] < '6' {
		return 0
	}
	return size
}

// digits returns where the digits end that begin at from.
func digits(s string, from int) int {
	for from < len(s) && s[from]-'0' <= 9 {
		from++
	}
	return from
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
	if size < 0 {
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
