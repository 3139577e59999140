package gateway

import (
	"context"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
)

// Revision numbers changes in the order in which they are applied. The first is
// 1.
type Revision uint64

// Change is what a journal makes durable: the new state of a group, or its end.
type Change struct {
	Key   grouping.Key
	Group *Group // nil if the group ends; the journal must not change it
	// Against is the revision of the group that the change started from, or 0 if
	// there was none. If the journal has another revision, the change is stale.
	Against Revision

	// Budget provides the memory for storing Group. It may be nil. A change that
	// it refuses has Failed.
	Budget exposition.Budget

	// suspects are groups that share a series with Group; see equal.go.
	suspects []suspect
	// claimed marks changes of this process. They hold provisional claims until
	// they are applied or given up.
	claimed bool
}

// Applied is a change with its place in the order.
type Applied struct {
	Change
	Revision Revision
}

// Verdict is the outcome of a change.
type Verdict uint8

// The outcomes of a change.
const (
	// Committed: durable as configured, and apply has returned.
	Committed Verdict = iota
	// Stale: another change of the group came first. Nothing happened. Check and
	// merge again.
	Stale
	// Failed: nothing happened and nothing will, unless a crash comes before Err
	// is nil again.
	Failed
	// Unknown: it may turn out committed later, and is then passed to apply.
	Unknown
)

// Outcome is the verdict on one change, and why it failed or is unknown.
type Outcome struct {
	Verdict Verdict
	Err     error
}

// Journal makes changes durable, in one order. Implementations are safe for
// concurrent use.
type Journal interface {
	// Open replays the present state through apply, each group once and with its
	// revisions, in any order. From then on it calls apply for every change, in
	// the order of revisions. It never calls apply concurrently.
	Open(ctx context.Context, apply func([]Applied)) error
	// Commit makes changes durable and returns an outcome for each. Calls that
	// wait at the same time share one wait for the disk or the network. A caller
	// has at most one call in progress for one group.
	Commit(ctx context.Context, changes []Change) []Outcome
	// Stamp applies a change at once and makes it durable with the next commit.
	// Use it for what may be lost: failure times.
	Stamp(change Change)
	// Err returns why changes would be refused at present. It is nil if they
	// would be accepted and no failed change can come back.
	Err() error
	// Close waits for calls in progress. It may be called twice.
	Close() error
}
