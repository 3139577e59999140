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
	// Grouping are the labels of the group, sorted by name. They override the
	// labels of the series.
	Grouping []metric.Label
	// MaxBytes bounds the blocks of one push, since each line contains the
	// grouping labels. 0 means no bound.
	MaxBytes int
	// Bare adds no instance label, for families of the gateway itself.
	Bare bool
	// Valid means that all label values are known to be UTF-8.
	Valid bool
	// LegacyNames is that of the parser that Refill stands in for.
	LegacyNames bool
	// Limits bound names, labels and help texts.
	Limits Limits
	// TooLong is called for each series that exceeds Limits, which is then left
	// out. If it is nil, the push is refused.
	TooLong func(i int, err error)
	// LeaveOut is called for each series that is refused, which is then left out.
	// If it is nil, the push is refused.
	LeaveOut func(error)
	// HelpCut is called for each family whose help text was cut.
	HelpCut func(family string)
	// Budget provides the memory of blocks. Nil means no bound.
	Budget Budget
	// Duplicate is called for each repeated series, which is then left out. If it
	// is nil, the push is refused.
	Duplicate func()
}

// ErrTimestamps means that a push has timestamps: the series would be exposed
// with the time of the push, and soon be stale or wrong.
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

// Render makes the finished blocks of families, in their order. Labels get the
// grouping labels and, if there is no instance, an empty one. Series that
// Prometheus would refuse are an InvalidError; see Refused for several.
func Render(families []*metric.Family, o Options) ([]*Block, error) {
	r := renderers.Get().(*renderer)
	defer r.release()
	o.Limits = o.Limits.withDefaults()
	r.opts, r.size, r.memory = o, 0, tab{budget: o.Budget}
	r.short = o.Limits.least()
	r.together.begin(len(families))
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
	r.memory.settle()
	r.together.finish()
	return blocks, nil
}

// RenderGauge makes the block of a single gauge of the gateway itself, with
// exactly the given labels, and an empty instance if there is none. The labels
// must be those of a grouping key, which are always valid, and text must be able
// to express the value.
func RenderGauge(name, help string, grouping []metric.Label, value float64) *Block {
	labels := withInstance(grouping)
	var number [32]byte
	valueText := appendFloat(number[:0], value)
	b := &Block{Name: name, Help: help, Type: metric.Gauge, Legacy: metric.IsLegacyName(name), series: 1}
	size, written := 0, len(name)+len("} \n")+len(valueText)
	for _, l := range labels {
		b.Legacy = b.Legacy && metric.IsLegacyLabel(l.Name)
		size += sizeLabelPair(l.Name, l.Value)
		written += len(l.Name) + len(l.Value) + len(`,=""`)
	}
	b.proto = sizeBytes(size + plainValueSize)
	b.text = append(make([]byte, 0, written), name...)
	b.text = append(appendLabels(b.text, labels), '}', ' ')
	b.text = append(append(b.text, valueText...), '\n')
	return b
}

// withInstance returns the labels, sorted by name, with an empty instance if
// there is none.
func withInstance(labels []metric.Label) []metric.Label {
	instance := metric.Label{Name: metric.InstanceLabel}
	at, has := slices.BinarySearchFunc(labels, instance, compareLabels)
	if has {
		return labels
	}
	return slices.Insert(slices.Clip(labels), at, instance)
}

// Gauge returns what RenderGauge makes for the grouping labels of b, which it made.
// The name must be a legacy name, as that of b.
func (b *Block) Gauge(name, help string, value float64) *Block {
	if !b.onlyText() || !survivesText(value) {
		panic(fmt.Sprintf("block %q cannot have the value %v alone exchanged", b.Name, value))
	}
	const number = 25 // longest value, with its newline
	labels := b.text[len(b.Name) : bytes.LastIndexByte(b.text, ' ')+1]
	text := append(make([]byte, 0, len(name)+len(labels)+number), name...)
	text = append(appendFloat(append(text, labels...), value), '\n')
	return &Block{
		Name: name, Help: help, Type: b.Type, Legacy: b.Legacy,
		text: text, proto: b.proto, series: b.series,
	}
}

