package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/metric"
)

// Options say how families become blocks.
type Options struct {
	// Grouping are the labels of the group, sorted by name. They override
	// what the series say.
	Grouping []metric.Label
	// MaxBytes bounds what the blocks of one push take, since grouping labels
	// come into every line. 0 means no bound.
	MaxBytes int
	// Bare adds no instance label, for families of the gateway itself.
	Bare bool
	// Valid says that all label values are known to be UTF-8.
	Valid bool
	// LegacyNames is that of the parser that Refill stands in for.
	LegacyNames bool
	// Duplicate is told of each series that the family had before, which is
	// then left out. If it is nil such a push is refused.
	Duplicate func()
}

// ErrTimestamps says that a push carries timestamps: the series would be
// exposed with the time of the push, and be stale or a lie soon.
var ErrTimestamps = errors.New("pushed metrics must not have timestamps")

// timedError says which family has timestamps.
type timedError struct{ family string }

func (e *timedError) Error() string {
	_, reason := e.About()
	return fmt.Sprintf("family %q: %s", e.family, reason)
}

func (e *timedError) About() (family, reason string) {
	return e.family, fmt.Sprintf("%v: Prometheus would drop the series as stale after five minutes; push without them, or start the gateway with --push.timestamps=strip", ErrTimestamps)
}

func (e *timedError) Unwrap() error { return ErrTimestamps }

// Render makes the finished blocks of families, in their order. Labels get the grouping labels
// and, where there is none, an empty instance. Series that Prometheus would
// choke on are refused with an InvalidError; see Refused where there are more.
func Render(families []*metric.Family, o Options) ([]*Block, error) {
	r := renderers.Get().(*renderer)
	defer r.release()
	r.opts, r.size = o, 0
	blocks := make([]*Block, 0, len(families))
	var refused Refused
	for _, f := range families {
		b, err := r.render(f)
		if err != nil && !refused.Add(err) {
			return nil, err
		}
		blocks = append(blocks, b)
	}
	if err := refused.Err(); err != nil {
		return nil, err
	}
	return blocks, nil
}

// RenderGauge makes the block of a single gauge of the gateway itself, with
// exactly the given labels plus an empty instance where there is none.
func RenderGauge(name, help string, grouping []metric.Label, value float64) *Block {
	f := &metric.Family{Name: name, Help: help, Type: metric.Gauge, Series: []metric.Series{{Value: value}}}
	blocks, err := Render([]*metric.Family{f}, Options{Grouping: grouping})
	if err != nil {
		panic(err) // a gauge with the labels of a grouping key is always valid
	}
	return blocks[0]
}

// WithValue gives a block like b, which RenderGauge made, with another value.
func (b *Block) WithValue(value float64) *Block {
	if !b.onlyText() || !survivesText(value) {
		panic(fmt.Sprintf("block %q cannot have the value %v alone exchanged", b.Name, value))
	}
	const number = 25 // longest value, with its newline
	kept := bytes.LastIndexByte(b.data, ' ') + 1
	text := append(make([]byte, 0, kept+number), b.data[:kept]...)
	text = append(appendFloat(text, value), '\n')
	return &Block{
		Name: b.Name, Help: b.Help, EmptyHelp: b.EmptyHelp, Type: b.Type, Legacy: b.Legacy,
		data: text, text: len(text), proto: b.proto, series: b.series,
	}
}

var renderers = sync.Pool{New: func() any { return new(renderer) }}

// renderer has the scratch memory of one rendering.
type renderer struct {
	opts       Options
	plan       labelPlan
	text       []byte          // of the family at hand
	proto      []byte          // of the family at hand
	labels     writtenLabels   // of the series at hand
	labelText  []byte          // where they are written, those in rows too
	rows       []writtenLabels // of the first series of the last families
	row        int             // of the next series of the family at hand
	msg        []byte          // the series at hand in protobuf, labels first
	part       []byte          // its value in protobuf
	orderly    []byte          // the family at hand in protobuf, without what contradicts itself
	leftOut    int             // series not in orderly
	hashes     []uint64
	seen       map[uint64]struct{}
	size       int
	protoSize  int      // of the family at hand
	parts      []*Block // that Refill works on
	plain      bool     // the family at hand needs no protobuf
	legacyName bool     // of the family at hand
	legacy     bool     // of all its names
}

func (r *renderer) release() {
	const keep = 1 << 20
	if cap(r.text)+cap(r.proto)+cap(r.labelText) > keep {
		return
	}
	r.plan.reset()
	clear(r.parts)
	clear(r.rows[:cap(r.rows)])
	r.forgetRows()
	r.labels, r.opts = writtenLabels{}, Options{}
	renderers.Put(r)
}

