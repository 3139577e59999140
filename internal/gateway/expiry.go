package gateway

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/tidwall/btree"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// A group with a time to live expires at a deadline, by the wall clock. The
// deadline is stored with the group. From then on the group is not visible: the
// next read of the state removes expired groups first. The record is removed
// later, once the journal accepts that. If it never does, the next replay finds
// the deadline in the record.

const (
	// reapEvery is how often records of expired groups are removed.
	reapEvery = time.Second
	// maxExpired bounds how many records one commit removes, so that pushes get
	// their turn.
	maxExpired = 1000
	// maxDue bounds how many groups expire in the order of their keys.
	maxDue = 100_000
	// never is the deadline of a group without a time to live.
	never = math.MaxInt64
)

// deadline is when a group expires.
type deadline struct {
	at  int64 // Unix time in ns
	key grouping.Key
}

func (d deadline) less(e deadline) bool {
	if d.at != e.at {
		return d.at < e.at
	}
	return d.key < e.key
}

// deadlineOf returns the deadline of a group, which may be nil.
func deadlineOf(g *Group) (d deadline, ok bool) {
	if g == nil || g.Expires.IsZero() {
		return deadline{}, false
	}
	return deadline{g.Expires.UnixNano(), g.Key}, true
}

// moveDeadlines updates the deadlines and the endings for a change from one state
// of a group to another. Either may be nil.
func (x *index) moveDeadlines(old, group *Group) {
	moveDeadline(x.deadlines, old, group, deadlineOf)
	moveDeadline(x.endings, old, group, endingOf)
}

func moveDeadline(all *btree.BTreeG[deadline], old, group *Group, of func(*Group) (deadline, bool)) {
	was, had := of(old)
	is, has := of(group)
	if was == is {
		return
	}
	if had {
		all.Delete(was)
	}
	if has {
		all.Set(is)
	}
}

// firstOf returns the first of deadlines, or never.
func firstOf(all *btree.BTreeG[deadline]) int64 {
	if d, ok := all.Min(); ok {
		return d.at
	}
	return never
}

// ghost is an expired group whose record the journal may still have.
type ghost struct {
	revision Revision
	group    *Group // nil unless the journal ends groups; a delete needs only the revision
}

func (g *Gateway) ghostOf(group *Group) ghost {
	if g.journalEnds {
		return ghost{group.Revision, group}
	}
	return ghost{revision: group.Revision}
}

// end ends the groups and the series whose time has come.
func (g *Gateway) end(now int64) {
	g.expire(now)
	g.cutEnded(now)
}

// isDue reports whether there are groups in the index whose time has come.
func (g *Gateway) isDue() bool {
	first := g.firstDeadline.Load()
	return first != never && first <= g.now()
}

// expire ends the groups whose time has come. If those are many, it takes long.
// Then one caller ends them, and the others wait for it, as they would only
// contend for the index. A push ends only the group that it is for, unless what
// others have of its names decides about it.
func (g *Gateway) expire(now int64) {
	if g.firstDeadline.Load() > now {
		return
	}
	g.expiring.Lock()
	defer g.expiring.Unlock()
	if g.endMass(now) {
		for g.outliveFirst(now) {
			runtime.Gosched()
		}
	}
	for g.firstDeadline.Load() <= now {
		for due := g.due(now); len(due) > 0; {
			due = due[g.outliveSome(due):]
			runtime.Gosched() // a push waits for a processor rather than for mu
		}
	}
}

// due returns the deadlines of some groups whose time has come, in the order of
// their keys, since neighbors share nodes of the trees.
func (g *Gateway) due(now int64) (due []deadline) {
	for more := true; more && len(due) < maxDue; {
		due, more = g.appendDue(due, now)
	}
	slices.SortFunc(due, func(a, b deadline) int { return cmp.Compare(a.key, b.key) })
	return due
}

// appendDue appends the next deadlines that have come, and reports whether there
// may be more.
func (g *Gateway) appendDue(due []deadline, now int64) (_ []deadline, more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	from, most := deadline{at: math.MinInt64}, len(due)+maxExpired
	if len(due) > 0 {
		from = due[len(due)-1]
	}
	g.index.deadlines.Ascend(from, func(d deadline) bool {
		if more = d.at <= now && len(due) < most; more && d != from {
			due = append(due, d)
		}
		return more
	})
	return due, len(due) == most
}

// outliveSome ends the first of some groups, except those that have got another
// deadline, and returns how many it has looked at.
func (g *Gateway) outliveSome(due []deadline) (seen int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var changed []*indexed
	for work := 0; seen < len(due) && work < maxWork; seen++ {
		group, _ := g.index.groups.Get(due[seen].key)
		if is, mortal := deadlineOf(group); mortal && is == due[seen] {
			changed = g.outlive(group, changed)
		}
		work += workOf(group)
	}
	g.settle(changed)
	return seen
}

