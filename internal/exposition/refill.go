package exposition

import (
	"bytes"
	"iter"
	"slices"
	"strings"
)

// A job that pushes again usually pushes the same with other values. Such a
// body has the pattern of the previous one and is filled in, without parsing,
// checking and writing names and labels again.

const (
	valueMark = '\x00'
	partMark  = '\x01'
	// maxPattern bounds the bodies from which patterns are made, in bytes.
	maxPattern = 1 << 20
)

// sample is the place of a value in the body, and what it belongs to.
type sample struct {
	family   *family
	from, to int32
	series   int32 // of family
	role     role
}

// note records the place of the value at the end of the present line.
func (p *Parser) note(value string) error {
	if len(p.samples) == cap(p.samples) {
		n := max(256, 2*len(p.samples))
		if err := p.memory.take(sampleSize * n); err != nil {
			return err
		}
		p.samples = append(make([]sample, 0, n), p.samples...)
	}
	p.samples = append(p.samples, sample{p.current, int32(p.at - len(value)), int32(p.at), int32(p.found), p.role})
	return nil
}

// Imprint records in blocks the pattern of the text that they were made from,
// so that Refill can make the next blocks from them. The blocks must be all
// that Render made from the result of ParseText, and not be shared yet.
func (p *Parser) Imprint(body []byte, blocks []*Block, patterns *Patterns) {
	made := p.pattern(body, len(blocks), patterns)
	if made == nil {
		return
	}
	i := 0
	for _, f := range p.families[:p.used] {
		if len(f.Series) > 0 {
			blocks[i].pattern, blocks[i].part, blocks[i].era = made, int32(f.part), p.limits.Era
			blocks[i].order = p.orderOf(f, blocks[i])
			i++
		}
	}
}

// pattern makes the pattern of a body, and numbers its families in their order.
// There is none if lines of one family are not together.
func (p *Parser) pattern(body []byte, families int, patterns *Patterns) *pattern {
	if !p.noting || p.timed || bytes.IndexByte(body, valueMark) >= 0 || bytes.IndexByte(body, partMark) >= 0 {
		return nil
	}
	if p.memory.take(len(body)) != nil {
		return nil // it can do without
	}
	b, done, parts := p.scratch[:0], 0, 0
	for i, s := range p.samples {
		if before := body[s.from-1]; !isBlank(before) && before != '}' {
			return nil // another value could look like a part of the name
		}
		b = append(append(b, body[done:s.from]...), valueMark)
		if s.family.samples++; s.family.samples == 1 {
			s.family.first = i
		}
		if done = int(s.to); i+1 == len(p.samples) || p.samples[i+1].family != s.family {
			b = append(b, partMark)
			s.family.part = parts
			parts++
		}
	}
	b = append(b, body[done:]...)
	p.scratch = b
	if parts != families || parts != p.filled() {
		return nil
	}
	return patterns.intern(b)
}

// filled returns how many families have series.
func (p *Parser) filled() (n int) {
	for _, f := range p.families[:p.used] {
		if len(f.Series) > 0 {
			n++
		}
	}
	return n
}

// Refill makes the blocks of a push to a group that already has blocks, with
// the same options, if body has the pattern of an earlier push. It is not ok if
// that is unclear or the body is wrong. ParseText and Render decide then.
func Refill(body []byte, has iter.Seq[*Block], o Options) (blocks []*Block, ok bool) {
	r := renderers.Get().(*renderer)
	defer r.release()
	r.parts = r.parts[:0]
	o.Duplicate = nil // Render would count the same series once more
	r.memory = tab{budget: o.Budget}
	f := filler{r: r, o: o, body: view(body)}
	if f.pattern, ok = r.findParts(f.body, has, o.Limits.Era); !ok {
		return nil, false
	}
	blocks = make([]*Block, 0, len(r.parts))
	size := 0
	for i, old := range r.parts {
		b := f.fill(old)
		if b == nil || int(b.part) != i {
			return nil, false
		}
		blocks, size = append(blocks, b), size+b.Size()
	}
	return blocks, f.body == f.pattern && strings.IndexByte(f.body, valueMark) < 0 && (o.MaxBytes == 0 || size <= o.MaxBytes)
}

// findParts finds the pattern that body seems to have, and puts its blocks in
// parts. All of them must be there, and must have been checked in this era.
func (r *renderer) findParts(body string, has iter.Seq[*Block], era uint32) (text string, ok bool) {
	var found *pattern
	for b := range has {
		if b.pattern == nil || b.part > 0 || b.era != era {
			continue
		}
		text = b.pattern.text
		if strings.HasPrefix(body, text[:strings.IndexByte(text, valueMark)]) {
			found = b.pattern
			break
		}
	}
	if found == nil {
		return "", false
	}
	for b := range has {
		if b.pattern == found && b.era == era {
			r.parts = append(r.parts, b)
		}
	}
	slices.SortFunc(r.parts, func(a, b *Block) int { return int(a.part - b.part) })
	return text, true
}

// filler reads a body and its pattern side by side.
type filler struct {
	r             *renderer
	o             Options
	body, pattern string // what is left of them
}

// next takes the next value from the body, and checks that what precedes it
// matches the pattern. last means that the family has no more.
func (f *filler) next() (value string, last, ok bool) {
	n := strings.IndexByte(f.pattern, valueMark)
	if n < 0 || len(f.body) < n || f.body[:n] != f.pattern[:n] {
		return "", false, false
	}
	end := strings.IndexByte(f.body[n:], '\n')
	if end < 0 {
		return "", false, false
	}
	value, f.body, f.pattern = f.body[n:n+end], f.body[n+end:], f.pattern[n+1:]
	if last = len(f.pattern) > 0 && f.pattern[0] == partMark; last {
		f.pattern = f.pattern[1:]
	}
	return value, last, true
}
