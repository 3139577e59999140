package gateway

import (
	"context"
	"math"
	"time"

	"github.com/tidwall/btree"

	"pushgateway/internal/grouping"
)

// A group with a time to live expires at a deadline, by the wall clock. The
// deadline is stored with the group. From then on the group is not visible: the
// next read of the state removes expired groups first. The record is removed
// later, once the journal accepts that. If it never does, the next replay finds
// the deadline in the record.

const (
	// reapEvery is how often records of expired groups are removed.
	reapEvery = time.Second
	// maxExpired bounds how many groups expire while the index is locked, and how
	// many records one commit removes, so that pushes get their turn.
	maxExpired = 1000
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

// end ends the groups and the series whose time has come.
func (g *Gateway) end(now int64) {
	g.expire(now)
	g.cutEnded(now)
}

// expire ends the groups whose time has come.
func (g *Gateway) expire(now int64) {
	for g.firstDeadline.Load() <= now {
		g.expireSome(now)
	}
}

func (g *Gateway) expireSome(now int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.index
	var changed []*indexed
	for range maxExpired {
		d, ok := x.deadlines.Min()
		if !ok || d.at > now {
			break
		}
		group, _ := x.groups.Get(d.key)
		changed = x.apply(Applied{Change: Change{Key: d.key}}, changed)
		if !g.journalEnds { // a delete needs only the key and the revision
			group = &Group{Key: d.key, Revision: group.Revision}
		}
		x.ghosts[d.key] = group
		x.reserveAgain(d.key)
		g.expired.Add(1)
	}
	g.settle(changed)
}

// Expired returns how many groups have expired.
func (g *Gateway) Expired() uint64 {
	g.expire(g.now())
	return g.expired.Load()
}

// NextExpiry returns when the next group expires, or zero if none does.
func (g *Gateway) NextExpiry() time.Time {
	g.expire(g.now())
	if first := g.firstDeadline.Load(); first != never {
		return time.Unix(0, first)
	}
	return time.Time{}
}

// reap removes the records of expired groups until stop is closed, unless the
// journal does. It ends with a last removal, so that a clock that is set back
// does not bring groups back.
func (g *Gateway) reap() {
	defer close(g.reaped)
	ticker := time.NewTicker(reapEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			g.reapAll()
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
	for key := range g.index.ghosts {
		if keys = append(keys, key); len(keys) == maxExpired {
			break
		}
	}
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
	if ghost := g.index.ghosts[key]; ghost != nil {
		return ghost.Revision
	}
	return 0
}