var renderers = sync.Pool{New: func() any { return new(renderer) }}

// renderer holds the scratch memory of one rendering.
type renderer struct {
	opts       Options
	plan       labelPlan
	text       []byte          // of the present family
	proto      []byte          // of the present family
	labels     writtenLabels   // of the present series
	labelText  []byte          // where they are written, including those in rows
	rows       []writtenLabels // of the first series of the last families
	row        int             // of the next series of the present family
	repeated   int             // series of the present family that are equal to earlier ones
	msg        []byte          // the present series in protobuf, labels first
	part       []byte          // its value in protobuf
	orderly    []byte          // the present family in protobuf, without contradictory series
	leftOut    int             // number of series not in orderly
	distinct   bool            // the series of the present family need not be compared
	sets       labelSets       // of the present family
	together   together
	memory     tab
	short      int // bytes of a label set that breaks no limit
	size       int
	protoSize  int      // of the present family
	parts      []*Block // that Refill works on
	outline    outline  // of its body
	plain      bool     // the present family needs no protobuf
	legacyName bool     // of the present family
	legacy     bool     // of all its names
	reader     plainReader
}

func (r *renderer) release() {
	const keep = 1 << 20
	if cap(r.text)+cap(r.together.text)+cap(r.proto)+cap(r.labelText)+cap(r.outline.rest)+outlineSize*cap(r.outline.values) > keep {
		return
	}
	r.plan.reset()
	r.together.forget()
	clear(r.parts)
	r.reader.reset()
	r.sets.reset()
	r.memory = tab{}
	clear(r.rows[:cap(r.rows)])
	r.forgetRows()
	r.labels, r.opts = writtenLabels{}, Options{}
	renderers.Put(r)
}

func (r *renderer) render(f *metric.Family) (*Block, error) {
	if err := checkName(f); err != nil {
		return nil, err
	}
	series, tooLong, err := r.renderAll(f)
	if err != nil {
		return nil, err
	}
	if r.size += len(r.text) + r.protoSize; r.leftOut > 0 {
		r.size += len(r.orderly)
	}
	if r.rest() < 0 {
		return nil, r.tooLarge()
	}
	help := r.opts.Limits.cutHelp(f.Help)
	if len(help) < len(f.Help) && r.opts.HelpCut != nil {
		r.opts.HelpCut(f.Name)
	}
	if err := r.memory.take(heldSize + len(f.Name) + len(help) + len(f.Unit)); err != nil {
		return nil, err
	}
	b := r.together.next(len(r.text))
	*b = Block{
		Name:      strings.Clone(f.Name),
		Help:      cleanHelp(help),
		Unit:      strings.Clone(cleanUnit(f)),
		EmptyHelp: f.EmptyHelp,
		Type:      f.Type,
		Legacy:    r.legacy,
		proto:     r.protoSize,
		series:    int32(series),
		tooLong:   int32(tooLong),
		open:      r.plain && isOpenFamily(f),
	}
	return b, r.handOver(b)
}

