package httpapi

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// sample is the value of a series, and its start time in Unix s, 0 if it has none.
type sample struct {
	value float64
	start int64
	hist  *buckets // of a histogram
}

func (s sample) String() string {
	text := fmt.Sprint(s.value)
	if h := s.hist; h != nil {
		text = fmt.Sprintf("%d observations of %v native=%t schema %d zero %d %v", h.count, h.sum, h.native, h.schema, h.zero, h.counts)
	}
	if s.start != 0 {
		text += fmt.Sprintf(" since %d", s.start)
	}
	return text
}

// buckets are those of a histogram. The counts of a classic one are cumulative, by
// finite bound. Those of a native one are by index.
type buckets struct {
	native bool
	schema int32
	zero   uint64
	count  uint64
	sum    float64
	counts map[float64]uint64
}

// plus adds histograms of one kind. Classic ones keep the bounds that both have, and
// native ones the lower resolution.
func (h *buckets) plus(by *buckets) *buckets {
	sum := &buckets{native: h.native, schema: min(h.schema, by.schema), zero: h.zero + by.zero, count: h.count + by.count, sum: h.sum + by.sum, counts: make(map[float64]uint64)}
	if h.native {
		for _, part := range []*buckets{h, by} {
			for i, n := range part.counts {
				sum.counts[coarser(i, part.schema-sum.schema)] += n
			}
		}
		return sum
	}
	for bound, n := range h.counts {
		if more, both := by.counts[bound]; both {
			sum.counts[bound] = n + more
		}
	}
	return sum
}

// coarser returns the index of a native bucket at a resolution that is down lower.
func coarser(index float64, down int32) float64 {
	return math.Ceil(index/math.Pow(2, float64(down))) + 0 // no negative zero
}

// plus adds a sample to one that a series has.
func (s sample) plus(by sample) sample {
	s.value += by.value
	if s.hist != nil {
		s.hist = s.hist.plus(by.hist)
	}
	return s
}

// world is what a group may hold: the samples by series, and what was rejected of
// each body that has counted, by the keys of these.
type world struct {
	series  map[string]sample
	counted map[string]int
}

func (w world) clone() world { return world{maps.Clone(w.series), maps.Clone(w.counted)} }

// exposed describes what scrapes show of a group.
func (w world) exposed() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(w.series)) {
		fmt.Fprintf(&b, "%s: %v\n", name, w.series[name])
	}
	return b.String()
}

// put sets the samples of a family, by label.
func (w world) put(family string, samples map[string]sample) {
	for label, s := range samples {
		w.series[family+" "+label] = s
	}
}

// drop removes a family.
func (w world) drop(family string) {
	maps.DeleteFunc(w.series, func(name string, _ sample) bool { return strings.HasPrefix(name, family+" ") })
}

// result is what a request may make of one group.
type result struct {
	world
	rejected int
	replayed bool
	skipped  bool // nothing is pushed to it
	refused  bool // nothing was taken
}

// exported is what a request has of one family of a group.
type exported struct {
	family string
	delta  bool
	points int // that were not rejected before the engine
	series map[string]*pointsOfSeries
}

// pointsOfSeries are those of one series, in the order of the request.
type pointsOfSeries struct {
	at     uint64 // of the latest
	gone   bool   // so is the latest
	all    []sample
	latest sample
}

// add adds a point. gone means that it says that there is no value.
func (p *pointsOfSeries) add(s sample, at uint64, gone bool) {
	isLatest := at >= p.at
	if isLatest {
		p.at, p.gone = at, gone
	}
	if gone {
		return
	}
	if p.all = append(p.all, s); isLatest {
		p.latest = s
	}
}

// value returns what the points are together.
func (p *pointsOfSeries) value(delta bool) sample {
	if !delta {
		return p.latest
	}
	sum := p.all[0]
	for _, s := range p.all[1:] {
		sum = sum.plus(s)
	}
	return sum
}

