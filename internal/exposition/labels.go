package exposition

import (
	"hash/maphash"
	"slices"
	"unicode/utf8"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/metric"
)

// labelPlan says how to write label sets with certain names: the order of the
// names, and the parts that are the same in all of them. The series of a
// family, and of a push, usually have the same names.
type labelPlan struct {
	names   []string // names of the series' own labels, in their order
	special string   // the label that they must not have
	pieces  []piece
	buf     []byte // the bytes of the pieces
	legacy  bool
	made    bool
}

// piece is one label of the sorted set.
type piece struct {
	own   int // index of the series' own label with the value, -1 if it is constant
	name  string
	value string // if it is constant
	text  []byte // what precedes the value, or the whole label if it is constant
	proto []byte // the whole label, if it is constant
}

func (p *labelPlan) reset() {
	clear(p.names[:cap(p.names)])
	clear(p.pieces[:cap(p.pieces)])
	*p = labelPlan{names: p.names[:0], pieces: p.pieces[:0], buf: p.buf[:0]}
}

// fits reports whether the plan is for labels with these names.
func (p *labelPlan) fits(t metric.Type, labels []metric.Label) bool {
	if !p.made || p.special != specialLabel(t) || len(p.names) != len(labels) {
		return false
	}
	for i := range labels {
		if labels[i].Name != p.names[i] {
			return false
		}
	}
	return true
}

// writtenLabels are the labels of a series as they were written.
type writtenLabels struct {
	own  []metric.Label
	text []byte
	size int // in protobuf
	hash uint64
}

// are reports whether own are the very labels that were written, and not just
// equal ones.
func (w *writtenLabels) are(own []metric.Label) bool {
	return len(own) > 0 && len(w.own) == len(own) && &w.own[0] == &own[0]
}

// renderLabels writes a label set: that of the series, overridden by the
// grouping labels, with an instance, sorted and checked. For a plain family it
// only computes the size of the protobuf, and it does not rewrite label sets
// shared with the previous family; see Parser.recallLabels.
func (r *renderer) renderLabels(f *metric.Family, own []metric.Label) error {
	row := r.row
	r.row++
	if r.plain && row < len(r.rows) && r.rows[row].are(own) {
		r.labels = r.rows[row]
	} else if err := r.writeLabels(f, own); err != nil {
		return err
	} else if r.plain {
		r.remember(row)
	}
	r.legacy = r.legacy && r.plan.legacy
	return nil
}

// remember keeps the present labels for the next family.
func (r *renderer) remember(row int) {
	switch {
	case row < len(r.rows):
		r.rows[row] = r.labels
	case row == len(r.rows) && row < maxRows:
		r.rows = append(r.rows, r.labels)
	}
}

// forgetRows makes room in the memory of the labels of the last families.
func (r *renderer) forgetRows() { r.rows, r.labelText = r.rows[:0], r.labelText[:0] }

func (r *renderer) writeLabels(f *metric.Family, own []metric.Label) error {
	if !r.plan.fits(f.Type, own) {
		if err := r.makePlan(f, own); err != nil {
			return err
		}
	}
	const enough = 64 << 10
	if len(r.labelText) > enough {
		r.forgetRows()
	}
	from := len(r.labelText)
	text, msg, size := r.labelText, r.msg[:0], 0
	for i := range r.plan.pieces {
		p := &r.plan.pieces[i]
		text = append(text, p.text...)
		if p.own < 0 {
			size += len(p.proto)
			if !r.plain {
				msg = append(msg, p.proto...)
			}
			continue
		}
		value := own[p.own].Value
		if !r.opts.Valid && !utf8.ValidString(value) {
			return invalid(f.Name, "the value %q of label %q is not valid UTF-8", excerpt.Of(value), excerpt.Of(p.name))
		}
		text = append(appendEscaped(text, value, true), '"')
		size += sizeLabelPair(p.name, value)
		if !r.plain {
			msg = appendLabelPair(msg, 1, p.name, value)
		}
	}
	if len(text)-from > r.short {
		if err := r.checkLength(f, own); err != nil {
			return err
		}
	}
	r.labelText, r.msg = text, msg
	r.labels = writtenLabels{own, text[from:], size, maphash.Bytes(seed, text[from:])}
	return nil
}

