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
	old, now := g.View().Group(key), g.Now()
	if old != nil && !old.Failed.IsZero() && !old.LastPushSuccessful() && now.Sub(old.Failed).Abs() < stampEvery {
		return
	}
	if g.hasTwin(key) {
		return
	}
	change := Change{Key: key, Group: failed(old, key, now)}
	if old != nil {
		change.Against = old.Revision
	} else {
		g.failures.add(key)
	}
	g.Journal.Stamp(change)
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
	for key, full := g.failures.overflow(); full; key, full = g.failures.overflow() {
		g.endFailedOnly(key)
	}
}

// endFailedOnly removes a group unless a push to it has been good since.
func (g *Gateway) endFailedOnly(key grouping.Key) {
	defer g.locks.lock(key)()
	if old := g.View().Group(key); old != nil && old.Pushed.IsZero() {
		// A failure means that the journal takes nothing; there is no hurry.
		_, _ = g.commit(context.Background(), Change{Key: key}, old)
	}
}

// failures is a queue of the groups that came to be by a failure.
type failures struct {
	mu   sync.Mutex
	keys []grouping.Key
}

func (f *failures) add(key grouping.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys = append(f.keys, key)
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
		f.add(g.Key)
	}
}

// overflow takes the oldest group out if there are too many.
func (f *failures) overflow() (oldest grouping.Key, full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.keys) <= maxFailedOnly {
		return "", false
	}
	oldest, f.keys = f.keys[0], f.keys[1:]
	return oldest, true
}
