package exposition

import (
	"bytes"
	"math"
	"slices"
	"strings"

	"pushgateway/internal/metric"
)

// order is the order of a family's lines in the push, compared with that in its
// block.
type order uint8

const (
	otherOrder order = iota // or the block has more than text
	sameOrder
	countFirst // the same, but counts come before sums
)

// orderOf compares the order of a family's lines in the push with that in its
// block.
func (p *Parser) orderOf(f *family, b *Block) order {
	samples := p.samples[f.first : f.first+f.samples]
	switch {
	case !b.onlyText() || b.open || bytes.Count(b.text, []byte{'\n'}) != len(samples):
		return otherOrder
	case specialLabel(f.Type) == "":
		return sameOrder // a line for each series
	case comeAs(samples, f.Series, roleSum, roleCount):
		return sameOrder
	case comeAs(samples, f.Series, roleCount, roleSum):
		return countFirst
	}
	return otherOrder
}

// comeAs reports whether the lines of each series of a summary or histogram are
// together: the quantiles or buckets, all with that label, and then these two.
func comeAs(samples []sample, series []metric.Series, last ...role) bool {
	for i := range series {
		roles := slices.Repeat([]role{roleSample}, specialLines(&series[i]))
		for _, r := range append(roles, last...) {
			if len(samples) == 0 || int(samples[0].series) != i || samples[0].role != r {
				return false
			}
			samples = samples[1:]
		}
	}
	return len(samples) == 0
}

// specialLines returns how many lines with a special label a series has.
func specialLines(s *metric.Series) int {
	if s.Summary != nil {
		return len(s.Summary.Quantiles)
	}
	return len(s.Histogram.Classic)
}

// fill returns the next block of the body, or nil.
func (f *filler) fill(old *Block) *Block {
	if old.order == otherOrder {
		return f.renderAnew(old)
	}
	if f.r.memory.take(heldSize+2*len(old.text)) != nil {
		return nil
	}
	l := lineFiller{filler: f, old: old, text: f.r.text[:0], lines: view(old.Text())}
	if !l.fill() {
		return nil
	}
	f.r.text = l.text
	b := f.r.together.next(len(l.text))
	old.refill(b)
	f.r.together.give(b, l.text)
	return b
}

// renderAnew parses and renders the part of one family.
func (f *filler) renderAnew(old *Block) *Block {
	values := int(old.pattern.values[old.part])
	if values > len(f.values)-f.at {
		return nil
	}
	from, to := 0, int(f.values[f.at+values-1].to)
	if f.at > 0 {
		from = int(f.values[f.at-1].to)
	}
	f.at += values
	p := GetParser().Within(f.o.Limits, f.o.Budget)
	defer p.Release()
	p.LegacyNames = f.o.LegacyNames
	family, err := only(p.parseText(f.body[from : to+len("\n")]))
	if err != nil || family.Name != old.Name || family.Type != old.Type {
		return nil
	}
	blocks, err := Render([]*metric.Family{family}, f.o)
	if err != nil || blocks[0].Help != old.Help || blocks[0].onlyText() != old.onlyText() {
		return nil
	}
	b := blocks[0]
	b.Name, b.Help, b.era, b.pattern, b.part = old.Name, old.Help, old.era, old.pattern, old.part
	return b
}

// lineFiller replaces the values in the lines of a block that has nothing else.
type lineFiller struct {
	*filler
	old   *Block
	lines string // what is left of old
	text  []byte // the new lines so far
}

func (l *lineFiller) fill() bool {
	special := specialLabel(l.old.Type) != ""
	for len(l.lines) > 0 {
		if special && !l.fillSeries() || !special && !l.fillLine() {
			return false
		}
	}
	return true
}

func (l *lineFiller) fillLine() bool {
	value, ok := l.next()
	return ok && l.put(value)
}

// fillSeries fills in the lines of one series of a summary or histogram. It
// must stay plain.
func (l *lineFiller) fillSeries() bool {
	buckets := uint64(0) // the number in the last
	for isSpecialLine(l.lines, l.old.Name) {
		value, ok := l.next()
		if !ok || l.old.Type.IsHistogram() && !growTo(&buckets, value) || !l.put(value) {
			return false
		}
	}
	sum, ok := l.next()
	count, too := l.next()
	if l.old.order == countFirst {
		sum, count = count, sum
	}
	all := buckets
	if !ok || !too || !growTo(&all, count) || l.old.Type.IsHistogram() && all != buckets {
		return false
	}
	return l.put(sum) && l.put(count)
}

// growTo sets n to a value if that is a whole number and not less than n.
func growTo(n *uint64, value string) bool {
	if v, ok := wholeNumber(value); ok {
		grown := v >= *n
		*n = max(*n, v)
		return grown
	}
	v, err := parseFloat(value)
	if err != nil || !(v >= float64(*n) && v < exact) || v != math.Trunc(v) {
		return false
	}
	*n = uint64(v)
	return true
}

// wholeNumber reads a number that has nothing but digits, if they are few.
func wholeNumber(value string) (v uint64, ok bool) {
	const most = 15 // digits that a float64 always holds
	for i := 0; i < len(value); i++ {
		digit := value[i] - '0'
		if digit > 9 {
			return 0, false
		}
		v = 10*v + uint64(digit)
	}
	return v, 0 < len(value) && len(value) <= most
}

// put writes the next line with another value.
func (l *lineFiller) put(value string) (ok bool) {
	end := strings.IndexByte(l.lines, '\n')
	if end < 0 {
		return false // a series was left out
	}
	l.text = append(l.text, l.lines[:strings.LastIndexByte(l.lines[:end], ' ')+1]...)
	l.text, ok = appendValueOf(l.text, value)
	l.text = append(l.text, '\n')
	l.lines = l.lines[end+1:]
	return ok
}

// appendValueOf writes a pushed value as it is exposed, if text can hold it.
func appendValueOf(b []byte, value string) ([]byte, bool) {
	if isShortest(value) {
		return append(b, value...), true
	}
	v, err := parseFloat(value)
	return appendFloat(b, v), err == nil && survivesText(v)
}

// isShortest reports for many numbers that appendFloat would write them the
// same way: those without a sign, with one to six digits before the point, and
// without superfluous zeros.
func isShortest(value string) bool {
	const most = 15 // digits that a float64 always holds
	point := len(value)
	for i := 0; i < len(value); i++ {
		if c := value[i]; c == '.' && point == len(value) {
			point = i
		} else if c < '0' || c > '9' {
			return false
		}
	}
	switch {
	case point == 0 || point > 6 || len(value) > most, value[0] == '0' && point > 1:
		return false
	case point == len(value):
		return true
	}
	last := value[len(value)-1]
	return last != '0' && last != '.' && !strings.HasPrefix(value, "0.0000")
}

// textCopy copies what a block keeps. Unlike bytes.Clone, it does not clear what
// the allocator adds to the size. With many groups no cache of the processor has
// that memory, and clearing it took 4 % of the time of a push.
func textCopy(b []byte) []byte {
	c := make([]byte, len(b))
	copy(c, b)
	return c
}
