package gateway

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"pushgateway/internal/grouping"
)

const (
	// stampEvery is how often at most a group's failure time changes, so that
	// a client that fails in a loop costs nothing.
	stampEvery = time.Second
	// maxFailedOnly bounds the groups of which no push was ever good.
	maxFailedOnly = 10_000
)

// Refuse notes that a push to a group was refused for its content.
func (g *Gateway) Refuse(key grouping.Key, reason error) {
	defer g.trimFailures()
	defer g.locks.lock(key)()
	g.fail(key, reason)
}

// fail stamps the failure time of a group whose lock is held.
func (g *Gateway) fail(key grouping.Key, reason error) {
	if twin := (*TwinError)(nil); errors.As(reason, &twin) {
		return // the time would be the very series that the push was refused for
	}
	old, now := g.Group(key), g.Now()
	if old != nil && !old.Failed.IsZero() && !old.LastPushSuccessful() && now.Sub(old.Failed).Abs() < stampEvery {
		return
	}
	if g.hasTwin(key) {
		return
	}
	if old == nil && g.Journal.Err() != nil && g.countFailedOnly() >= maxFailedOnly {
		return // none can go for it
	}
	g.Journal.Stamp(Change{Key: key, Group: failed(old, key, now, reason), Against: g.against(key, old)})
	if now := g.Group(key); old == nil && now != nil {
		g.failures.add(now, g.View())
	}
}

func (g *Gateway) hasTwin(key grouping.Key) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, has := g.index.twin(key)
	return has && !g.Unchecked
}

// trimFailures ends the oldest of the groups without a good push if there are
// too many, as an import may bring. The caller holds no lock of a group.
func (g *Gateway) trimFailures() {
	if g.countFailedOnly() <= maxFailedOnly {
		return
	}
	g.trimming.Lock()
	defer g.trimming.Unlock()
	for {
		oldest := g.failures.take(min(g.countFailedOnly()-maxFailedOnly, maxExpired))
		if len(oldest) == 0 {
			return // there are not too many any more, or they are about to be added
		}
		if err := g.endFailedOnly(oldest); err != nil {
			g.failures.putBack(oldest) // the journal takes nothing; there is no hurry
			return
		}
	}
}

// endFailedOnly removes groups, in one commit, unless pushes to them have been
// good since.
func (g *Gateway) endFailedOnly(groups []failedOnly) error {
	groups = slices.Clone(groups)
	slices.SortFunc(groups, func(a, b failedOnly) int { return cmp.Compare(a.key, b.key) })
	keys := make([]grouping.Key, len(groups))
	for i, f := range groups {
		keys[i] = f.key
	}
	defer g.locks.lock(slices.Compact(keys)...)()
	for {
		retry, err := g.tryEndFailedOnly(groups)
		if !retry {
			return err
		}
	}
}

// tryEndFailedOnly makes one attempt. It is worth another if somebody else has
// changed one of the groups meanwhile.
func (g *Gateway) tryEndFailedOnly(groups []failedOnly) (retry bool, err error) {
	var changes []Change
	for _, f := range groups {
		if old := g.Group(f.key); f.is(old) {
			changes = append(changes, Change{Key: f.key, Against: old.Revision})
		}
	}
	if len(changes) == 0 {
		return false, nil
	}
	for i, o := range g.Journal.Commit(context.Background(), changes) {
		again, failed := g.conclude(changes[i].Key, o)
		retry, err = retry || again, cmp.Or(err, failed)
	}
	return retry && err == nil, err
}

func (g *Gateway) countFailedOnly() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.index.view.failedOnly
}

// failedOnly is a group that came to be by a failure. Another one of the same
// key may have come since.
type failedOnly struct {
	key   grouping.Key
	since Revision
}

// stands tells whether the group is still there, and without a good push.
func (f failedOnly) stands(v *View) bool { return f.is(v.Group(f.key)) }

func (f failedOnly) is(g *Group) bool {
	return g != nil && g.Pushed.IsZero() && g.Since == f.since
}

// failures is a queue of the groups that came to be by a failure, oldest
// first. Some of them may not stand any more.
type failures struct {
	mu    sync.Mutex
	queue []failedOnly
}

// add puts a group at the end. What does not stand any more goes now and then.
func (f *failures) add(g *Group, v *View) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) > 2*maxFailedOnly {
		f.queue = slices.DeleteFunc(f.queue, func(old failedOnly) bool { return !old.stands(v) })
	}
	f.queue = append(f.queue, failedOnly{g.Key, g.Since})
}

// restore queues the groups of a view without a good push, oldest first.
func (f *failures) restore(v *View) {
	var groups []*Group
	for g := range v.EachGroup("") {
		if g.Pushed.IsZero() {
			groups = append(groups, g)
		}
	}
	slices.SortStableFunc(groups, func(a, b *Group) int { return a.Failed.Compare(b.Failed) })
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range groups {
		f.queue = append(f.queue, failedOnly{g.Key, g.Since})
	}
}

// putBack undoes take.
func (f *failures) putBack(oldest []failedOnly) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = slices.Insert(f.queue, 0, oldest...)
}

// take takes the n oldest groups out, or as many as there are.
func (f *failures) take(n int) []failedOnly {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = min(max(n, 0), len(f.queue))
	oldest := slices.Clone(f.queue[:n])
	f.queue = f.queue[n:]
	return oldest
}
