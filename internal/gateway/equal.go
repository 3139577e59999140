package gateway

import (
	"context"
	"fmt"
	"slices"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// Different groups can only have equal series if their grouping keys differ in
// their label names: such a series has the labels of both keys. So only names
// in groups of several shapes are checked. For a few shapes, the labels of each
// series determine which group of another shape could have it. Groups of
// further shapes are found by the hash of the label set.

// suspect is a group that also has a series of the change.
type suspect struct {
	name   string
	key    grouping.Key
	labels []metric.Label // labels of one such series
}

// suspects finds the groups, stored or pending, that have a series of the
// change. With the consistency check it stops at the first, since the change is
// refused then. It holds no lock while it compares. Of the pending groups only
// those with an older claim count; younger ones will find this change. The
// error means that ctx has ended.
func (g *Gateway) suspects(ctx context.Context, p *pending, old *Group, first bool) (found []suspect, err error) {
	if err := g.note(ctx, p, old); err != nil {
		return nil, givenUp(err)
	}
	g.mu.Lock()
	all := g.index.enter(p)
	g.mu.Unlock()
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
	return found, nil
}

func givenUp(err error) error { return fmt.Errorf("%w: the client is gone: %w", ErrUnavailable, err) }

// search compares one block with the groups of other shapes.
type search struct {
	block *exposition.Block
	walks []walk
	index *seriesIndex // nil if there is nothing to look up
	g     *Gateway
	ctx   context.Context
	key   grouping.Key // key of the block's group
	claim uint64
	first bool // stop at the first

	looked  int    // label sets so far
	hash    uint64 // hash of the present label set, if computed
	hashed  bool
	scratch []byte
	others  []grouping.Key
	found   []suspect
	knows   map[grouping.Key]bool // groups found
	err     error
}

func newSearch(r rivals) *search {
	s := &search{block: r.block, index: r.index, walks: make([]walk, len(r.shapes)), knows: make(map[grouping.Key]bool)}
	for i, sh := range r.shapes {
		s.walks[i].shape = sh
	}
	return s
}

// walk is the state of the search in one shape. Successive series of a block
// usually lead to the same group.
type walk struct {
	shape *shape
	key   []byte // of the group that blocks belong to
	next  []byte
	known bool                // key has been looked up
	has   []*exposition.Block // what that group has of the family, stored or pending
}

// lookedFor is how many label sets are checked between two checks of the
// context. A shorter search is completed even for a client that has closed its
// half of the connection.
const lookedFor = 5000

// look checks one label set of the block. It is a callback of EachLabels.
func (s *search) look(labels []metric.Label) bool {
	if s.looked++; s.looked%lookedFor == 0 {
		if s.err = s.ctx.Err(); s.err != nil {
			return false
		}
	}
	s.hashed = false
	names := mask(labels)
	for i := range s.walks {
		if w := &s.walks[i]; w.shape.mask&^names == 0 {
			s.lookAt(w, labels)
		}
	}
	if s.index != nil {
		s.lookUp(labels)
	}
	return !s.first || len(s.found) == 0
}

// lookAt checks the group of a shape that could have the series.
func (s *search) lookAt(w *walk, labels []metric.Label) {
	key := w.shape.project(w.next, labels)
	if key == nil {
		return
	}
	if w.next = key; !w.known || !slices.Equal(key, w.key) {
		w.key, w.known = append(w.key[:0], key...), true
		w.has = s.g.has(grouping.Key(key), s.block, s.claim)
	}
	if len(w.has) > 0 && !s.knows[grouping.Key(w.key)] && s.isIn(w.has, labels) {
		s.note(grouping.Key(w.key), labels)
	}
}

// lookUp checks the groups that the index returns for the series.
func (s *search) lookUp(labels []metric.Label) {
	s.others = s.index.others(s.others[:0], s.hashOf(labels), s.key)
	for _, key := range s.others {
		if !s.knows[key] && s.isIn(s.g.has(key, s.block, s.claim), labels) {
			if s.note(key, labels); s.first {
				return
			}
		}
	}
}

// isIn reports whether one of the blocks has the series. To be certain, it
// reads the whole block, once for each group.
func (s *search) isIn(blocks []*exposition.Block, labels []metric.Label) bool {
	return slices.ContainsFunc(blocks, func(b *exposition.Block) bool { return b.Has(s.hashOf(labels), labels) })
}

func (s *search) hashOf(labels []metric.Label) uint64 {
	if !s.hashed {
		s.hashed = true
		s.hash, s.scratch = exposition.HashLabels(s.scratch, labels)
	}
	return s.hash
}

func (s *search) note(key grouping.Key, labels []metric.Label) {
	s.knows[key] = true
	s.found = append(s.found, suspect{s.block.Name, key, slices.Clone(labels)})
}

// has returns what a group has of the family of block with the same type: first
// the pending state, then the stored one, so that a change which is applied in
// between is seen at least once.
func (g *Gateway) has(key grouping.Key, block *exposition.Block, before uint64) (blocks []*exposition.Block) {
	add := func(group *Group) {
		if h := group.findSeries(block.Name); h != nil && h.Type == block.Type {
			blocks = append(blocks, h.Block)
		}
	}
	g.mu.Lock()
	p := g.index.pending[key]
	counts := p != nil && p.claim > 0 && p.claim < before
	g.mu.Unlock()
	if counts {
		add(p.group)
	}
	add(g.Group(key))
	return blocks
}

// link records that groups share a series of f, and returns the groups whose
// exposure must be decided again.
func (x *index) link(f *indexed, key grouping.Key, suspects []suspect) (affected []grouping.Key) {
	for _, s := range suspects {
		if s.name == f.name && !slices.Contains(f.equal[key], s.key) {
			f.addEqual(key, s.key)
			f.addEqual(s.key, key)
		}
	}
	if len(f.equal[key]) == 0 {
		return nil
	}
	affected = append(slices.Clone(f.equal[key]), key)
	for _, other := range slices.Clone(f.equal[key]) {
		if !x.stillEqual(f, key, other) {
			f.removeEqual(key, other)
			f.removeEqual(other, key)
		}
	}
	return affected
}

func (f *indexed) addEqual(key, other grouping.Key) {
	if f.equal == nil {
		f.equal = make(map[grouping.Key][]grouping.Key)
	}
	f.equal[key] = append(f.equal[key], other)
}

func (f *indexed) removeEqual(key, other grouping.Key) {
	rest := slices.DeleteFunc(f.equal[key], func(k grouping.Key) bool { return k == other })
	if f.equal[key] = rest; len(rest) == 0 {
		delete(f.equal, key)
	}
}

// stillEqual compares what is stored now. The link to a pending group stays
// until the group is stored.
func (x *index) stillEqual(f *indexed, key, other grouping.Key) bool {
	mine, theirs := x.held(f, key), x.held(f, other)
	if mine != nil && theirs != nil && mine.Type == theirs.Type && exposition.Share(mine.Block, theirs.Block) {
		return true
	}
	return mine != nil && x.pending[other] != nil
}

func (x *index) held(f *indexed, key grouping.Key) *Held {
	group, _ := x.groups.Get(key)
	return group.findSeries(f.name)
}

// decide hides or shows groups until each one is hidden exactly if it shares a
// series with a visible group that has an older claim.
func (x *index) decide(f *indexed, queue []grouping.Key) {
	for len(queue) > 0 {
		key := queue[0]
		queue = queue[1:]
		mine := x.held(f, key)
		if mine == nil {
			continue
		}
		_, out := f.leftOut[key]
		if out == x.isShadowed(f, key, mine) {
			continue
		}
		f.toggle(key, mine)
		queue = append(queue, f.equal[key]...)
	}
}

func (x *index) isShadowed(f *indexed, key grouping.Key, mine *Held) bool {
	for _, other := range f.equal[key] {
		theirs := x.held(f, other)
		if _, out := f.leftOut[other]; out || theirs == nil || theirs.Type != mine.Type {
			continue
		}
		if (claim{theirs.Claim, other}).less(claim{mine.Claim, key}) {
			return true
		}
	}
	return false
}

func (f *indexed) toggle(key grouping.Key, mine *Held) {
	if _, out := f.leftOut[key]; out {
		delete(f.leftOut, key)
		f.byType[mine.Type].expose(key, mine.Block)
		return
	}
	if f.leftOut == nil {
		f.leftOut = make(map[grouping.Key]*exposition.Block)
	}
	f.leftOut[key] = f.byType[mine.Type].hide(key)
}
