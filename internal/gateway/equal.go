package gateway

import (
	"slices"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// Equal series of different groups can only come about where the grouping
// keys differ in their label names: then a series has the labels of both
// keys. So only names that groups of several shapes have are looked at, and
// the labels of each series say which group of another shape could have it.

// suspect is a group that has a series of the change too.
type suspect struct {
	name   string
	key    grouping.Key
	labels []metric.Label // of one such series
}

// rivals are the other shapes that have a name which a change brings.
type rivals struct {
	block  *exposition.Block
	shapes []*shape
}

// rivals lists what the change must be compared with, mostly nothing.
func (x *index) rivals(p *pending) (found []rivals) {
	for _, b := range p.brings {
		f := x.families[b.Name]
		if len(f.shapes) < 2 {
			continue
		}
		r := rivals{block: b}
		for _, c := range f.shapes {
			if c.shape != p.shape {
				r.shapes = append(r.shapes, c.shape)
			}
		}
		found = append(found, r)
	}
	return found
}

// suspects finds the groups, stored or pending, that have a series of the
// change; where there is a check the first is enough, as the change is refused
// for it. It holds no lock while it compares. Of the pending ones only those
// with an older claim count; the younger ones will find this change.
func (g *Gateway) suspects(p *pending, all []rivals, first bool) (found []suspect) {
	for _, r := range all {
		s := search{g: g, claim: p.claim, block: r.block, first: first, shapes: make([]searched, len(r.shapes)), knows: make(map[grouping.Key]bool)}
		for i, sh := range r.shapes {
			s.shapes[i].shape = sh
		}
		r.block.EachLabels(s.look)
		if found = append(found, s.found...); first && len(found) > 0 {
			break
		}
	}
	return found
}

// search compares one block with the groups of other shapes.
type search struct {
	g      *Gateway
	claim  uint64
	block  *exposition.Block
	first  bool // the first is enough
	shapes []searched
	found  []suspect
	knows  map[grouping.Key]bool // those that have been found
}

// searched is where the search stands with one shape. Series of a block
// mostly lead to the same group again and again.
type searched struct {
	shape *shape
	key   []byte // of the group that blocks belong to
	next  []byte
	known bool                // key has been looked up
	has   []*exposition.Block // what that group has of the family, stored or pending
}

// look takes one label set of the block; it is a callback of EachLabels.
func (s *search) look(labels []metric.Label) bool {
	names := mask(labels)
	for i := range s.shapes {
		if c := &s.shapes[i]; c.shape.mask&^names == 0 {
			s.lookAt(c, labels)
		}
	}
	return !s.first || len(s.found) == 0
}

func (s *search) lookAt(c *searched, labels []metric.Label) {
	key := c.shape.project(c.next, labels)
	if key == nil {
		return
	}
	if c.next = key; !c.known || !slices.Equal(key, c.key) {
		c.key, c.known = append(c.key[:0], key...), true
		c.has = s.g.has(grouping.Key(key), s.block, s.claim)
	}
	if len(c.has) == 0 || s.knows[grouping.Key(c.key)] {
		return // to find a series goes through all that the group has
	}
	for _, b := range c.has {
		if b.Has(labels) {
			key := grouping.Key(c.key)
			s.knows[key] = true
			s.found = append(s.found, suspect{s.block.Name, key, slices.Clone(labels)})
			return
		}
	}
}

// has gives what a group has of the family of block, with the same type:
// first as pending, then as stored, so that a change which is applied in
// between is seen at least once.
func (g *Gateway) has(key grouping.Key, block *exposition.Block, before uint64) (blocks []*exposition.Block) {
	add := func(group *Group) {
		if h := group.Find(block.Name); h != nil && h.Type == block.Type {
			blocks = append(blocks, h.Block)
		}
	}
	g.mu.Lock()
	p := g.index.pending[key]
	g.mu.Unlock()
	if p != nil && p.claim < before {
		add(p.group)
	}
	add(g.Group(key))
	return blocks
}

// link records that groups share a series of f, and gives the groups whose
// exposure must be decided anew.
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

// stillEqual looks at what is stored now. Of a group on its way the link
// stays until it has arrived.
func (x *index) stillEqual(f *indexed, key, other grouping.Key) bool {
	mine, theirs := x.held(f, key), x.held(f, other)
	if mine != nil && theirs != nil && mine.Type == theirs.Type && exposition.Share(mine.Block, theirs.Block) {
		return true
	}
	return mine != nil && x.pending[other] != nil
}

func (x *index) held(f *indexed, key grouping.Key) *Held {
	group, _ := x.groups.Get(key)
	return group.Find(f.name)
}

// decide leaves groups out, or takes them in again, until each is left out
// exactly if a group with an older claim that shares a series is not.
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
