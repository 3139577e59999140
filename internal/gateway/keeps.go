package gateway

import (
	"slices"
	"strings"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
)

// A group may expire while a change of it is in progress that keeps some of what it
// has. The change brings that back. Until then, it claims it like what it brings, so
// that no push of another group that contradicts it is stored in between.

// keepClaims gives the changes in progress of a group that is about to expire claims
// to what they keep of it.
func (x *index) keepClaims(key grouping.Key) {
	for p := x.pending[key]; p != nil; p = p.next {
		if p.keeps != nil {
			continue // the group has expired before
		}
		for i := range p.group.Families {
			h := withSeries(&p.group.Families[i])
			if h == nil || hasName(p.brings, h.Name) {
				continue
			}
			f := x.family(h.Name)
			f.pending[h.Type]++
			f.shapes.add(p.shape, +1)
			p.keeps = append(p.keeps, h.Block)
		}
	}
}

// keepsName reports whether the change has claims to a name that it keeps.
func (p *pending) keepsName(name string) bool { return hasName(p.keeps, name) }

// hasName reports whether there is a block with that name among some that are sorted
// by name.
func hasName(blocks []*exposition.Block, name string) bool {
	_, has := slices.BinarySearchFunc(blocks, name, func(b *exposition.Block, name string) int { return strings.Compare(b.Name, name) })
	return has
}

// entryInProgress returns the entry that a change in progress of the group has for a
// family, if it contains what the group has had until now. Else it returns nil.
func (x *index) entryInProgress(key grouping.Key, was *Held) *seriesEntry {
	if was.entry == nil {
		return nil
	}
	for p := x.pending[key]; p != nil; p = p.next {
		if p.claim == 0 && hasName(p.brings, was.Name) {
			continue // it is still being made
		}
		if e := p.group.entryOf(was.Name); was.entry.isIn(e) {
			return e
		}
	}
	return nil
}
