package exposition

import (
	"bytes"

	"pushgateway/internal/metric"
)

// span is a part of a byte slice.
type span struct{ from, to int }

func (s span) of(b []byte) []byte { return b[s.from:s.to] }
func (s span) len() int           { return s.to - s.from }

// place is where a series is in each form of a block. Its spans are empty in
// forms that the placer does not read.
type place struct {
	text, proto, orderly span
	labels               span // within text: equal label sets of one family have equal bytes
}

// placer iterates over the series of a block. It reads only what tells them
// apart. If proto and orderly are nil, it skips these forms.
type placer struct {
	text    []byte
	proto   []byte // the series in the same order
	orderly []byte // a part of the series of proto, in the same order
	last    []byte // how the last line of each series begins
}

// places returns a placer for the text of a block.
func (b *Block) places() *placer { return &placer{text: b.text, last: b.lastLine(nil).b} }

// lastLine writes the beginning of the last line of a series, up to where its
// labels may end.
func (b *Block) lastLine(labels []metric.Label) *lineWriter {
	suffix := ""
	if specialLabel(b.Type) != "" {
		suffix = metric.CountSuffix
	}
	w := &lineWriter{name: b.Name, legacy: metric.IsLegacyName(b.Name), labels: appendLabels(nil, labels)}
	w.start(suffix)
	return w
}

// hasLine reports whether the block has a series with exactly these labels,
// sorted by name.
func (b *Block) hasLine(labels []metric.Label) bool {
	p, want := b.places(), b.lineLabels(labels)
	for at, more := p.next(place{}); more; at, more = p.next(at) {
		if bytes.Equal(at.labels.of(p.text), want) {
			return true
		}
	}
	return false
}

// lineLabels returns what the span labels of a place has for these labels, sorted by
// name.
func (b *Block) lineLabels(labels []metric.Label) []byte {
	w := b.lastLine(labels)
	if w.inBraces() {
		w.b = append(w.b, '}')
	}
	return w.b[len(b.lastLine(nil).b):]
}

// next returns the place of the series after the one at the given place. The zero
// place comes before the first. If there is no further series, more is false.
func (p *placer) next(at place) (next place, more bool) {
	if at.text.to == len(p.text) {
		return at, false
	}
	next.text, next.labels = p.nextText(at.text.to)
	if p.proto == nil {
		return next, true
	}
	_, rest := nextMetric(p.proto[at.proto.to:])
	next.proto = span{at.proto.to, len(p.proto) - len(rest)}
	next.orderly = span{at.orderly.to, at.orderly.to}
	if metric := next.proto.of(p.proto); bytes.HasPrefix(p.orderly[at.orderly.to:], metric) {
		next.orderly.to += len(metric)
	}
	return next, true
}

// nextText finds the lines of the series that begins at from.
func (p *placer) nextText(from int) (lines, labels span) {
	for start := from; ; {
		end := start + bytes.IndexByte(p.text[start:], '\n')
		if line := p.text[start:end]; bytes.HasPrefix(line, p.last) {
			return span{from, end + 1}, span{start + len(p.last), start + bytes.LastIndexByte(line, ' ')}
		}
		start = end + 1
	}
}
