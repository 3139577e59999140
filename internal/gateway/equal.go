package gateway

import (
	"context"
	"errors"
	"fmt"
	"math"
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
	series sharedSeries
	key    grouping.Key
	labels []metric.Label // of the series, where there is a check
	remark string         // about the group, for the error
}

// suspects returns groups, stored or pending, that also have series of the
// change. With a check, it stops at the first group that refuses the change and
// returns it as refusal. Without one, it finds one group for each shared series,
// which is enough; see sharers.
//
// It holds no lock while it compares. It considers only pending changes that
// entered earlier; later ones find this change. It fails only if ctx ends.
// Without a check it ignores the end of ctx, because others rely on its result.
func (g *Gateway) suspects(ctx context.Context, p *pending, old *Group, c *check) (found []suspect, refusal *suspect, err error) {
	if p.searched { // there was nothing to compare it with
		return nil, nil, nil
	}
	if p.claim == 0 {
		if err := g.note(ctx, p, old); err != nil {
			return nil, nil, givenUp(err)
		}
		if err := g.enter(p, c != nil); err != nil {
			return nil, nil, err
		}
	}
	if c == nil {
		ctx = context.WithoutCancel(ctx)
	}
	var overruled []suspect
	for _, r := range p.rivals {
		s := newSearch(r)
		s.g, s.ctx, s.key, s.claim, s.check = g, ctx, p.key, p.claim, c
		r.block.EachLabels(s.look)
		if s.err != nil {
			return nil, nil, givenUp(s.err)
		}
		if s.refusal != nil {
			return nil, s.refusal, nil
		}
		found, overruled = append(found, s.found...), append(overruled, s.overruled...)
	}
	if len(found) > 0 || c == nil && len(p.rivals) > 0 {
		for _, b := range p.brings {
			b.Hashes() // computed here, because meet needs them under the lock
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if refusal := c.takeShared(p, overruled); refusal != nil {
		return nil, refusal, nil
	}
	for _, s := range found {
		g.index.meet(g.index.families[s.name], s)
	}
	p.searched = true
	return found, nil, nil
}

// enter gives a change its place among the pending ones, and notes what it must be
// compared with. It fails if the group of an own change has ended meanwhile.
func (g *Gateway) enter(p *pending, checked bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.own && g.index.isBereft(p) {
		return errEnded
	}
	p.rivals = g.index.enter(p, checked)
	return nil
}

// isAlone reports whether no group of another shape than sh, stored or pending, has
// any of the names of a group. sh is the shape of the group.
func (x *index) isAlone(g *Group, sh *shape) bool {
	for i := range g.Families {
		if f := x.families[g.Families[i].Name]; f != nil && !(f.shapes.hasOnly(sh) && len(f.equal) == 0) {
			return false
		}
	}
	return true
}

// opposed is what another group that has a series of the push means for it.
type opposed uint8

const (
	unopposed opposed = iota // the push is exposed beside it, or instead of it
	hindered                 // it will hide the push if a third group ends
	refused                  // it is exposed, and refuses the push
)

// opposes returns what a group that has the series means for the push. It
// refuses the push if it is exposed, unless the group of the push has an older
// claim and already has the series.
func (s *search) opposes(key grouping.Key) opposed {
	mine, theirs, out, takes := s.stored(key)
	switch {
	case takes:
		return refused
	case out && s.check.longAgo > 0 && theirs.claim(key).less(claimFor(mine, s.block, s.key)):
		return hindered
	case out:
		s.spare(key)
		return unopposed
	case mine == nil || mine.Type != s.block.Type || !mine.MayHave(s.hash):
		return refused
	case theirs == nil || theirs.Type != s.block.Type:
		return unopposed // it is only pending
	case theirs.claim(key).less(mine.claim(s.key)):
		return refused
	}
	return unopposed
}

// oppose holds a group against the push that certainly has the series. It
// reports whether the search is over.
func (s *search) oppose(key grouping.Key, how opposed, here suspect) (over bool) {
	here.remark = ""
	yields, remark := s.askToYield(key)
	switch {
	case yields:
		s.overruled = append(s.overruled, here)
		s.spare(key)
	case how == refused:
		here.remark = remark
		s.refusal, s.settled = &here, true
		return true
	default:
		s.spare(key)
	}
	return false
}

func (s *search) askToYield(key grouping.Key) (yields bool, remark string) {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	return s.check.yields(key), s.check.remark(key)
}

// spare records that a group refuses no series because it is left out, or will
// be. There may be thousands of such groups.
func (s *search) spare(key grouping.Key) {
	if s.harmless == nil {
		s.harmless = make(map[grouping.Key]bool)
	}
	s.harmless[key] = true
}

// stored returns what the group of the push and the group key have stored of
// the family. out reports whether the group key is left out, and takes whether a
// pending change of it takes the name. What the group of the push has does not
// count while it is left out: no push may hide what is exposed.
func (s *search) stored(key grouping.Key) (mine, theirs *Held, out, takes bool) {
	x := s.g.index
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	f := x.families[s.block.Name] // not nil, since the change claims the name
	takes = f.taking != nil && x.pendingOf(f.name, s.block.Type, key, true) > 0
	if !f.isLeftOut(s.key) {
		mine = x.held(f, s.key)
	}
	return mine, x.held(f, key), f.isLeftOut(key), takes
}

// givenUp returns the error of a change whose context has ended.
func givenUp(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errTookLong
	}
	return fmt.Errorf("%w: %w: %w", ErrUnavailable, ErrGone, err)
}

// search compares one block with the groups of other shapes.
type search struct {
	block   *exposition.Block
	walks   []walk
	index   *seriesIndex // nil if there is nothing to look up
	g       *Gateway
	ctx     context.Context
	key     grouping.Key // key of the block's group
	claim   uint64
	check   *check   // stop at the first group that refuses; nil if none does
	refusal *suspect // the group that refuses
	// harmless are the groups that refuse nothing.
	harmless  map[grouping.Key]bool
	overruled []suspect // groups that give up the name

	looked  int    // label sets so far
	hash    uint64 // hash of the present label set, if computed
	hashed  bool
	joined  bool // found a group that joins the sharers of the series
	settled bool // no more groups are needed for this label set
	scratch []byte
	others  []grouping.Key
	has     []having
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

// walk is the state of the search in one shape. Successive series of a block
// usually lead to the same group.
type walk struct {
	shape *shape
	key   []byte // of the group that blocks belong to
	next  []byte
	known bool // key has been looked up
	has   []having
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
	s.hashed, s.joined, s.settled = false, false, false
	names := mask(labels)
	for i := range s.walks {
		if w := &s.walks[i]; w.shape.mask&^names == 0 && !s.settled {
			s.lookAt(w, labels)
		}
	}
	if s.index != nil && !s.settled {
		s.lookUp(labels)
	}
	return s.refusal == nil
}

// lookAt checks the group of a shape that could have the series.
func (s *search) lookAt(w *walk, labels []metric.Label) {
	key := w.shape.project(w.next, labels)
	if key == nil {
		return
	}
	if w.next = key; !w.known || !slices.Equal(key, w.key) {
		w.key, w.known = append(w.key[:0], key...), true
		w.has = s.g.has(w.has[:0], grouping.Key(key), s.block, s.claim)
	}
	s.hold(grouping.Key(w.key), w.has, labels)
}

// lookUp checks the groups that the index returns for the series. Without
// checks, thousands of groups may have it, and one of the first few is usually
// enough.
func (s *search) lookUp(labels []metric.Label) {
	const few = 8
	for _, most := range []int{few, math.MaxInt} {
		s.others = s.index.others(s.others[:0], s.hashOf(labels), s.key, most)
		for _, key := range s.others {
			if s.joined && s.harmless[key] {
				continue
			}
			s.has = s.g.has(s.has[:0], key, s.block, s.claim)
			if s.hold(key, s.has, labels); s.settled {
				return
			}
		}
		if len(s.others) < few {
			return
		}
	}
}

// hold records a group if it has the series. With checks, the search goes on
// after a group that does not refuse, because another group may.
func (s *search) hold(key grouping.Key, has []having, labels []metric.Label) {
	found, joins := false, false
	for _, h := range has {
		if h.block.MayHave(s.hashOf(labels)) {
			found, joins = true, joins || h.joins
		}
	}
	if !found {
		return
	}
	here := suspect{name: s.block.Name, series: sharedSeries{s.block.Type, s.hash}, key: key}
	if s.check != nil && !s.harmless[key] {
		if how := s.opposes(key); how != unopposed && s.certain(has, labels) {
			opposing := here
			opposing.labels = slices.Clone(labels)
			if s.oppose(key, how, opposing) {
				return
			}
		}
	}
	if !s.joined {
		s.found, s.joined = append(s.found, here), joins
	}
	s.settled = s.joined && s.check == nil
}

// certain reports whether one of the blocks has the series. It compares labels,
// not only hashes.
func (s *search) certain(has []having, labels []metric.Label) bool {
	return slices.ContainsFunc(has, func(h having) bool { return h.block.Has(s.hash, labels) })
}

func (s *search) hashOf(labels []metric.Label) uint64 {
	if !s.hashed {
		s.hashed = true
		s.hash, s.scratch = exposition.HashLabels(s.scratch, labels)
	}
	return s.hash
}

// having is a block that a group has of a family.
type having struct {
	block *exposition.Block
	// joins reports whether the group is among the sharers of each of its shared
	// series. It is if the block is stored, or if the pending change has finished
	// its search.
	joins bool
}

// has appends the blocks that a group has of the family of block with the same
// type: what is stored, what changes bring that have entered before, and what any
// change keeps of a group that has ended meanwhile.
func (g *Gateway) has(found []having, key grouping.Key, block *exposition.Block, before uint64) []having {
	add := func(group *Group, joins bool) {
		if h := group.findSeries(block.Name); h != nil && h.Type == block.Type {
			found = append(found, having{h.Block, joins})
		}
	}
	g.Group(key) // ends it if its time has come
	g.mu.Lock()
	defer g.mu.Unlock()
	for p := g.index.pending[key]; p != nil; p = p.next {
		if p.claim > 0 && (p.claim < before || g.index.isBereft(p)) {
			add(p.group, p.searched)
		}
	}
	stored, _ := g.index.groups.Get(key)
	add(stored, true)
	return found
}
