package exposition

import (
	"slices"

	"pushgateway/internal/metric"
)

// Without returns a copy of the block that lacks the series for whose number,
// counted from 0 in their order, drop returns true. Like Merge, it copies lines.
func (b *Block) Without(drop func(i int) bool) *Block {
	kept := &Block{
		Name: b.Name, Help: b.Help, EmptyHelp: b.EmptyHelp, Unit: b.Unit, Type: b.Type,
		Legacy: b.Legacy, tooLong: b.tooLong, open: b.open, proto: b.proto,
		text: make([]byte, 0, len(b.text)),
	}
	cut := &Block{Name: b.Name, Type: b.Type, open: b.open}
	p := b.places()
	if b.more != nil {
		kept.more = new(more)
		p.proto, p.orderly = b.more.proto, b.delimited()
	}
	i := 0
	for at, more := p.next(place{}); more; at, more = p.next(at) {
		to := kept
		if drop(i) {
			to = cut
		}
		to.series++
		to.text = append(to.text, at.text.of(b.text)...)
		if to == kept && kept.more != nil {
			kept.more.copy(at, p)
		}
		i++
	}
	kept.text = slices.Clip(kept.text)
	if kept.more == nil {
		kept.proto -= cut.plainSize()
		return kept
	}
	kept.more.settle()
	kept.proto = len(kept.more.proto)
	return kept
}

// copy appends the series at a place.
func (m *more) copy(at place, from *placer) {
	m.proto = append(m.proto, at.proto.of(from.proto)...)
	m.orderly = append(m.orderly, at.orderly.of(from.orderly)...)
	if at.orderly.len() < at.proto.len() {
		m.leftOut++
	}
}

// settle drops the second copy unless it differs.
func (m *more) settle() {
	if m.leftOut == 0 {
		m.orderly = nil
	}
}

// plainSize returns the length of the protobuf that a block would have that is
// nothing but text.
func (b *Block) plainSize() (size int) {
	b.EachSeries(func(s metric.Series) bool {
		n := valueSize(b.Type, &s)
		for _, l := range s.Labels {
			n += sizeLabelPair(l.Name, l.Value)
		}
		size += sizeBytes(n)
		return true
	})
	return size
}
