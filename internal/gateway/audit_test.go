package gateway

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
)

// Audit compares what the index counts with what is stored, while no change is in
// progress.
func (g *Gateway) Audit() error {
	g.View()
	g.sweep()
	g.mu.Lock()
	defer g.mu.Unlock()
	a := &audit{index: g.index, uses: make(map[*shape]int), holders: make(map[string]map[*shape]int), entries: make(map[*seriesEntry]bool)}
	a.count()
	errs := []error{a.rest()}
	for _, f := range a.families {
		errs = append(errs, a.family(f))
	}
	return errors.Join(errs...)
}

// audit is what the groups of an index need.
type audit struct {
	*index
	uses    map[*shape]int
	holders map[string]map[*shape]int // groups of each family
	entries map[*seriesEntry]bool
	tally   tally
	keepers []string // groups that keep memory of blocks that they do not have
}

func (a *audit) count() {
	a.groups.Scan(func(_ grouping.Key, g *Group) bool {
		a.uses[g.shape]++
		a.tally.add(tallyOf(g), 1)
		if keepsOthers(g) {
			a.keepers = append(a.keepers, g.Key.Excerpt())
		}
		for i := range g.Families {
			if h := withSeries(&g.Families[i]); h != nil {
				a.hold(h, g.shape)
			}
		}
		return true
	})
}

// keepsOthers reports whether a block of the group shares memory with others that
// the group does not have.
func keepsOthers(g *Group) bool {
	has := make(map[*exposition.Block]int)
	for b := range g.Blocks() {
		_, first := b.Mates()
		has[first]++
	}
	for b := range g.Blocks() {
		if n, first := b.Mates(); n > 0 && n != has[first] {
			return true
		}
	}
	return false
}

func (a *audit) hold(h *Held, sh *shape) {
	if a.holders[h.Name] == nil {
		a.holders[h.Name] = make(map[*shape]int)
	}
	a.holders[h.Name][sh]++
	for e := h.entry; e != nil; e = e.base {
		a.entries[e] = true
	}
}

// rest looks at what does not belong to a family.
func (a *audit) rest() error {
	if len(a.pending)+len(a.unknown)+a.receipts.reserved > 0 {
		return fmt.Errorf("%d changes are pending, the outcome of %d is not known, and %d receipts are reserved", len(a.pending), len(a.unknown), a.receipts.reserved)
	}
	if len(a.keepers) > 0 {
		return fmt.Errorf("groups keep memory of blocks that they do not have: %q", a.keepers)
	}
	if a.tally != a.stock.tally {
		return fmt.Errorf("the quotas count %v, want %v", a.stock.tally, a.tally)
	}
	for _, sh := range a.shapes {
		if sh.users != a.uses[sh] {
			return fmt.Errorf("the shape %q has %d users, want %d", sh.id, sh.users, a.uses[sh])
		}
	}
	return nil
}

func (a *audit) family(f *indexed) error {
	if f.pending != [typeCount]int32{} || f.taking != nil && *f.taking != [typeCount]int32{} {
		return fmt.Errorf("%s has claims of changes in progress: %v %v", f.name, f.pending, f.taking)
	}
	if len(a.holders[f.name]) == 0 && f.reserved == nil {
		return fmt.Errorf("%s is not forgotten", f.name)
	}
	counts := make(map[*shape]int)
	for _, c := range f.shapes.walked {
		counts[c.shape] = c.groups
	}
	for sh, n := range f.shapes.indexed {
		counts[sh] += n
	}
	for sh, n := range counts {
		if want := a.holders[f.name][sh]; n != want {
			return fmt.Errorf("%d groups of the shape %q count for %s, want %d", n, sh.id, f.name, want)
		}
	}
	if len(counts) != len(a.holders[f.name]) {
		return fmt.Errorf("%s has %d shapes, want %d", f.name, len(counts), len(a.holders[f.name]))
	}
	if f.shapes.index == nil {
		return nil
	}
	return errors.Join(a.leaks(f), a.missing(f))
}

// leaks looks for entries that no group has.
func (a *audit) leaks(f *indexed) error {
	leak := func(e *seriesEntry) error {
		if a.entries[e] {
			return nil
		}
		return fmt.Errorf("the index of %s has an entry for %s that no group has", f.name, e.key)
	}
	var errs []error
	for _, e := range f.shapes.index.one {
		errs = append(errs, leak(e))
	}
	for _, all := range f.shapes.index.more {
		for _, e := range all {
			errs = append(errs, leak(e))
		}
	}
	return errors.Join(errs...)
}

// missing looks for series that the index does not have.
func (a *audit) missing(f *indexed) (err error) {
	a.groups.Scan(func(key grouping.Key, g *Group) bool {
		h := g.findSeries(f.name)
		if _, indexed := f.shapes.indexed[g.shape]; h == nil || !indexed {
			return true
		}
		for _, hash := range h.Hashes() {
			if !slices.Contains(f.shapes.index.others(nil, hash, "", math.MaxInt), key) {
				err = fmt.Errorf("the index of %s lacks a series of %s", f.name, key)
			}
		}
		return err == nil
	})
	return err
}
