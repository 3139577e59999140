// Package sums adds pushes up: what many short jobs count becomes one number.
// It knows what adding means for each type of family, and nothing of groups.
package sums

import (
	"cmp"
	"fmt"
	"time"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
)

// Gauges says what a push does to the gauges of a group.
type Gauges int

const (
	// ReplaceGauges keeps the value of the latest push.
	ReplaceGauges Gauges = iota
	// SumGauges adds the values.
	SumGauges
	// MaxGauges keeps the largest value.
	MaxGauges
	// MinGauges keeps the smallest value.
	MinGauges
	// ByLabel lets each series say with the label clearmode what becomes of it,
	// whatever its type. The label is removed. Push.Unlabeled says what becomes of
	// series without it.
	ByLabel
)

// Push is how one push adds to a family.
type Push struct {
	Gauges Gauges
	// Unlabeled is what becomes of series without the label, if Gauges is ByLabel.
	// By default gauges are replaced, and others are added.
	Unlabeled Effect
	// At is the start time of series that the push brings, unless it says one.
	At time.Time
	// Ends is when the series that the push adds to end by themselves, in Unix ns. 0
	// means that they do not.
	Ends int64
	// MaxBuckets bounds the buckets of a native histogram. Over it, the histogram
	// gets a lower resolution. It must be positive.
	MaxBuckets int
	// Overwrites replaces the series that the push has, whatever their type,
	// instead of adding to them.
	Overwrites bool
}

// Family is what a group has of one family, while pushes are added to it. It is
// for one goroutine.
type Family struct {
	name, help, unit string
	emptyHelp        bool
	typ              metric.Type
	series           []metric.Series
	ends             []int64        // when each of them ends, in Unix ns; 0 if it does not
	places           map[string]int // of the series, by label set
	changed          bool
	// rest is what is stored of the family, if not all of it has been read. Then series
	// has only what pushes add to. It is nil otherwise.
	rest *rest
}

// Of returns the family that a block holds, for pushes to add to. pushed is the first
// of them. ends are when the series end by themselves, in Unix ns, and 0 for those
// that do not. It is nil if none does.
func Of(stored *exposition.Block, ends []int64, pushed *exposition.Block) *Family {
	f := &Family{name: stored.Name, help: stored.Help, unit: stored.Unit, emptyHelp: stored.EmptyHelp, typ: stored.Type, places: make(map[string]int, pushed.Series()), rest: newRest(stored, ends)}
	if pushed.Series() > stored.Series()/few {
		f.readAll()
	}
	return f
}

// Like returns a family without series, for pushes to add to.
func Like(pushed *exposition.Block) *Family {
	return &Family{name: pushed.Name, typ: pushed.Type, places: make(map[string]int)}
}

func (f *Family) put(s metric.Series, end int64) {
	set := labelSet(s.Labels)
	if i, ok := f.places[set]; ok {
		f.series[i], f.ends[i] = s, end
		return
	}
	f.rest.take(s.Labels)
	f.places[set] = len(f.series)
	f.series, f.ends = append(f.series, s), append(f.ends, end)
}

// labelSet returns a key that only equal label sets share. The labels are sorted.
// Text in UTF-8 never has the separator.
func labelSet(labels []metric.Label) string {
	const separator = 0xff
	var key []byte
	for _, l := range labels {
		key = append(append(key, l.Name...), separator)
		key = append(append(key, l.Value...), separator)
	}
	return string(key)
}

// Name returns the name of the family.
func (f *Family) Name() string { return f.name }

// find returns a series of the family, or nil. The caller must not change it.
func (f *Family) find(labels []metric.Label) *metric.Series {
	if i, ok := f.places[labelSet(labels)]; ok {
		return &f.series[i]
	}
	return f.rest.find(labels)
}

// Series returns the number of series.
func (f *Family) Series() int { return len(f.series) + f.rest.unread() }

// Ends returns when the series end by themselves, as Of takes it.
func (f *Family) Ends() []int64 { return f.rest.with(f.ends) }

// Addition is the effect of a push on a family, not applied yet: a push adds to
// all of its families or to none.
type Addition struct {
	to         *Family
	series     []metric.Series
	ends       int64 // of each of them
	help, unit string
	emptyHelp  bool
	renews     bool // removes the series that it does not have
	// Grows is by how many series the family grows. It is negative if the push
	// removes more than it brings.
	Grows int
	// Reconciled is the number of histograms that lose buckets, because those of
	// the push have others.
	Reconciled int
}

// Plan returns the effect of a push on the family. It changes nothing. The
// error is an exposition.InvalidError. A plan is void once another one has been
// applied.
func (f *Family) Plan(pushed *exposition.Block, p Push) (*Addition, error) {
	if pushed.Type != f.typ {
		return nil, f.invalid("its type is %s in the group, but %s in this push, so they cannot be added up; push the same type, or delete the group first", f.typ, pushed.Type)
	}
	a := &Addition{to: f, series: make([]metric.Series, 0, pushed.Series()), ends: p.Ends, help: pushed.Help, unit: pushed.Unit, emptyHelp: pushed.EmptyHelp}
	for s := range pushed.EachSeries {
		if err := a.plan(s, p); err != nil {
			return nil, f.invalid("the series %s %s", exposition.FormatSeries(f.name, s.Labels), err)
		}
	}
	if p.Gauges == ByLabel && a.repeats() {
		return nil, f.invalid("two series are the same without their labels %s; push each once", ClearMode)
	}
	if a.renews {
		a.Grows = len(a.series) - f.Series()
	}
	return a, nil
}

