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

// isBereft reports whether the group that a change was made from has ended since.
func (x *index) isBereft(p *pending) bool {
	if p.since == 0 {
		return false
	}
	stored, _ := x.groups.Get(p.key)
	return stored.since() != p.since
}

// keepClaims gives the changes in progress of a group that is about to expire claims
// to what they keep of it, but for families whose series have all ended.
func (x *index) keepClaims(key grouping.Key, now int64) {
	for p := x.pending[key]; p != nil; p = p.next {
		if p.keeps != nil {
			continue // it has claims to all that it keeps
		}
		for i := range p.group.Families {
			h := withSeries(&p.group.Families[i])
			if h == nil || hasName(p.brings, h.Name) || h.Ends != nil && h.Ends.last <= now {
				continue
			}
			f := x.family(h.Name)
			f.pending[h.Type]++
			f.shapes.add(p.shape, +1)
			p.keeps = append(p.keeps, h.Block)
		}
	}
}

// hasName reports whether there is a block with that name among some that are sorted
// by name.
func hasName(blocks []*exposition.Block, name string) bool {
	_, has := slices.BinarySearchFunc(blocks, name, func(b *exposition.Block, name string) int { return strings.Compare(b.Name, name) })
	return has
}

// entryInProgress returns the entry that a change in progress of the group has for a
// family that it claims, if that contains what the group has had until now. Else it
// returns nil. The end of the claim discards the entry.
func (x *index) entryInProgress(key grouping.Key, was *Held) *seriesEntry {
	if was.entry == nil {
		return nil
	}
	for p := x.pending[key]; p != nil; p = p.next {
		made := p.claim > 0 && hasName(p.brings, was.Name) // before, the change makes the entry
		if !made && !hasName(p.keeps, was.Name) {
			continue
		}
		if e := p.group.entryOf(was.Name); was.entry.isIn(e) {
			return e
		}
	}
	return nil
}