// outliveFirst ends some of the groups whose time has come, and removes the
// deadlines of those that are gone already. It reports whether there may be more.
func (g *Gateway) outliveFirst(now int64) (more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.index
	var changed []*indexed
	for work := 0; work < maxExpired; {
		d, ok := x.deadlines.Min()
		if more = ok && d.at <= now; !more {
			break
		}
		group, _ := x.groups.Get(d.key)
		if is, mortal := deadlineOf(group); mortal && is == d {
			changed = g.outlive(group, changed)
			work += maxExpired / maxWork * workOf(group)
		} else {
			x.deadlines.PopMin()
			work++
		}
	}
	g.settle(changed)
	return more
}

// expireOne ends a group if its time has come and it is still stored.
func (g *Gateway) expireOne(group *Group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if stored, _ := g.index.groups.Get(group.Key); stored == group {
		g.settle(g.outlive(group, nil))
	}
}

// outlive ends a group, and makes a ghost of it if the journal keeps records. The
// caller holds mu.
func (g *Gateway) outlive(group *Group, changed []*indexed) []*indexed {
	x := g.index
	x.keepClaims(group.Key, g.now())
	changed = x.apply(Applied{Change: Change{Key: group.Key}}, changed)
	if g.keepsRecords {
		x.haunt(group.Key, g.ghostOf(group))
	}
	x.reserveAgain(group.Key)
	g.expired.Add(1)
	return changed
}

// expireFor ends the groups whose time has come if they may decide about a push:
// some have other types of its names, or lines of these names. A push that does
// not contradict anybody is not made to wait.
func (g *Gateway) expireFor(push *Push) {
	if g.isDue() && g.isContested(push) {
		g.expire(g.now())
	}
}

// endFor ends everything whose time has come if a push was refused for what others
// have. It reports whether series have ended.
func (g *Gateway) endFor(err error) bool {
	now := g.now()
	if isConflict(err) || isOverQuota(err) {
		g.expire(now)
	}
	return g.cutEnded(now)
}

// isContested reports whether it depends on others than the group of a push whether
// its names can be exposed.
func (g *Gateway) isContested(push *Push) bool {
	if push.Rule != nil && push.Rule.LongAgo > 0 {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(push.Blocks, func(b *exposition.Block) bool { return g.index.isContested(b) })
}

func (x *index) isContested(b *exposition.Block) bool {
	f := x.families[b.Name]
	if f == nil {
		f = &indexed{name: b.Name}
	}
	for t, h := range f.byType {
		if metric.Type(t) != b.Type && h.len() > 0 {
			return true
		}
	}
	return len(x.neighbours(f)) > 0
}

// reap removes the records of expired groups until stop is closed, unless the
// journal does, and the groups whose failures are long ago. It ends with a last
// removal, so that a clock that is set back does not bring groups back.
func (g *Gateway) reap() {
	defer close(g.reaped)
	ticker, failures := time.NewTicker(reapEvery), time.NewTicker(failuresEvery)
	defer ticker.Stop()
	defer failures.Stop()
	for {
		select {
		case <-ticker.C:
			g.reapAll()
		case <-failures.C:
			g.expireFailures()
		case <-g.stop:
			g.reapAll()
			return
		}
	}
}

func (g *Gateway) reapAll() {
	defer g.sweep()
	g.end(g.now())
	g.forgetReceipts()
	for !g.journalEnds && g.config.Journal.Err() == nil && g.reapSome() {
	}
}

// reapSome removes some records. It reports whether more may be removable.
func (g *Gateway) reapSome() (more bool) {
	keys := g.someGhosts()
	if len(keys) == 0 {
		return false
	}
	taken := g.locks.tryLock(keys) // pushes to the others are in progress
	defer g.locks.release(taken...)
	var changes []Change
	for _, key := range taken {
		if against := g.against(key, nil); against != 0 { // nobody has pushed to it meanwhile
			changes = append(changes, endOf(key, against))
		}
	}
	if len(changes) == 0 {
		return len(taken) > 0
	}
	sent, end := g.patience(context.Background()).sent()
	defer end()
	more = len(keys) == maxExpired
	for i, o := range g.config.Journal.Commit(sent, changes) {
		if retry, err := g.conclude(changes[i], o); retry || err != nil {
			more = false // they stay ghosts and are tried again
		}
	}
	return more
}

// someGhosts returns keys of expired groups that still have records.
func (g *Gateway) someGhosts() []grouping.Key {
	g.mu.Lock()
	defer g.mu.Unlock()
	var keys []grouping.Key
	g.index.ghosts.Scan(func(key grouping.Key, _ ghost) bool {
		keys = append(keys, key)
		return len(keys) < maxExpired
	})
	return keys
}

// against returns the revision that a change starts from if the present state
// is old, which may be nil. An expired group also has a revision as long as the
// journal has its record.
func (g *Gateway) against(key grouping.Key, old *Group) Revision {
	if old != nil {
		return old.Revision
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	ghost, _ := g.index.ghosts.Get(key)
	return ghost.revision
}
