package gateway

import (
	"context"
	"maps"
	"slices"
	"time"

	"pushgateway/internal/grouping"
)

// Groups that exist only through failures end when there are too many, or some time
// after the last failure.

// failuresEvery is how often failures that are long ago are looked for. That looks
// at all of them.
const failuresEvery = 10 * time.Second

// expireFailures ends the groups without a good push whose last failure is longer ago
// than Config.FailuresLive says. Unlike deadlines, that is not stored, so
// they are visible until the journal has taken their end.
func (g *Gateway) expireFailures() {
	if g.config.FailuresLive == nil || g.config.Journal.Err() != nil || !g.trimming.TryLock() {
		return
	}
	defer g.trimming.Unlock()
	for old := range slices.Chunk(g.oldFailures(), maxExpired) {
		ended, err := g.endFailures(old)
		g.countExpired(ended)
		if err != nil {
			return // the journal refuses changes; try again later
		}
	}
}

// oldFailures returns the groups that expireFailures ends.
func (g *Gateway) oldFailures() []failure {
	now := g.now()
	return slices.DeleteFunc(g.allFailures(), func(f failure) bool {
		ttl := g.config.FailuresLive(f.key)
		return ttl == 0 || f.at > now-int64(ttl)
	})
}

func (g *Gateway) allFailures() []failure {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Values(g.index.failures.groups))
}

// countExpired counts groups for the next view.
func (g *Gateway) countExpired(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expired.Add(uint64(n))
	g.view.Store(nil)
}

// trimAfter makes failed pushes wait until the oldest failures are removed.
// Successful pushes wait only if there are far too many, as after an import.
func (g *Gateway) trimAfter(errs []error) {
	failed := func(err error) bool { return err != nil }
	if slices.ContainsFunc(errs, failed) || int(g.excess.Load()) > g.config.Limits.Failed/10 {
		g.trimFailures()
	}
}

// trimFailures removes the oldest groups without a good push if there are too
// many. The caller holds no lock of a group. If another goroutine is already
// trimming, it returns at once.
func (g *Gateway) trimFailures() {
	if !g.trimming.TryLock() {
		return
	}
	defer g.trimming.Unlock()
	for rest := g.excessFailures(); rest > 0; rest -= maxExpired {
		oldest := g.takeFailures(min(rest, maxExpired))
		if len(oldest) == 0 {
			return
		}
		if _, err := g.endFailures(oldest); err != nil {
			return // the journal refuses changes; try again later
		}
	}
}

// excessFailures returns an upper bound for how many groups without a good push
// must be removed.
func (g *Gateway) excessFailures() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.index.failures.excess()
}

// excess returns how many groups with only failures there are too many, if they
// are as small as possible.
func (f *failures) excess() int { return (f.bytes - f.most + f.least - 1) / f.least }

func (g *Gateway) takeFailures(most int) []failure {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.index.failures.take(most)
}

// endFailures removes groups in one commit, and returns how many it has removed. It
// skips groups that have had another push since, or whose push is in progress,
// and records those that still exist again.
func (g *Gateway) endFailures(failures []failure) (ended int, err error) {
	last := make(map[grouping.Key]int64, len(failures))
	keys := make([]grouping.Key, len(failures))
	for i, f := range failures {
		keys[i], last[f.key] = f.key, f.at
	}
	taken := g.locks.tryLock(keys)
	defer g.locks.release(taken...)
	defer g.keepFailures(failures)
	var changes []Change
	for _, key := range taken {
		if old := g.Group(key); old != nil && old.failedOnly() && old.Failed.UnixNano() == last[key] {
			changes = append(changes, endOf(key, old.Revision))
		}
	}
	if len(changes) == 0 {
		return 0, nil
	}
	sent, end := g.patience(context.Background()).sent()
	defer end()
	for i, o := range g.config.Journal.Commit(sent, changes) {
		switch retry, failed := g.conclude(changes[i], o); {
		case failed != nil:
			err = failed
		case !retry:
			ended++
		}
	}
	return ended, err
}

// keepFailures records those of the groups again that still exist.
func (g *Gateway) keepFailures(failures []failure) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range failures {
		if group, _ := g.index.groups.Get(f.key); group != nil && group.failedOnly() {
			g.index.failures.add(f)
		}
	}
}
