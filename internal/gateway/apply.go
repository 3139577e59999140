package gateway

import (
	"context"
	"runtime"
	"slices"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// apply applies what a journal reports. Apart from the expiry of groups,
// nothing else changes the stored state in the index. It is never called by two
// goroutines at once.
func (g *Gateway) apply(batch []Applied) {
	stopped := false // at the first entry, which may be outlived
	for len(batch) > 0 {
		n := differing(batch[:turn(batch)])
		for i := range batch[:n] {
			if a := &batch[i]; !a.isOwn() || stopped && i == 0 {
				g.discover(a)
			}
		}
		taken, freed := g.take(batch[:n])
		g.locks.release(freed...)
		stopped = taken < n
		if batch = batch[taken:]; len(batch) > 0 {
			runtime.Gosched() // groups end
		}
	}
}

// differing returns how many entries at the start of batch can be applied
// together. If some are not changes of this process, these must be entries of
// different groups, since discover compares a change with the state before it.
func differing(batch []Applied) int {
	foreign := func(a Applied) bool { return !a.isOwn() }
	if len(batch) == 1 || !slices.ContainsFunc(batch, foreign) {
		return len(batch) // this process has one change of each group in progress
	}
	seen := make(map[grouping.Key]bool, len(batch))
	for i, a := range batch {
		if seen[a.Key] {
			return i
		}
		seen[a.Key] = true
	}
	return len(batch)
}

const (
	// maxEnds bounds how many groups end while the index is locked, so that pushes
	// to others get their turn.
	maxEnds = 50
	// maxWork bounds what ends while the index is locked: groups, and what they have
	// of each family. One group may exceed it.
	maxWork = 100
)

// workOf returns how much of maxWork the end of a group takes. The group may be
// nil.
func workOf(g *Group) int {
	if g == nil {
		return 1
	}
	return 1 + len(g.Families)
}

// turn returns how many entries at the start of batch to apply while the index is
// locked: all, unless the first ones end groups.
func turn(batch []Applied) int {
	for i, a := range batch {
		if !a.isEnd() {
			if i == 0 {
				return len(batch)
			}
			return i
		}
		if i == maxEnds {
			return i
		}
	}
	return len(batch)
}

// take applies the entries of batch up to the first outlived one, which must be
// discovered again, or until enough has ended. It returns how many it applied, and
// the groups that may change again because the outcome of their change is now
// known.
func (g *Gateway) take(batch []Applied) (taken int, freed []grouping.Key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	x, work := g.index, 0
	var changed []*indexed
	for _, a := range batch {
		if x.isOutlived(a) || work >= maxWork {
			break
		}
		if a.isEnd() {
			old, _ := x.groups.Get(a.Key)
			work += workOf(old)
		}
		if !a.Void {
			x.receipts.take(a.Receipts, g.config.Now())
		}
		changed = x.take(a, changed)
		x.view.Revision = max(x.view.Revision, a.Revision) // revisions of other members come in any order
		taken++
	}
	g.settle(changed)
	freed, x.freed = x.freed, nil
	return taken, freed
}

// isEnd reports whether the entry is the end of a group, unless it is void.
func (a *Applied) isEnd() bool { return a.Group == nil && a.Stamp == nil }

// isOutlived reports whether the group that a change was made from, or all series
// of one of its families, have expired while the change was in progress. Such a
// change brings them back, so what was found out about it no longer holds. The same
// is true of a change that is not alone any more.
func (x *index) isOutlived(a Applied) bool {
	switch {
	case a.Void || a.pending == nil || a.Group == nil:
		return false
	case a.pending.alone && !x.isAlone(a.Group, a.pending.only):
		return true // a group of another shape has come
	case a.pending.since == 0:
		return false
	}
	return x.isBereft(a.pending) || slices.ContainsFunc(a.Group.Families, Held.isGone)
}

// isGone reports whether the index has dropped what the entry of a family shares
// with that of an earlier state of the group. The caller holds Gateway.mu.
func (h Held) isGone() bool {
	return h.entry != nil && (h.entry.gone || h.entry.base != nil && h.entry.base.gone)
}

// settle finishes changing the names in changed, and invalidates the view. The
// caller holds mu.
func (g *Gateway) settle(changed []*indexed) {
	x := g.index
	x.settle(changed)
	for _, f := range changed {
		f.changed = false
		x.forget(f)
	}
	if len(x.stale) > maxStale {
		x.publishStale()
	}
	g.firstDeadline.Store(firstOf(x.deadlines))
	g.firstEnding.Store(firstOf(x.endings))
	g.runsBytes.Store(x.runs)
	g.excess.Store(int64(x.failures.excess()))
	g.view.Store(nil)
}

// discover finds the groups that share series with a change that is not this
// process's own, or is replayed. A push does the same before it goes to the
// journal. discover makes a copy of the group for the engine, unless the group is
// given to it. It treats an outlived change like one of another member.
func (g *Gateway) discover(a *Applied) {
	if a.Key == "" || a.Void || a.Stamp != nil || a.pending != nil && !g.isOutlived(a) {
		return
	}
	g.foreign.Add(1)
	if a.Group == nil {
		return
	}
	outlived := a.pending
	if a.pending, a.suspects = nil, nil; outlived != nil || !a.Given {
		a.Group = a.Group.clone()
		for i := range a.Group.Families {
			a.Group.Families[i].entry = nil // it may be of another engine
		}
	}
	old := g.Group(a.Key)
	brings, told := g.placeForeign(a, old, outlived != nil)
	if g.tellHelp(told); len(brings) > 0 {
		a.suspects, _, _ = g.suspects(context.Background(), a.pending, old, nil) // it fails only if its context ends
	}
	if outlived != nil { // until now, others found its claims
		g.handOver(outlived, a.pending)
	}
}

// handOver finishes a change in progress. What it will add at most, and its room for
// receipts, are those of another one from now on.
func (g *Gateway) handOver(from, to *pending) {
	g.mu.Lock()
	defer g.mu.Unlock()
	to.job, to.adds, from.job = from.job, from.adds, nil
	to.receipts, from.receipts = from.receipts, 0
	g.index.finish(from, happened)
}

// finish is index.finish for callers that do not hold mu.
func (g *Gateway) finish(p *pending, f fate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.index.finish(p, f)
}

func (g *Gateway) isOutlived(a *Applied) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.index.isOutlived(*a)
}

