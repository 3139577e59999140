package gateway

import (
	"slices"

	"github.com/tidwall/btree"

	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// sharedSeries identifies a series of a family that several groups have, by the
// hash of its label set.
type sharedSeries struct {
	typ  metric.Type
	hash uint64
}

// sharers are the groups that have stored one series. They exist from the
// moment a change is found to share a series with another group. Later groups
// join when their changes are applied, so a change has to find only one of
// them: the cost grows with the number of groups, not of pairs. A series
// without sharers is stored in at most one group.
type sharers struct {
	series sharedSeries
	all    []claim // sorted
	shown  []claim // those not left out; more than one only during a decision
}

// add reports whether the claim is new.
func (s *sharers) add(c claim) bool {
	i, found := slices.BinarySearchFunc(s.all, c, compareClaims)
	if !found {
		s.all = slices.Insert(s.all, i, c)
	}
	return !found
}

func (s *sharers) remove(c claim) {
	if i, found := slices.BinarySearchFunc(s.all, c, compareClaims); found {
		s.all = slices.Delete(s.all, i, i+1)
	}
	s.show(c, false)
}

// show records whether a group is exposed or left out.
func (s *sharers) show(c claim, shown bool) {
	i := slices.Index(s.shown, c)
	switch {
	case shown && i < 0:
		s.shown = append(s.shown, c)
	case !shown && i >= 0:
		s.shown = slices.Delete(s.shown, i, i+1)
	}
}

// after returns the next younger claim, unless a group is shown already.
func (s *sharers) after(c claim) (next claim, ok bool) {
	i, found := slices.BinarySearchFunc(s.all, c, compareClaims)
	if found {
		i++
	}
	if len(s.shown) > 0 || i == len(s.all) {
		return next, false
	}
	return s.all[i], true
}

// meet records that a change and another group have the same series. It creates
// the sharers if there are none.
func (x *index) meet(f *indexed, s suspect) {
	if f.equal == nil {
		f.equal, f.shares = make(map[sharedSeries]*sharers), make(map[grouping.Key][]*sharers)
	}
	with := f.equal[s.series]
	if with == nil {
		with = &sharers{series: s.series}
		f.equal[s.series] = with
		f.lonely = append(f.lonely, with)
	}
	if h := x.held(f, s.key); h != nil && h.Type == s.series.typ && h.MayHave(s.series.hash) {
		c := h.claim(s.key)
		if with.add(c) {
			f.shares[s.key] = append(f.shares[s.key], with)
		}
		with.show(c, !f.isLeftOut(s.key))
	}
}

func (x *index) held(f *indexed, key grouping.Key) *Held {
	group, _ := x.groups.Get(key)
	return group.findSeries(f.name)
}

func (f *indexed) isLeftOut(key grouping.Key) bool {
	_, out := f.leftOut[key]
	return out
}

// sharedBy returns the sharers of the series of a block.
func (f *indexed) sharedBy(h *Held) (found []*sharers) {
	if len(f.equal) == 0 {
		return nil
	}
	if hashes := h.Hashes(); len(hashes) <= len(f.equal) {
		for _, hash := range hashes {
			if s := f.equal[sharedSeries{h.Type, hash}]; s != nil {
				found = append(found, s)
			}
		}
		return found
	}
	for series, s := range f.equal {
		if series.typ == h.Type && h.MayHave(series.hash) {
			found = append(found, s)
		}
	}
	return found
}

// exchangeShared updates the sharers when a group replaces was with is. Either
// may be nil.
func (x *index) exchangeShared(f *indexed, key grouping.Key, was, is *Held, suspects []suspect) {
	for _, s := range suspects {
		if s.name == f.name {
			x.meet(f, s)
		}
	}
	d := decision{x, f, btree.NewBTreeGOptions(claim.less, btree.Options{NoLocks: true})}
	if was != nil {
		c := was.claim(key)
		for _, s := range f.shares[key] {
			s.remove(c)
			d.lookBehind(s, c)
			if len(s.all) == 0 {
				f.lonely = append(f.lonely, s)
			}
		}
		delete(f.shares, key)
	}
	if is != nil {
		c, shares := is.claim(key), f.sharedBy(is)
		for _, s := range shares {
			s.add(c)
			s.show(c, !f.isLeftOut(key))
		}
		if len(shares) > 0 {
			f.shares[key] = shares
		}
		d.todo.Set(c)
	}
	d.decide()
	f.endLonely()
}

// endLonely removes sharers without groups. It keeps them while a change of the
// family is pending, since the change may rely on them.
func (f *indexed) endLonely() {
	if f.pending != [typeCount]int32{} {
		return
	}
	for _, s := range f.lonely {
		if len(s.all) == 0 {
			delete(f.equal, s.series)
		}
	}
	f.lonely = nil
}

// decision decides which groups are left out. A group is left out if and only
// if a group with an older claim that shares a series with it is not. Only
// older groups affect a group, so a decision looks at each group at most once.
type decision struct {
	x    *index
	f    *indexed
	todo *btree.BTreeG[claim]
}

// lookBehind queues the next group after c if no group is shown.
func (d *decision) lookBehind(s *sharers, c claim) {
	if next, ok := s.after(c); ok {
		d.todo.Set(next)
	}
}

func (d *decision) decide() {
	for {
		c, more := d.todo.PopMin()
		if !more {
			return
		}
		if mine := d.x.held(d.f, c.key); mine != nil {
			d.look(c, mine)
		}
	}
}

// look decides about one group and queues the groups that this affects.
func (d *decision) look(c claim, mine *Held) {
	var by *sharers
	shares := d.f.shares[c.key]
	if i := slices.IndexFunc(shares, func(s *sharers) bool { return s.shadows(c) }); i >= 0 {
		by = shares[i]
	}
	d.f.leaveOut(c.key, mine, by)
	for _, s := range shares {
		s.show(c, by == nil)
		d.lookBehind(s, c)
		for _, other := range s.shown {
			if c.less(other) {
				d.todo.Set(other)
			}
		}
	}
}

// shadows reports whether a group with an older claim than c is exposed.
func (s *sharers) shadows(c claim) bool {
	return slices.ContainsFunc(s.shown, func(other claim) bool { return other.less(c) })
}

// leaveOut leaves out what a group has because of a series, or exposes it if by
// is nil.
func (f *indexed) leaveOut(key grouping.Key, mine *Held, by *sharers) {
	out := f.isLeftOut(key)
	switch {
	case by == nil && out:
		delete(f.leftOut, key)
		f.byType[mine.Type].expose(key, mine.Block)
	case by != nil:
		if !out {
			f.byType[mine.Type].hide(key)
		}
		if f.leftOut == nil {
			f.leftOut = make(map[grouping.Key]shadowed)
		}
		f.leftOut[key] = shadowed{mine.Block, by}
	}
}