// values returns the series that have a value in the end, and the others.
func (x *exported) values() (values map[string]sample, gone []string) {
	values = make(map[string]sample)
	for label, p := range x.series {
		if p.gone {
			gone = append(gone, label)
		} else {
			values[label] = p.value(x.delta)
		}
	}
	return values, gone
}

// share is what an export has for one group.
type share struct {
	families map[string]*exported
	once     string // its key, "" if all of it may be repeated
}

func (s *share) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.families)) {
		x := s.families[name]
		values, gone := x.values()
		fmt.Fprintf(&b, "\n\t\t%d points of %s, delta %t: %v without %v", x.points, name, x.delta, values, gone)
	}
	return b.String()
}

// adds reports whether the group remembers that it has counted.
func (s *share) adds() bool {
	for _, x := range s.families {
		if _, gone := x.values(); x.delta || len(gone) > 0 {
			return s.once != ""
		}
	}
	return false
}

// apply implements change.
func (s *share) apply(w world, at moment) []result {
	if rejected, counted := w.counted[s.once]; counted && s.adds() {
		return []result{{world: w, rejected: rejected, replayed: true}}
	}
	next, rejected, values := w.clone(), 0, 0
	var removed []string
	for _, name := range slices.Sorted(maps.Keys(s.families)) {
		x := s.families[name]
		samples, gone := x.values()
		switch {
		case len(samples) > 0 && x.isRefused(w, samples, at.held):
			rejected += x.points
			continue
		case x.delta:
			samples = w.plus(name, samples, at)
		}
		next.put(name, samples)
		values += len(samples)
		for _, label := range gone {
			removed = append(removed, name+" "+label)
		}
	}
	for _, name := range removed {
		delete(next.series, name)
	}
	if values+len(removed) == 0 {
		return []result{{world: w, rejected: rejected, refused: rejected > 0, skipped: rejected == 0}}
	}
	if s.adds() {
		next.counted[s.once] = rejected
	}
	all := []result{{world: next, rejected: rejected}}
	if values == 0 && len(w.series) == 0 { // nothing happens to a group that is not there
		all = append(all, result{world: w, rejected: rejected, skipped: rejected == 0})
	}
	return all
}

// mayOnlyRemove implements change. The group may refuse the rest.
func (s *share) mayOnlyRemove() bool {
	removes, keeps := false, false
	for name, x := range s.families {
		values, gone := x.values()
		removes = removes || len(gone) > 0
		keeps = keeps || len(values) > 0 && name != "taken_total" && name != "h"
	}
	return removes && !keeps
}

// isRefused reports whether a group refuses a family.
func (x *exported) isRefused(w world, samples map[string]sample, held bool) bool {
	if x.family == "taken_total" {
		return held
	}
	for label, s := range samples {
		if has := w.series[x.family+" "+label].hist; x.delta && has != nil && has.native != s.hist.native {
			return true
		}
	}
	return false
}

// plus returns the sums of the samples of a family and those that the world has.
// A sum without a start time begins when it is first added.
func (w world) plus(family string, samples map[string]sample, at moment) map[string]sample {
	sums := make(map[string]sample, len(samples))
	for label, s := range samples {
		if has, ok := w.series[family+" "+label]; ok {
			s = has.plus(s)
		} else if s.start == 0 {
			s.start = at.now
		}
		sums[label] = s
	}
	return sums
}

// How a push in text changes its group.
const (
	replacesGroup    = "PUT"
	replacesFamilies = "POST"
	replacesSeries   = "series"
	addsUp           = "sum"
	endsGroup        = "DELETE"
)

// pushed is a push in text.
type pushed struct {
	how      string
	families map[string]map[string]sample
	invalid  bool
	once     string
}

func (p *pushed) String() string { return fmt.Sprintf("%s %v", p.how, p.families) }