// placeForeign places the provisional claims of a change that discover looks
// at. It returns the blocks that need a search. An outlived change always gets a place,
// since others would see neither its claims nor what it adds once its place before is gone.
func (g *Gateway) placeForeign(a *Applied, old *Group, outlived bool) (brings []*exposition.Block, told []helpNews) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !outlived && a.Group.repeat(old) {
		a.pending = &pending{key: a.Key, group: a.Group, since: old.since()}
		return nil, nil
	}
	g.index.shareNames(a.Group, old)
	for i := range a.Group.Families {
		if h := &a.Group.Families[i]; !old.has(h) {
			brings = append(brings, h.Block)
		}
	}
	if brings, _ = claiming(brings, brings); len(brings) == 0 && !outlived {
		return nil, nil // only times are new, or nothing is claimed
	}
	if only := g.index.shapeOf(a.Key, old); !outlived && g.index.isAlone(a.Group, only) {
		a.pending = &pending{key: a.Key, group: a.Group, since: old.since(), alone: true, only: only}
		return nil, g.index.helpNews(brings)
	}
	a.pending = &pending{key: a.Key, group: a.Group, brings: brings, fresh: brings, since: old.since()}
	a.pending.takes = takenAnew(a.Group, old, brings)
	g.index.place(a.pending, old)
	return brings, g.index.helpNews(brings)
}

// shareNames lets a group, a copy for the engine, use the names and help texts that
// other groups hold already, where it differs from old.
func (x *index) shareNames(g, old *Group) {
	for i := range g.Families {
		if h := &g.Families[i]; !old.has(h) && x.families[h.Name] != nil {
			h.Block = h.Block.Sharing(x.known(h.Block))
		}
	}
	_ = g.takeApart(nil) // those that share names now are copies; without a budget it cannot fail
}

// has reports whether a group, which may be nil, has the block of h.
func (g *Group) has(h *Held) bool {
	was := g.Find(h.Name)
	return was != nil && was.Block == h.Block
}

// repeat reports whether g, a copy for the engine, repeats old with the same
// claims. Then it needs no search: whoever shares a series with it shares it with
// old. It takes over what the indexes have of old.
func (g *Group) repeat(old *Group) bool {
	repeats := g.Repeats
	if g.Repeats = nil; repeats == nil || repeats != old || old.firstEnd != 0 {
		return false // series of old may end meanwhile
	}
	for i := range g.Families {
		if is, was := &g.Families[i], &old.Families[i]; is.Claim != was.Claim || is.Took != was.Took {
			return false
		}
	}
	for i := range g.Families {
		g.Families[i].entry = old.Families[i].entry
	}
	return true
}

// isOwn reports whether this process made the change.
func (c *Change) isOwn() bool { return c.pending != nil && c.pending.own }

// makeView returns a view of what has been applied. Its cost depends on what
// has changed since the last view. If nobody asks for views, pushes make none.
func (x *index) makeView() *View {
	x.publishStale()
	v := x.view
	v.groups = x.groups.Copy()
	v.muted = x.muted.Copy()
	v.families = x.exposed.Copy()
	if x.receipts.byTime.Len() > 0 {
		v.receipts = x.receipts.byTime.Copy()
	}
	return &v
}

// maxStale bounds how much work is left to readers who ask for a view.
const maxStale = 1000