// plan adds the effect on one series.
func (a *Addition) plan(s metric.Series, p Push) error {
	effect := byType
	if p.Gauges == ByLabel {
		var err error
		if s, effect, err = cutEffect(s, p.Unlabeled); err != nil {
			return err
		}
		if p.Gauges = ReplaceGauges; effect == adds {
			p.Gauges = SumGauges
		}
	}
	a.renews = a.renews || effect == renews
	before := a.to.find(s.Labels)
	if before == nil {
		a.Grows++
	}
	if effect != byType && effect != adds {
		before = nil
	}
	if p.Overwrites {
		a.series = append(a.series, s)
		return nil
	}
	sum, reconciled, err := add(a.to.typ, before, &s, p)
	if err != nil {
		return err
	}
	if reconciled {
		a.Reconciled++
	}
	a.series = append(a.series, sum)
	return nil
}

// repeats reports whether a series occurs twice.
func (a *Addition) repeats() bool {
	seen := make(map[string]bool, len(a.series))
	for _, s := range a.series {
		seen[labelSet(s.Labels)] = true
	}
	return len(seen) < len(a.series)
}

func (f *Family) invalid(format string, args ...any) error {
	return exposition.Invalid(f.name, format, args...)
}

// Family returns the family that the plan is for.
func (a *Addition) Family() *Family { return a.to }

// Apply changes the family.
func (a *Addition) Apply() {
	if a.renews {
		a.to.series, a.to.ends, a.to.rest = nil, nil, nil
		clear(a.to.places)
	}
	for _, s := range a.series {
		a.to.put(s, a.ends)
	}
	a.to.unit = cmp.Or(a.unit, a.to.unit)
	a.to.changed = a.to.changed || len(a.series) > 0
	switch {
	case a.help != "":
		a.to.help, a.to.emptyHelp = a.help, false
	case a.to.help == "":
		a.to.emptyHelp = a.to.emptyHelp || a.emptyHelp
	}
}

// Drop removes the series for which drop returns true.
func (f *Family) Drop(drop func(labels []metric.Label) bool) (dropped int) {
	f.readAll()
	series, ends := f.series, f.ends
	f.series, f.ends = nil, nil
	clear(f.places)
	for i, s := range series {
		if drop(s.Labels) {
			dropped++
		} else {
			f.put(s, ends[i])
		}
	}
	f.changed = f.changed || dropped > 0
	return dropped
}

// Remove removes the series that a block of the same name has, whatever their
// values. It does nothing if the types differ.
func (f *Family) Remove(b *exposition.Block) (removed int) {
	gone := f.shared(b)
	if len(gone) == 0 {
		return 0
	}
	return f.Drop(func(labels []metric.Label) bool { return gone[labelSet(labels)] })
}

// Shared returns how many series Remove would remove.
func (f *Family) Shared(b *exposition.Block) int { return len(f.shared(b)) }

func (f *Family) shared(b *exposition.Block) map[string]bool {
	if b.Type != f.typ {
		return nil
	}
	both := make(map[string]bool, b.Series())
	b.EachLabels(func(labels []metric.Label) bool {
		if f.find(labels) != nil {
			both[labelSet(labels)] = true
		}
		return true
	})
	return both
}

// Changed reports whether the family differs from the block that it was made of.
func (f *Family) Changed() bool { return f.changed }

// Block returns the family as a block. maxBytes bounds it; 0 means no bound.
func (f *Family) Block(maxBytes int, budget exposition.Budget) (*exposition.Block, error) {
	blocks, err := exposition.Render([]*metric.Family{{
		Name: f.name, Help: f.help, Unit: f.unit, EmptyHelp: f.emptyHelp, Type: f.typ, Series: f.series, Distinct: true,
	}}, exposition.Options{MaxBytes: maxBytes, Budget: budget, Bare: true, Valid: true, Limits: exposition.StoredLimits()})
	switch {
	case err != nil:
		return nil, err
	case f.rest == nil:
		return blocks[0], nil
	}
	return exposition.Merge(f.rest.block, blocks[0], maxBytes, budget)
}

// gaugesByName are the names of the ways to treat gauges.
var gaugesByName = map[string]Gauges{"replace": ReplaceGauges, "sum": SumGauges, "max": MaxGauges, "min": MinGauges, ClearMode: ByLabel}

// ParseGauges parses the name of a way to treat gauges. The empty one means
// ReplaceGauges.
func ParseGauges(name string) (Gauges, error) {
	g, ok := gaugesByName[cmp.Or(name, "replace")]
	if !ok {
		return 0, fmt.Errorf("%q must be replace, sum, max, min or clearmode", excerpt.Of(name))
	}
	return g, nil
}
