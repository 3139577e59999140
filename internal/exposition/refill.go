package exposition

import (
	"iter"
	"slices"
)

// A job that pushes again usually pushes the same with other values. Such a
// body has the pattern of the previous one and is filled in, without parsing,
// checking and writing names and labels again.

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
func (p *Parser) Imprint(body []byte, blocks []*Block) {
	made := p.pattern(body, len(blocks))
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
func (p *Parser) pattern(body []byte, families int) *pattern {
	if !p.noting || p.timed {
		return nil
	}
	values := p.numberParts(families)
	if values == nil {
		return nil
	}
	r := renderers.Get().(*renderer)
	defer r.release()
	if !r.outline.read(body, &p.memory) || !r.outline.has(p.samples) {
		return nil
	}
	return &pattern{sumOf(r.outline.rest), values}
}

// numberParts numbers the families in the order of their values, and returns how
// many values each has. It returns nil unless there are so many families, and
// the values of each are together.
func (p *Parser) numberParts(families int) []int32 {
	values := make([]int32, 0, families)
	for i, s := range p.samples {
		f := s.family
		if f.samples++; f.samples == 1 {
			f.first = i
		}
		if i+1 == len(p.samples) || p.samples[i+1].family != f {
			if len(values) == families {
				return nil
			}
			f.part, values = len(values), append(values, int32(f.samples))
		}
	}
	if len(values) != families || families != p.filled() {
		return nil
	}
	return values
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
	if !hasPattern(has, o.Limits.Era) {
		return nil, false
	}
	r := renderers.Get().(*renderer)
	defer r.release()
	o.Duplicate = nil // Render would count the same series once more
	r.memory = tab{budget: o.Budget}
	if !r.outline.read(body, &r.memory) {
		return nil, false
	}
	r.findParts(sumOf(r.outline.rest), has, o.Limits.Era)
	f := filler{r: r, o: o, body: view(body), values: r.outline.values}
	blocks = make([]*Block, 0, len(r.parts))
	r.together.begin(r.refillable())
	size := 0
	for i, old := range r.parts {
		b := f.fill(old)
		if b == nil || int(b.part) != i {
			return nil, false
		}
		blocks, size = append(blocks, b), size+b.Size()
	}
	r.together.finish()
	return blocks, f.at == len(f.values) && f.at > 0 && (o.MaxBytes == 0 || size <= o.MaxBytes)
}

// hasPattern reports whether any block has a pattern that is still good.
func hasPattern(has iter.Seq[*Block], era uint32) bool {
	for b := range has {
		if b.pattern != nil && b.era == era {
			return true
		}
	}
	return false
}

// findParts puts the blocks whose pattern has this sum in parts, in the order of
// their values. All of them must have been checked in this era.
func (r *renderer) findParts(s sum, has iter.Seq[*Block], era uint32) {
	r.parts = r.parts[:0]
	for b := range has {
		if b.pattern != nil && b.pattern.sum == s && b.era == era {
			r.parts = append(r.parts, b)
		}
	}
	slices.SortFunc(r.parts, func(a, b *Block) int { return int(a.part - b.part) })
}

// refillable returns how many of parts need only other values.
func (r *renderer) refillable() (n int) {
	for _, b := range r.parts {
		if b.order != otherOrder {
			n++
		}
	}
	return n
}

// filler puts the values of a body into blocks.
type filler struct {
	r      *renderer
	o      Options
	body   string
	values []place32
	at     int // index of the next value
}

// next takes the next value from the body.
func (f *filler) next() (value string, ok bool) {
	if f.at == len(f.values) {
		return "", false
	}
	v := f.values[f.at]
	f.at++
	return f.body[v.from:v.to], true
}
