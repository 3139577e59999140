package gateway

import (
	"context"
	"slices"

	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
)

// apply applies changes to the index. Journals call it in the order of
// revisions. Except for groups that expire, nothing else changes the index.
func (g *Gateway) apply(batch []Applied) {
	for i := range batch {
		g.discover(&batch[i])
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.index
	var changed []*indexed
	for _, a := range batch {
		changed = x.apply(a, changed)
		delete(x.ghosts, a.Key)
	}
	x.view.Revision = max(x.view.Revision, batch[len(batch)-1].Revision) // a replay has its own order
	g.settle(changed)
}

// settle finishes a change of the names in changed. The next view must look at
// the state again. The caller holds mu.
func (g *Gateway) settle(changed []*indexed) {
	x := g.index
	x.settle(changed)
	for _, f := range changed {
		x.forget(f)
	}
	if len(x.stale) > maxStale {
		x.publishStale()
	}
	g.firstDeadline.Store(x.firstDeadline())
	g.view.Store(nil)
}

// discover prepares a change that was not made by this process, or that is
// being replayed, as a push does before it goes to the journal: it finds the
// groups that share series with it.
func (g *Gateway) discover(a *Applied) {
	if a.claimed || a.Group == nil {
		return
	}
	old := g.Group(a.Key)
	brings := make([]*exposition.Block, 0, len(a.Group.Families))
	for i := range a.Group.Families {
		if h := &a.Group.Families[i]; old == nil || old.Find(h.Name) == nil || old.Find(h.Name).Block != h.Block {
			brings = append(brings, h.Block)
		}
	}
	brings, _ = claiming(brings, brings)
	if len(brings) == 0 {
		return // a failure stamp
	}
	g.mu.Lock()
	p := g.index.place(a.Group, brings)
	told := g.index.helpNews(brings)
	g.mu.Unlock()
	g.tellHelp(told)
	a.claimed = true
	a.suspects, _ = g.suspects(context.Background(), p, old, false) // which only ctx could end
}

// makeView returns a view of everything applied so far. The cost depends on
// what has changed since the last view. If nobody reads, pushes need no views.
func (x *index) makeView() *View {
	x.publishStale()
	v := x.view
	v.groups = x.groups.Copy()
	v.muted = x.muted.Copy()
	v.families = x.exposed.Copy()
	return &v
}

// maxStale bounds how much work is left to readers who ask for a view.
const maxStale = 1000

func (x *index) publishStale() {
	for _, f := range x.stale {
		if f.stale { // it has not been forgotten
			x.publish(f)
		}
	}
	clear(x.stale)
	x.stale = x.stale[:0]
}

// touch makes the next view publish the name again.
func (x *index) touch(f *indexed) {
	if !f.stale {
		f.stale = true
		x.stale = append(x.stale, f)
	}
}

// apply applies one change. It appends the names with claims that came or went
// to changed.
func (x *index) apply(a Applied, changed []*indexed) []*indexed {
	old, _ := x.groups.Get(a.Key)
	twin := x.possibleTwin(a.Key)
	x.count(old, -1)
	x.countTimes(a.Key, twin, -1)
	group := a.Group
	if group != nil {
		group.settle(old, a.Revision)
		x.groups.Set(a.Key, group)
		x.count(group, +1)
	} else {
		x.groups.Delete(a.Key)
	}
	x.failures.move(a.Key, group)
	x.mute(a.Key, twin)
	x.countTimes(a.Key, twin, +1)
	x.moveShape(old, group)
	x.moveDeadline(old, group)
	changed = x.exchange(a, old, changed)
	if a.claimed {
		x.withdraw(a.Key)
	}
	return changed
}

// settle assigns the revisions that are only known now. A replayed group
// already has its own.
func (g *Group) settle(old *Group, r Revision) {
	g.Revision = r
	if old != nil {
		g.Since = old.Since
	}
	if g.Since == 0 {
		g.Since = r
	}
	for i := range g.Families {
		if g.Families[i].Claim == 0 {
			g.Families[i].Claim = r
		}
	}
}

// count updates the numbers of the view.
func (x *index) count(g *Group, sign int) {
	if g == nil {
		return
	}
	x.view.Series += sign * g.Series
	x.view.Held += sign * len(g.Families)
	x.view.TooLong += sign * g.TooLong
	if isExplicit(g.Key) {
		x.explicit += sign
	}
}

// moveShape updates the shapes for the change from the old state of a group to
// the new one.
func (x *index) moveShape(old, group *Group) {
	switch {
	case old == nil && group != nil:
		group.shape = x.shapes.use(group.Key)
	case old != nil && group != nil:
		group.shape = old.shape
	case old != nil:
		x.shapes.release(old.shape)
	}
}

// exchange compares the families of the old and the new state side by side.
// Both are sorted by name.
func (x *index) exchange(a Applied, old *Group, changed []*indexed) []*indexed {
	var before, after []Held
	if old != nil {
		before = old.Families
	}
	if a.Group != nil {
		after = a.Group.Families
	}
	if sameSlice(before, after) {
		return changed // a failure stamp
	}
	for len(before) > 0 || len(after) > 0 {
		var was, is *Held
		if len(after) == 0 || len(before) > 0 && before[0].Name <= after[0].Name {
			was = &before[0]
		}
		if len(before) == 0 || len(after) > 0 && after[0].Name <= before[0].Name {
			is = &after[0]
		}
		if was != nil {
			before = before[1:]
		}
		if is != nil {
			after = after[1:]
		}
		was, is = withSeries(was), withSeries(is)
		if was != is && (was == nil || is == nil || was.Block != is.Block) {
			f, claims := x.replace(a, old, was, is)
			x.touch(f)
			if claims {
				changed = append(changed, f)
			}
		}
	}
	return changed
}

func sameSlice(a, b []Held) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// replace replaces what a group has of one family. was or is may be nil. It
// returns the family, and whether claims to it have changed.
func (x *index) replace(a Applied, old *Group, was, is *Held) (f *indexed, claims bool) {
	claims = true
	switch {
	case was == nil:
		f = x.family(is.Name)
		if !a.claimed {
			is.Block.Name = f.name // a single copy of each name is enough
		}
		f.shapes.add(a.Group.shape, +1)
		f.hold(a.Key, is)
	case is == nil:
		f = x.families[was.Name]
		f.shapes.add(old.shape, -1)
		f.drop(a.Key, was)
		x.discard(was.entry, nil)
	default:
		f = x.families[was.Name]
		x.discard(was.entry, is.entry)
		if was.Type == is.Type && was.Claim == is.Claim {
			f.swap(a.Key, is)
			claims = false
		} else {
			f.drop(a.Key, was)
			f.hold(a.Key, is)
		}
	}
	if len(f.equal) > 0 || len(a.suspects) > 0 {
		x.exchangeShared(f, a.Key, was, is, a.suspects)
	}
	return f, claims
}

// publish puts the state of one name where the next view finds it.
func (x *index) publish(f *indexed) {
	f.stale = false
	t, oldest, ok := f.winner()
	exposed := 0
	h := f.byType[t]
	if ok && !f.hidden && h != nil {
		exposed = h.blocks.Len()
	}
	out := f.total() - exposed
	x.view.LeftOut += out - f.counted
	f.counted = out
	if exposed == 0 {
		x.exposed.Delete(f.name)
		return
	}
	x.exposed.Set(f.name, &Family{
		Name: f.name, Type: t, Claim: oldest.revision,
		Series: h.series, NotLegacy: h.notLegacy, ProtoSize: h.protoSize,
		blocks: h.blocks.Copy(),
	})
}

// settle decides which names are hidden because an older one collides with them
// by suffix. It starts with the names whose claims have changed.
func (x *index) settle(changed []*indexed) {
	queue := slices.Clone(changed)
	for len(queue) > 0 {
		f := queue[0]
		queue = queue[1:]
		if hidden := x.isHidden(f); hidden != f.hidden {
			f.hidden = hidden
			x.touch(f)
		}
		for _, other := range x.neighbours(f) {
			if x.isHidden(other) != other.hidden {
				queue = append(queue, other)
			}
		}
	}
}

// neighbours returns the names that could collide with f, whatever their types.
func (x *index) neighbours(f *indexed) (found []*indexed) {
	names := [...]string{f.name + metric.CountSuffix, f.name + metric.SumSuffix, f.name + metric.BucketSuffix, ""}
	names[3], _ = metric.SuffixBase(f.name)
	for _, name := range names {
		if other := x.families[name]; other != nil {
			found = append(found, other)
		}
	}
	return found
}

// collide reports whether f and other expose lines of the same name.
func collide(f, other *indexed) bool {
	t, _, _ := f.winner()
	u, _, _ := other.winner()
	base, summaryToo := metric.SuffixBase(f.name)
	if base == other.name {
		return hasSuffixes(u, summaryToo)
	}
	_, summaryToo = metric.SuffixBase(other.name)
	return hasSuffixes(t, summaryToo)
}

// isHidden reports whether a name that is not hidden itself collides with f and
// has an older claim.
func (x *index) isHidden(f *indexed) bool {
	_, mine, ok := f.winner()
	if !ok || f.reserved != nil {
		return false
	}
	for _, other := range x.neighbours(f) {
		_, theirs, exists := other.winner()
		older := theirs.revision < mine.revision || theirs.revision == mine.revision && other.name < f.name
		if exists && older && !other.hidden && collide(f, other) {
			return true
		}
	}
	return false
}