// renderAll renders the series of a family. It returns how many there are, and
// how many are left out because they are too long.
func (r *renderer) renderAll(f *metric.Family) (series, tooLong int, err error) {
	r.text, r.proto = r.text[:0], r.proto[:0]
	r.leftOut, r.protoSize, r.row, r.repeated, r.plain = 0, 0, 0, 0, isPlainFamily(f)
	r.sets.reset()
	r.legacyName = metric.IsLegacyName(f.Name)
	r.legacy = r.legacyName
	r.distinct = r.stayDistinct(f)
	tooLongName := r.opts.Limits.checkFamily(f)
	for i := range f.Series {
		added, err := false, tooLongName
		if err == nil {
			added, err = r.renderSeries(f, i)
		}
		if err != nil && r.opts.TooLong != nil && isTooLong(err) {
			r.opts.TooLong(i, err)
			tooLong++
			continue
		}
		if err != nil && r.opts.LeaveOut != nil && isInvalid(err) {
			r.opts.LeaveOut(err)
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		if added {
			series++
		}
	}
	return series, tooLong, nil
}

// heldSize is how many bytes a block takes in addition to its content,
// including what the gateway needs to hold it.
const heldSize = 512

// handOver gives a block what was rendered. It does not copy large content; the
// next family gets new memory.
func (r *renderer) handOver(b *Block) (err error) {
	if err = r.giveText(b); err != nil || r.plain {
		return err
	}
	b.more = &more{leftOut: r.leftOut}
	if b.more.proto, err = r.own(&r.proto); err == nil && r.leftOut > 0 {
		b.more.orderly, err = r.own(&r.orderly)
	}
	return err
}

// giveText gives a block its text, beside those of others if it is short.
func (r *renderer) giveText(b *Block) (err error) {
	if len(r.text) >= leastPiece {
		b.text, err = r.own(&r.text)
		return err
	}
	if err = r.memory.take(len(r.text)); err == nil {
		r.together.give(b, r.text)
	}
	return err
}

// own returns the content of a buffer for the block to keep.
func (r *renderer) own(buf *[]byte) ([]byte, error) {
	const large = 256 << 10
	content := *buf
	if len(content) > large && cap(content)-len(content) <= len(content)/8 {
		*buf = nil
		return content, nil
	}
	if err := r.memory.take(len(content)); err != nil {
		return nil, err
	}
	return textCopy(content), nil
}

// room makes sure that a buffer has room for size more bytes, when done of all
// series of the family are rendered.
func (r *renderer) room(buf *[]byte, size, done, all int) error {
	need := len(*buf) + size
	if need <= cap(*buf) {
		return nil
	}
	n := max(need, min(16*cap(*buf), int(float64(need)/float64(done+1)*float64(all)*(1+1./32))))
	if done < 64 || n < minRoom {
		n = max(n, 2*cap(*buf), minRoom)
	}
	if err := r.memory.take(n - cap(*buf)); err != nil {
		return err
	}
	*buf = append(make([]byte, 0, n), *buf...)
	return nil
}

// minRoom is the initial size of a buffer, in bytes.
const minRoom = 4 << 10

// rest returns how many more bytes of text the push may have.
func (r *renderer) rest() int {
	if r.opts.MaxBytes == 0 {
		return math.MaxInt
	}
	return r.opts.MaxBytes - r.size
}

func (r *renderer) tooLarge() error { return tooLargeInScrapes(r.opts.MaxBytes) }

func tooLargeInScrapes(most int) error {
	return fmt.Errorf("%w: with its grouping labels it would take more than %d bytes in each scrape; push fewer series or shorter labels", ErrTooLarge, most)
}

// renderSeries renders the i-th series of a family, unless it is a duplicate.
func (r *renderer) renderSeries(f *metric.Family, i int) (added bool, err error) {
	s := &f.Series[i]
	if s.Timed {
		return false, &timedError{strings.Clone(excerpt.Of(f.Name))}
	}
	if err := r.renderLabels(f, s.Labels); err != nil {
		return false, err
	}
	if err := checkValue(f, s, &r.opts.Limits); err != nil {
		return false, err
	}
	if twice, err := r.isDuplicate(len(f.Series)); err != nil {
		return false, err
	} else if twice {
		if r.opts.Duplicate == nil {
			return false, r.twice(f, s)
		}
		r.opts.Duplicate()
		return false, nil
	}
	if err := r.room(&r.text, r.textSize(f, s), i, len(f.Series)); err != nil {
		return false, err
	}
	if r.text, err = r.appendText(r.text, f, s); err != nil {
		return false, err
	}
	if r.plain {
		r.protoSize += sizeBytes(r.labels.size + valueSize(f.Type, s))
		return true, nil
	}
	return true, r.renderProto(f, i)
}

// textSize is an upper bound for the size of a series' lines, as long as it is
// within bounds.
func (r *renderer) textSize(f *metric.Family, s *metric.Series) int {
	const rest = 80 // a suffix, a label with a number, and the value
	line := len(f.Name) + len(r.labels.text) + rest
	if !r.legacyName {
		line += len(f.Name)
	}
	lines := 1
	if specialLabel(f.Type) != "" {
		lines = specialLines(s) + 3
	}
	return min(line*lines, max(r.rest(), line))
}

// renderProto renders the i-th series in protobuf.
func (r *renderer) renderProto(f *metric.Family, i int) error {
	s, from := &f.Series[i], len(r.proto)
	if err := r.room(&r.proto, len(r.msg)+largestProto(s), i, len(f.Series)); err != nil {
		return err
	}
	r.proto = r.appendProto(r.proto, f, s)
	r.protoSize = len(r.proto)
	odd := contradicts(f.Type, s.Histogram)
	if odd && r.leftOut == 0 || r.leftOut > 0 {
		if err := r.room(&r.orderly, len(r.proto)-len(r.orderly), i, len(f.Series)); err != nil {
			return err
		}
	}
	r.keepOrderly(odd, from)
	return nil
}

// keepOrderly records whether the present series, which starts there in proto,
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

// isDuplicate reports whether the present label set occurred before, in a
// family with this many series.
func (r *renderer) isDuplicate(series int) (bool, error) {
	if r.distinct {
		return false, nil
	}
	added, err := r.sets.add(r.labels.hash, series, r.memory.take)
	return !added, err
}

// twice refuses the present series, which is equal to an earlier one, and says
// what made them equal.
func (r *renderer) twice(f *metric.Family, s *metric.Series) error {
	const explained = 10 // each takes a look at all series
	if r.repeated++; r.repeated > explained {
		return invalid(f.Name, "further series become equal to others; push each once")
	}
	before := r.firstLike(f, s)
	one, other := FormatSeries(f.Name, before.Labels), FormatSeries(f.Name, s.Labels)
	if string(appendSet(nil, before.Labels)) == string(appendSet(nil, s.Labels)) {
		return invalid(f.Name, "the series %s occurs twice in the push; push it once", other)
	}
	var replaced []string
	for _, l := range r.opts.Grouping {
		if valueOf(before.Labels, l.Name) != valueOf(s.Labels, l.Name) {
			replaced = append(replaced, fmt.Sprintf("%q", excerpt.Of(l.Name)))
		}
	}
	if len(replaced) == 0 {
		return invalid(f.Name, "the series %s and %s are equal, since a series without an instance gets an empty one; push one of them", one, other)
	}
	return invalid(f.Name, "the series %s and %s become equal, since the grouping key sets %s; leave it out of the key, or rename it in the body",
		one, other, excerpt.Of(strings.Join(replaced, ", ")))
}

// firstLike returns the first series that is equal to one already rendered.
func (r *renderer) firstLike(f *metric.Family, s *metric.Series) *metric.Series {
	hash := r.labels.hash
	for i := range f.Series {
		if r.writeLabels(f, f.Series[i].Labels) == nil && r.labels.hash == hash {
			return &f.Series[i]
		}
	}
	return s
}

func valueOf(labels []metric.Label, name string) string {
	for _, l := range labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// stayDistinct reports whether the label sets of a family are distinct, and
// stay so with the grouping labels: all have the same names, and none is
// overridden.
func (r *renderer) stayDistinct(f *metric.Family) bool {
	if !f.Distinct {
		return false
	}
	named := func(a, b metric.Label) bool { return a.Name == b.Name }
	for i := range f.Series {
		if !slices.EqualFunc(f.Series[i].Labels, f.Series[0].Labels, named) {
			return false
		}
	}
	return len(f.Series) == 0 || !slices.ContainsFunc(f.Series[0].Labels, func(l metric.Label) bool {
		return slices.ContainsFunc(r.opts.Grouping, func(g metric.Label) bool { return g.Name == l.Name })
	})
}
