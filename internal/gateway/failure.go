package gateway

import (
	"errors"
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
