package gateway

import (
	"context"
	"fmt"
	"math"
	"slices"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// Equal series of different groups can only come about where the grouping
// keys differ in their label names: then a series has the labels of both
// keys. So only names that groups of several shapes have are looked at. For a
// few shapes the labels of each series say which group of another shape could
// have it; the groups of further ones are found by the hash of its label set.

// suspect is a group that has a series of the change too.
type suspect struct {
	name   string
	series sharedSeries
	key    grouping.Key
	labels []metric.Label // of the series, where there is a check
}

// suspects finds groups, stored or pending, that have series of the change.
// Where there is a check the first is enough, as the change is refused for it.
// Otherwise one for each series is, see sharers. It holds no lock while it
// compares. Of the pending ones only those with an older claim count; the younger
// ones will find this change. The error is that ctx has ended; without a check
// others count on an end.
func (g *Gateway) suspects(ctx context.Context, p *pending, old *Group, first bool) (found []suspect, err error) {
	if err := g.note(ctx, p, old); err != nil {
		return nil, givenUp(err)
	}
	g.mu.Lock()
	all := g.index.enter(p)
	g.mu.Unlock()
	if !first && len(all) > 0 {
		ctx = context.WithoutCancel(ctx)
		for _, b := range p.brings {
			b.Hashes() // which are asked for under the lock
		}
	}
	for _, r := range all {
		s := newSearch(r)
		s.g, s.ctx, s.key, s.claim, s.first = g, ctx, p.group.Key, p.claim, first
		r.block.EachLabels(s.look)
		if s.err != nil {
			return nil, givenUp(s.err)
		}
		if found = append(found, s.found...); first && len(found) > 0 {
			break
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := 0; i < len(found) && !first; i++ {
		g.index.meet(g.index.families[found[i].name], found[i])
	}
	p.searched = true
	return found, nil
}

func givenUp(err error) error { return fmt.Errorf("%w: the client has gone: %w", ErrUnavailable, err) }

// search compares one block with the groups of other shapes.
type search struct {
	block *exposition.Block
	walks []walk
	index *seriesIndex // nil if there is nothing to look up
	g     *Gateway
	ctx   context.Context
	key   grouping.Key // of the block
	claim uint64
	first bool // the first is enough

	looked  int    // label sets so far
	hash    uint64 // of the one at hand, if hashed
	hashed  bool
	settled bool // no more groups need to be found for the one at hand
	scratch []byte
	others  []grouping.Key
	found   []suspect
	err     error
}

func newSearch(r rivals) *search {
	s := &search{block: r.block, index: r.index, walks: make([]walk, len(r.shapes))}
	for i, sh := range r.shapes {
		s.walks[i].shape = sh
	}
	return s
}

// walk is where the search stands with one shape. Series of a block
// mostly lead to the same group again and again.
type walk struct {
	shape *shape
	key   []byte // of the group that blocks belong to
	next  []byte
	known bool // key has been looked up
	has   holding
}

// lookedFor is how many label sets are looked for between two looks at whether
// the client is still there. What takes less is finished for a client that only
// ends its half of the connection.
const lookedFor = 5000

// look takes one label set of the block; it is a callback of EachLabels.
func (s *search) look(labels []metric.Label) bool {
	if s.looked++; s.looked%lookedFor == 0 {
		if s.err = s.ctx.Err(); s.err != nil {
			return false
		}
	}
	s.hashed, s.settled = false, false
	names := mask(labels)
	for i := range s.walks {
		if w := &s.walks[i]; w.shape.mask&^names == 0 && !s.settled {
			s.lookAt(w, labels)
		}
	}
	if s.index != nil && !s.settled {
		s.lookUp(labels)
	}
	return !s.first || len(s.found) == 0
}

// lookAt looks at the group of a shape that could have the series.
func (s *search) lookAt(w *walk, labels []metric.Label) {
	key := w.shape.project(w.next, labels)
	if key == nil {
		return
	}
	if w.next = key; !w.known || !slices.Equal(key, w.key) {
		w.key, w.known = append(w.key[:0], key...), true
		w.has = s.g.has(grouping.Key(key), s.block, s.claim)
	}
	s.hold(grouping.Key(w.key), w.has, labels)
}

// lookUp looks at the groups that the index has for the series. Thousands may have
// it, where there is no check, and one of the first few is mostly enough.
func (s *search) lookUp(labels []metric.Label) {
	const few = 8
	for _, most := range []int{few, math.MaxInt} {
		s.others = s.index.others(s.others[:0], s.hashOf(labels), s.key, most)
		for _, key := range s.others {
			if s.hold(key, s.g.has(key, s.block, s.claim), labels); s.settled {
				return
			}
		}
		if len(s.others) < few {
			return
		}
	}
}

// hold notes a group if it has the series. Where there is a check, to be certain
// of that goes through a block, once.
func (s *search) hold(key grouping.Key, has holding, labels []metric.Label) {
	if s.first {
		is := func(b *exposition.Block) bool { return b != nil && b.Has(s.hashOf(labels), labels) }
		if s.settled = is(has.stored) || is(has.pending); s.settled {
			s.note(key, slices.Clone(labels))
		}
		return
	}
	is := func(b *exposition.Block) bool { return b != nil && b.MayHave(s.hashOf(labels)) }
	stored, pending := is(has.stored), is(has.pending)
	if stored || pending {
		s.note(key, nil)
	}
	s.settled = stored || pending && has.searched
}

func (s *search) hashOf(labels []metric.Label) uint64 {
	if !s.hashed {
		s.hashed = true
		s.hash, s.scratch = exposition.HashLabels(s.scratch, labels)
	}
	return s.hash
}

func (s *search) note(key grouping.Key, labels []metric.Label) {
	s.found = append(s.found, suspect{s.block.Name, sharedSeries{s.block.Type, s.hash}, key, labels})
}

// holding is what a group has of a family with a type, nil where it has nothing.
type holding struct {
	stored, pending *exposition.Block
	searched        bool // the pending change has found who else has its series
}

// has gives what a group has of the family of block, with the same type:
// first as pending, then as stored, so that a change which is applied in
// between is seen at least once.
func (g *Gateway) has(key grouping.Key, block *exposition.Block, before uint64) (has holding) {
	of := func(group *Group) *exposition.Block {
		if h := group.findSeries(block.Name); h != nil && h.Type == block.Type {
			return h.Block
		}
		return nil
	}
	g.mu.Lock()
	p := g.index.pending[key]
	counts := p != nil && p.claim > 0 && p.claim < before
	has.searched = counts && p.searched
	g.mu.Unlock()
	if counts {
		has.pending = of(p.group)
	}
	has.stored = of(g.Group(key))
	return has
}