func (r *renderer) render(f *metric.Family) (*Block, error) {
	if err := checkName(f); err != nil {
		return nil, err
	}
	r.text, r.proto, r.hashes = r.text[:0], r.proto[:0], r.hashes[:0]
	r.leftOut, r.protoSize, r.row, r.plain = 0, 0, 0, isPlainFamily(f)
	r.legacyName = metric.IsLegacyName(f.Name)
	r.legacy = r.legacyName
	series := 0
	for i := range f.Series {
		added, err := r.renderSeries(f, &f.Series[i])
		if err != nil {
			return nil, err
		}
		if added {
			series++
		}
	}
	if r.size += len(r.text) + r.protoSize; r.leftOut > 0 {
		r.size += len(r.orderly)
	}
	if r.rest() < 0 {
		return nil, r.tooLarge()
	}
	return &Block{
		Name:      strings.Clone(f.Name),
		Help:      cleanHelp(f.Help),
		EmptyHelp: f.EmptyHelp,
		Type:      f.Type,
		Legacy:    r.legacy,
		data:      slices.Concat(r.text, r.proto),
		text:      len(r.text),
		proto:     r.protoSize,
		series:    series,
		odd:       r.oddity(),
	}, nil
}

// oddity gives what the family has of it.
func (r *renderer) oddity() *oddity {
	if r.leftOut == 0 {
		return nil
	}
	return &oddity{slices.Clone(r.orderly), r.leftOut}
}

// rest is how many bytes of text the push may still come to.
func (r *renderer) rest() int {
	if r.opts.MaxBytes == 0 {
		return math.MaxInt
	}
	return r.opts.MaxBytes - r.size
}

func (r *renderer) tooLarge() error {
	return fmt.Errorf("%w: with its grouping labels it would take more than %d bytes in each scrape; push fewer series or shorter labels", ErrTooLarge, r.opts.MaxBytes)
}

func (r *renderer) renderSeries(f *metric.Family, s *metric.Series) (added bool, err error) {
	if s.Timed {
		return false, &timedError{strings.Clone(excerpt.Of(f.Name))}
	}
	if err := r.renderLabels(f, s.Labels); err != nil {
		return false, err
	}
	if err := checkValue(f, s); err != nil {
		return false, err
	}
	if r.isDuplicate() {
		if r.opts.Duplicate == nil {
			return false, r.twice(f, s)
		}
		r.opts.Duplicate()
		return false, nil
	}
	r.text, err = r.appendText(r.text, f, s)
	if err != nil {
		return false, err
	}
	if r.plain {
		r.protoSize += sizeBytes(r.labels.size + valueSize(f.Type, s))
		return true, nil
	}
	from := len(r.proto)
	r.proto = r.appendProto(r.proto, f, s)
	r.protoSize = len(r.proto)
	r.keepOrderly(contradicts(f.Type, s.Histogram), from)
	return true, nil
}

// keepOrderly notes whether the series at hand, from there on in proto,
// contradicts itself.
func (r *renderer) keepOrderly(odd bool, from int) {
	switch {
	case odd && r.leftOut == 0:
		r.orderly = append(r.orderly[:0], r.proto[:from]...)
		r.leftOut++
	case odd:
		r.leftOut++
	case r.leftOut > 0:
		r.orderly = append(r.orderly, r.proto[from:]...)
	}
}

// isDuplicate tells whether the label set at hand was there before.
func (r *renderer) isDuplicate() bool {
	const few = 32 // up to which looking through a list is cheaper than a map
	hash := r.labels.hash
	switch n := len(r.hashes); {
	case n < few:
		if slices.Contains(r.hashes, hash) {
			return true
		}
	case n == few:
		r.fillSeen()
		fallthrough
	default:
		if _, ok := r.seen[hash]; ok {
			return true
		}
		r.seen[hash] = struct{}{}
	}
	r.hashes = append(r.hashes, hash)
	return false
}

// twice refuses the series at hand, which is equal to one before it, and says
// what made them so.
func (r *renderer) twice(f *metric.Family, s *metric.Series) error {
	before := &f.Series[slices.Index(r.hashes, r.labels.hash)]
	one, other := FormatSeries(f.Name, before.Labels), FormatSeries(f.Name, s.Labels)
	if string(appendSet(nil, before.Labels)) == string(appendSet(nil, s.Labels)) {
		return invalid(f.Name, "the series %s comes twice in the push; push it once", other)
	}
	var replaced []string
	for _, l := range r.opts.Grouping {
		if valueOf(before.Labels, l.Name) != valueOf(s.Labels, l.Name) {
			replaced = append(replaced, fmt.Sprintf("%q", excerpt.Of(l.Name)))
		}
	}
	if len(replaced) == 0 {
		return invalid(f.Name, "the series %s and %s are equal, since one without an instance gets an empty one; push one of them", one, other)
	}
	return invalid(f.Name, "the series %s and %s become equal, since the path of the push replaces %s; leave it out of the path, or rename it in the body",
		one, other, excerpt.Of(strings.Join(replaced, ", ")))
}

func valueOf(labels []metric.Label, name string) string {
	for _, l := range labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

func (r *renderer) fillSeen() {
	if r.seen == nil || len(r.seen) > 1<<14 {
		r.seen = make(map[uint64]struct{})
	}
	clear(r.seen)
	for _, h := range r.hashes {
		r.seen[h] = struct{}{}
	}
}