// apply implements change.
func (p *pushed) apply(w world, at moment) []result {
	if _, counted := w.counted[p.once]; counted && p.once != "" && !p.invalid {
		return []result{{world: w, replayed: true}}
	}
	next := w.clone()
	if p.how == replacesGroup || p.how == endsGroup {
		clear(next.series)
	}
	refused := p.invalid
	for name, samples := range p.families {
		x := exported{family: name, delta: true}
		switch {
		case p.how == replacesFamilies:
			next.drop(name)
		case p.how == addsUp && name != "g":
			refused = refused || x.isRefused(w, samples, false)
			if !refused {
				samples = w.plus(name, samples, at)
			}
		}
		next.put(name, samples)
	}
	if refused {
		return []result{{world: w, refused: true}}
	}
	if p.once != "" {
		next.counted[p.once] = 0
	}
	return []result{{world: next}}
}

// mayOnlyRemove implements change.
func (p *pushed) mayOnlyRemove() bool { return p.how == endsGroup }

// moment is what decides about a change besides the group.
type moment struct {
	held bool  // another group has the name taken_total, with another type
	now  int64 // in Unix s
}

// change is what a request does to one group.
type change interface {
	// apply returns all that it may make of the group.
	apply(w world, at moment) []result
	// mayOnlyRemove reports whether it may have nothing for the group but series to
	// remove.
	mayOnlyRemove() bool
}

// worlds are what the groups may hold, by key. A request that got no answer may have
// changed each of them or not.
type worlds map[string][]world

// of returns what a group may hold.
func (ws worlds) of(group string) []world {
	if all := ws[group]; all != nil {
		return all
	}
	return []world{{make(map[string]sample), make(map[string]int)}}
}

// told is what a client can learn from the answer to a request.
type told struct {
	rejected int
	replayed bool
	taken    bool // by some group, or there was nothing to take
}

// acknowledge changes the groups as a request did that was answered. It returns all
// answers that it can have got.
func (ws worlds) acknowledge(changes map[string]change, at moment) map[told]bool {
	type sum struct {
		told
		pushed bool
	}
	sums := map[sum]bool{{told: told{replayed: true, taken: true}}: true}
	for group, c := range changes {
		var next []world
		folded := make(map[sum]bool)
		for _, w := range ws.of(group) {
			for _, r := range c.apply(w, at) {
				next = append(next, r.world)
				for s := range sums {
					s.rejected += r.rejected
					s.replayed = s.replayed && (r.replayed || r.skipped)
					s.taken = s.taken && !r.refused
					s.pushed = s.pushed || !r.skipped
					folded[s] = true
				}
			}
		}
		ws[group], sums = distinct(next), folded
	}
	all := make(map[told]bool)
	for s := range sums {
		s.replayed = s.replayed && s.pushed
		all[s.told] = true
	}
	return all
}

// doubt adds what the groups hold if a request has changed them that got no answer.
func (ws worlds) doubt(changes map[string]change, at moment) {
	for group, c := range changes {
		all := slices.Clone(ws.of(group))
		for _, w := range ws.of(group) {
			for _, r := range c.apply(w, at) {
				all = append(all, r.world)
			}
		}
		ws[group] = distinct(all)
	}
}

// most returns how many worlds the group with the most has.
func (ws worlds) most() (n int) {
	for _, all := range ws {
		n = max(n, len(all))
	}
	return n
}

// forget makes all groups forget what has counted.
func (ws worlds) forget() {
	for group, all := range ws {
		for i := range all {
			all[i].counted = make(map[string]int)
		}
		ws[group] = distinct(all)
	}
}

// see drops the worlds of a group that expose something else. It reports whether one
// is left.
func (ws worlds) see(group, exposed string) bool {
	ws[group] = slices.DeleteFunc(slices.Clone(ws.of(group)), func(w world) bool { return w.exposed() != exposed })
	return len(ws[group]) > 0
}

// distinct drops worlds that occur twice.
func distinct(all []world) (kept []world) {
	seen := make(map[string]bool)
	for _, w := range all {
		if text := w.exposed() + fmt.Sprint(w.counted); !seen[text] {
			seen[text] = true
			kept = append(kept, w)
		}
	}
	return kept
}