// checkLength checks the present label set, including its constant labels,
// against the limits.
func (r *renderer) checkLength(f *metric.Family, own []metric.Label) error {
	all := make([]metric.Label, 0, len(r.plan.pieces))
	for _, p := range r.plan.pieces {
		l := metric.Label{Name: p.name, Value: p.value}
		if p.own >= 0 {
			l.Value = own[p.own].Value
		}
		all = append(all, l)
	}
	return r.opts.Limits.checkLabels(f.Name, all)
}

// makePlan makes the plan for label sets with the names of own.
func (r *renderer) makePlan(f *metric.Family, own []metric.Label) error {
	r.plan.reset()
	r.forgetRows()
	p := &r.plan
	for i, l := range own {
		p.names = append(p.names, l.Name)
		p.pieces = append(p.pieces, piece{own: i, name: l.Name})
	}
	slices.SortFunc(p.pieces, comparePieces)
	for i, piece := range p.pieces {
		if i > 0 && piece.name == p.pieces[i-1].name {
			return invalid(f.Name, "the label %q occurs twice in one series", excerpt.Of(piece.name))
		}
		if err := checkLabelName(f, piece.name); err != nil {
			return err
		}
	}
	for _, l := range r.opts.Grouping {
		p.set(l, true)
	}
	if err := r.opts.Limits.checkCount(f.Name, len(own), len(p.pieces)); err != nil {
		return err
	}
	if !r.opts.Bare {
		p.set(metric.Label{Name: metric.InstanceLabel}, false)
	}
	return p.finish(f)
}

func comparePieces(a, b piece) int {
	return compareLabels(metric.Label{Name: a.name}, metric.Label{Name: b.name})
}

// set puts a constant label in its place among the sorted ones.
func (p *labelPlan) set(l metric.Label, override bool) {
	constant := piece{own: -1, name: l.Name, value: l.Value}
	i, found := slices.BinarySearchFunc(p.pieces, constant, comparePieces)
	switch {
	case !found:
		p.pieces = slices.Insert(p.pieces, i, constant)
	case override:
		p.pieces[i] = constant
	}
}

// finish writes the constant parts, and refuses a label that the lines of the
// type use themselves.
func (p *labelPlan) finish(f *metric.Family) error {
	p.legacy, p.special = true, specialLabel(f.Type)
	for i := range p.pieces {
		piece := &p.pieces[i]
		if piece.name == p.special {
			return invalid(f.Name, "a %s must not have a label %q of its own, in the push or in the grouping key", f.Type, piece.name)
		}
		legacy := metric.IsLegacyLabel(piece.name)
		p.legacy = p.legacy && legacy
		piece.text = p.keep(func(b []byte) []byte { return piece.appendText(b, i == 0, legacy) })
		if piece.own < 0 {
			piece.proto = p.keep(func(b []byte) []byte { return appendLabelPair(b, 1, piece.name, piece.value) })
		}
	}
	p.made = true
	return nil
}

// keep appends to the plan's buffer and returns the appended part. Growing
// leaves earlier parts where they are.
func (p *labelPlan) keep(appendTo func([]byte) []byte) []byte {
	from := len(p.buf)
	p.buf = appendTo(p.buf)
	return p.buf[from:len(p.buf):len(p.buf)]
}

// appendText writes what precedes the value, or the whole label.
func (p *piece) appendText(b []byte, first, legacy bool) []byte {
	if first {
		b = append(b, '{')
	} else {
		b = append(b, ',')
	}
	b = append(appendName(b, p.name, legacy), '=', '"')
	if p.own >= 0 {
		return b
	}
	return append(appendEscaped(b, p.value, true), '"')
}