func (x *index) publishStale() {
	for _, f := range x.stale {
		if f.stale { // false if forget has published it
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

// take applies what a journal reports about one group. It appends the names
// whose claims have changed to changed.
func (x *index) take(a Applied, changed []*indexed) []*indexed {
	switch {
	case a.Key == "": // only receipts
		return changed
	case a.Void:
		x.finish(a.pending, void)
		return changed
	case a.Stamp != nil:
		return x.takeStamp(a, changed)
	}
	if a.Group != nil {
		if a.isOwn() {
			a.Group = a.Group.clone() // the journal shares the original
		}
		old, _ := x.groups.Get(a.Key)
		a.Group.settle(old, a.Revision)
	}
	x.lay(a.Key)
	changed = x.apply(a, changed)
	x.finish(a.pending, happened)
	x.finish(x.unknown[a.Key], void) // this change has replaced it
	return changed
}

// takeStamp applies a stamp. It ignores a stamp that was made against a group
// that has ended since.
func (x *index) takeStamp(a Applied, changed []*indexed) []*indexed {
	old, exists := x.groups.Get(a.Key)
	if !exists && a.Stamp.Against != 0 && !a.Stamp.Over {
		return changed
	}
	a.Group = stamped(old, *a.Stamp)
	if ghost, is := x.ghosts.Get(a.Key); is && !exists {
		a.Group.Revision = ghost.revision // the journal still has that record
		x.lay(a.Key)
	}
	return x.apply(a, changed)
}

// apply replaces the state of a group with the new one, or removes the group.
// It appends the names whose claims have changed to changed.
func (x *index) apply(a Applied, changed []*indexed) []*indexed {
	old, _ := x.groups.Get(a.Key)
	if x.mass != nil && old == nil && a.Group != nil {
		changed = x.mass.clear(a.Key, changed)
	}
	twin := x.possibleTwin(a.Key)
	x.count(old, -1)
	x.countTimes(old, twin, -1)
	x.moveUses(old, a.Group)
	if a.Group != nil {
		x.view.Step++
		a.Group.Step = x.view.Step
		x.store(a.Group)
		x.count(a.Group, +1)
	} else {
		x.groups.Delete(a.Key)
	}
	x.storedChanges.note(storedChange{key: a.Key, group: a.Group})
	x.failures.move(a.Key, a.Group)
	x.mute(a.Key, twin)
	x.countTimes(a.Group, twin, +1)
	x.moveDeadlines(old, a.Group)
	return x.exchange(a, old, changed)
}

// store puts a group among the others. A replay brings them in the order of their
// keys.
func (x *index) store(g *Group) {
	if last, _, ok := x.groups.Max(); ok && last < g.Key {
		x.groups.Load(g.Key, g)
		return
	}
	x.groups.Set(g.Key, g)
}

// clone returns a copy of a group in which the engine can set its own fields.
// The copy shares the blocks.
func (g *Group) clone() *Group {
	c := *g
	c.Families = slices.Clone(g.Families)
	return &c
}

// settle sets the revisions that were open until the change was stored. It also
// keeps a failure that was stamped while the change was in progress. A replayed
// group already has its older revisions.
func (g *Group) settle(old *Group, r Revision) {
	g.Revision = r
	if old != nil && (g.Since == 0 || g.Since == old.Since) && old.Failed.After(g.Failed) {
		g.Failed, g.Failure, g.failTime = old.Failed, old.Failure, old.failTime
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
	x.runs += int64(sign * len(g.Runs))
	x.stock.count(tallyOf(g), g.shape, g.job, sign)
	if isExplicit(g.Key) {
		x.explicit += sign
	}
}

// moveUses updates the shapes and the jobs in use for the change from the old
// state of a group to the new one.
func (x *index) moveUses(old, group *Group) {
	switch {
	case old == nil && group != nil:
		group.shape, group.job = x.shapes.use(group.Key), x.stock.use(group.Key)
	case old != nil && group != nil:
		group.shape, group.job = old.shape, old.job
	case old != nil:
		x.shapes.release(old.shape)
		x.stock.release(old.job)
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
			if claims && !f.changed {
				f.changed = true
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
		f.shapes.add(a.Group.shape, +1)
		f.hold(a.Key, is)
	case is == nil:
		f = x.families[was.Name]
		f.shapes.add(old.shape, -1)
		f.drop(a.Key, was)
		x.discard(was.entry, x.entryInProgress(a.Key, was))
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
		Name: f.name, Type: t, Claim: f.since(oldest),
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

func (x *index) isHidden(f *indexed) bool { return x.hiddenBy(f) != nil }

// hiddenBy returns a name that is not hidden itself, collides with f, and has an
// older claim. It returns nil if there is none.
func (x *index) hiddenBy(f *indexed) *indexed {
	_, mine, ok := f.winner()
	if !ok || f.reserved != nil {
		return nil
	}
	for _, other := range x.neighbours(f) {
		_, theirs, exists := other.winner()
		order := theirs.compare(mine)
		older := order < 0 || order == 0 && other.name < f.name
		if exists && older && !other.hidden && collide(f, other) {
			return other
		}
	}
	return nil
}
