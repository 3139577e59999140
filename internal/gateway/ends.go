package gateway

import (
	"runtime"
	"slices"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
)

// A push that adds up may give its series a time to live. The times at which
// series end are stored with the group. From then on a series is not visible:
// the next read of the state removes it first. The record of the group still has
// it until the next push. So all members hide the same series, each by its own
// clock, and a start finds the times in the records.
//
// If all series of a group end, the group expires with the last one.

// Ends are the times at which series of a family end by themselves. They are
// immutable. Nil means that none does.
type Ends struct {
	at          []int64 // Unix ns, in the order of the series of the block; 0 for never
	first, last int64   // last is never if some series do not end
}

// NewEnds returns the ends of series, in the order of their block. They are in
// Unix ns, and 0 if a series does not end by itself. It keeps the slice.
func NewEnds(at []int64) *Ends {
	e := &Ends{at: at, first: never}
	for _, end := range at {
		if end == 0 {
			e.last = never
			continue
		}
		e.first, e.last = min(e.first, end), max(e.last, end)
	}
	if e.first == never {
		return nil
	}
	return e
}

// At returns the end of each series, as NewEnds takes it. The caller must not
// change it.
func (e *Ends) At() []int64 {
	if e == nil {
		return nil
	}
	return e.at
}

// merged returns the ends after a merge of series into the stored ones, which then
// come first: the pushed series do not end.
func (e *Ends) merged(stored, pushed, result *exposition.Block) *Ends {
	if e == nil {
		return nil
	}
	at := make([]int64, result.Series())
	i, hash, scratch := 0, uint64(0), []byte(nil)
	stored.EachLabels(func(labels []metric.Label) bool {
		if hash, scratch = exposition.HashLabels(scratch, labels); !pushed.MayHave(hash) {
			at[i] = e.at[i]
		}
		i++
		return true
	})
	return NewEnds(at)
}

// lastEnd returns when the last series of the group ends, or never.
func (g *Group) lastEnd() (last int64) {
	for i := range g.Families {
		switch h := &g.Families[i]; {
		case h.Series() == 0:
		case h.Ends == nil:
			return never
		default:
			last = max(last, h.Ends.last)
		}
	}
	if last == 0 {
		return never
	}
	return last
}

// expireWithSeries makes a group expire at the latest when its last series ends.
func (g *Group) expireWithSeries() {
	last := g.lastEnd()
	if last == never || !g.Expires.IsZero() && g.Expires.UnixNano() <= last {
		return
	}
	g.Expires = time.Unix(0, last)
}

// without returns the group without the series that have ended. Blocks of which
// series end come from sums, merging or records, and share memory with none.
func (g *Group) without(now int64) *Group {
	c := g.clone()
	c.Families = slices.DeleteFunc(c.Families, func(h Held) bool { return h.Ends != nil && h.Ends.last <= now })
	for i := range c.Families {
		if h := &c.Families[i]; h.Ends != nil && h.Ends.first <= now {
			h.cut(now)
		}
	}
	return c.finish(g)
}

// cut removes the series of a family that have ended. The entry in the index of
// series stays, since that may be about more than there is.
func (h *Held) cut(now int64) {
	ended := func(at int64) bool { return at != 0 && at <= now }
	at := h.Ends.at
	h.Block = h.Block.Without(func(i int) bool { return ended(at[i]) })
	h.Ends = NewEnds(slices.DeleteFunc(slices.Clone(at), ended))
}

// endingOf returns when the first series of a group ends. The group may be nil.
func endingOf(g *Group) (d deadline, ok bool) {
	if g == nil || g.firstEnd == 0 {
		return deadline{}, false
	}
	return deadline{g.firstEnd, g.Key}, true
}

// cutEnded removes the series of all groups that have ended, and reports whether
// there were any.
func (g *Gateway) cutEnded(now int64) bool {
	if g.firstEnding.Load() > now {
		return false
	}
	g.cutting.Lock()
	defer g.cutting.Unlock()
	for g.firstEnding.Load() <= now {
		g.expire(now)
		groups := g.ending(now)
		if g.cut(groups, now); len(groups) == 0 {
			g.awaitMass()
		}
	}
	return true
}

// ending returns some groups with series that have ended.
func (g *Gateway) ending(now int64) (groups []*Group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	seen := 0
	g.index.endings.Scan(func(d deadline) bool {
		if d.at > now || seen == maxExpired {
			return false
		}
		seen++
		if group, _ := g.index.groups.Get(d.key); group != nil { // else it is part of a mass
			groups = append(groups, group)
		}
		return true
	})
	return groups
}

// cut removes the series of some groups that have ended. It copies the rest
// without a lock, and leaves out groups that change meanwhile, and those that are to
// expire with their last series.
func (g *Gateway) cut(groups []*Group, now int64) {
	groups = slices.DeleteFunc(groups, func(group *Group) bool {
		d, ok := deadlineOf(group)
		return ok && d.at <= now
	})
	shorter := make([]*Group, len(groups))
	for i, group := range groups {
		shorter[i] = group.without(now)
	}
	for len(groups) > 0 {
		n := g.shorten(groups, shorter)
		groups, shorter = groups[n:], shorter[n:]
		runtime.Gosched()
	}
}

// shorten replaces the first of some groups, unless they have changed, and returns
// how many it has looked at.
func (g *Gateway) shorten(groups, shorter []*Group) (seen int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var changed []*indexed
	for work := 0; seen < len(groups) && work < maxWork; seen++ {
		group := groups[seen]
		if stored, _ := g.index.groups.Get(group.Key); stored == group {
			g.seriesExpired.Add(uint64(group.Series - shorter[seen].Series))
			changed = g.index.apply(Applied{Change: Change{Key: group.Key, Group: shorter[seen]}}, changed)
			g.index.reserveAgain(group.Key)
		}
		work += workOf(group)
	}
	g.settle(changed)
	return seen
}
