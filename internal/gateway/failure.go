package gateway

import (
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
// too many. The caller holds no lock of a group.
func (g *Gateway) trimFailures() {
	for g.countFailedOnly() > maxFailedOnly {
		oldest, ok := g.failures.take()
		if !ok {
			return // they are about to be added
		}
		if err := g.endFailedOnly(oldest); err != nil {
			g.failures.putBack(oldest) // the journal takes nothing; there is no hurry
			return
		}
	}
}

// endFailedOnly removes a group unless a push to it has been good since.
func (g *Gateway) endFailedOnly(f failedOnly) error {
	defer g.locks.lock(f.key)()
	for {
		old := g.Group(f.key)
		if !f.is(old) {
			return nil
		}
		if retry, err := g.commit(context.Background(), Change{Key: f.key}, old); !retry {
			return err
		}
	}
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
	for _, g := range groups {
		f.add(g, v)
	}
}

// putBack undoes take.
func (f *failures) putBack(oldest failedOnly) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = slices.Insert(f.queue, 0, oldest)
}

// take takes the oldest group out.
func (f *failures) take() (oldest failedOnly, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		return failedOnly{}, false
	}
	oldest, f.queue = f.queue[0], f.queue[1:]
	return oldest, true
}
