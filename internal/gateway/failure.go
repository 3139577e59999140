package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
)

// Groups that exist only through failures show that a job has never worked.
// Anybody can create one with a single refused push. So their size is bounded,
// they claim nothing, and the groups of one client never push out those of
// others.

// stampEvery is how often at most a group's failure time changes, so that a
// client that fails in a loop costs nothing.
const stampEvery = time.Second

// maxFailure bounds the stored reason for a refusal, in bytes.
const maxFailure = 1000

// Refuse records that a push to a group was refused for its content. client is
// the address of the client, or "" if unknown. It does not wait for pushes in
// progress.
func (g *Gateway) Refuse(key grouping.Key, client string, reason error) {
	g.fail(key, client, reason)
	g.trimFailures()
}

// fail stamps the failure time of a group. It limits how often the time
// changes, and does not stamp twins. A push that is refused because too much is
// stored adds no group.
func (g *Gateway) fail(key grouping.Key, client string, reason error) {
	if twin := (*TwinError)(nil); errors.As(reason, &twin) {
		return // the failure time itself would be the conflicting series
	}
	old, now := g.Group(key), g.config.Now()
	if old == nil && (isOverQuota(reason) || !g.admitsFailure(key)) {
		return
	}
	if old != nil && old.Failing && now.Sub(old.Failed).Abs() < stampEvery {
		return
	}
	s := Stamp{Key: key, At: now, Reason: excerpt.Line(reason.Error(), maxFailure), FailedBy: g.failedBy(key, guard.Key(client)), Against: g.against(key, old)}
	s.Over = s.Against != 0 && (old == nil || old.failedOnly()) // a journal may keep only the last stamp
	g.config.Journal.Stamp(s)
}

func (g *Gateway) failedBy(key grouping.Key, client string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.index.failures.owner(key, client)
}

// admitsFailure reports whether a refused push may create a group.
func (g *Gateway) admitsFailure(key grouping.Key) bool {
	if len(key) > g.config.Limits.FailedKey {
		return false
	}
	most := g.config.Limits.FailedBytes + g.config.Limits.FailedBytes/10 // until the oldest have been removed
	if g.config.Journal.Err() != nil {
		most = g.config.Limits.FailedBytes - g.index.failures.least // none can be removed in exchange
	}
	if g.isDue() && g.hasTwin(key) {
		g.expire(g.now())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.index.failures.bytes <= most && (g.config.Unchecked || !g.index.hasTwin(key))
}

func (g *Gateway) hasTwin(key grouping.Key) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.index.hasTwin(key)
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
		if len(oldest) == 0 || g.endFailures(oldest) != nil {
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

// endFailures removes groups in one commit. It skips groups that have had a
// good push since, or whose push is in progress, and records those that still
// exist again.
func (g *Gateway) endFailures(failures []failure) (err error) {
	keys := make([]grouping.Key, len(failures))
	for i, f := range failures {
		keys[i] = f.key
	}
	taken := g.locks.tryLock(keys)
	defer g.locks.release(taken...)
	defer g.keepFailures(failures)
	var changes []Change
	for _, key := range taken {
		if old := g.Group(key); old != nil && old.failedOnly() {
			changes = append(changes, endOf(key, old.Revision))
		}
	}
	if len(changes) == 0 {
		return nil
	}
	sent, end := g.patience(context.Background()).sent()
	defer end()
	for i, o := range g.config.Journal.Commit(sent, changes) {
		if _, failed := g.conclude(changes[i], o); failed != nil {
			err = failed
		}
	}
	return err
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
