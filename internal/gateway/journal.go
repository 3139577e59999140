package gateway

import (
	"context"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
)

// Revision numbers changes in the one order in which they are applied. The
// first is 1.
type Revision uint64

// Change is what a journal makes durable: the new state of a group, or its
// end.
type Change struct {
	Key   grouping.Key
	Group *Group // nil if the group ends; the journal must not change it
	// Against is the revision of the group that the change was made from, 0 if
	// there was none. Another revision in the journal makes the change stale.
	Against Revision

	// Budget is where the memory comes from that storing Group takes. It may be
	// nil. A change that it stops has Failed.
	Budget exposition.Budget

	// suspects are groups that share a series with Group; see equal.go.
	suspects []suspect
	// claimed is set on changes of this process, which hold provisional claims
	// until they are applied or given up.
	claimed bool
}

// Applied is a change at its place in the order.
type Applied struct {
	Change
	Revision Revision
}

// Verdict is what became of a change.
type Verdict uint8

// What can become of a change.
const (
	// Committed: durable as configured, and Apply has returned.
	Committed Verdict = iota
	// Stale: somebody else changed the group first. Nothing happened; check
	// and merge again.
	Stale
	// Failed: nothing happened and nothing will, unless a crash comes before
	// Err is nil again.
	Failed
	// Unknown: it may turn out committed later, then through Apply.
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
	// Open replays the present state through apply, each group once and with
	// its revisions, in any order, and keeps apply for later: from then on it
	// is called for every change, in the order of revisions. It is never called
	// by two goroutines at once.
	Open(ctx context.Context, apply func([]Applied)) error
	// Commit makes changes durable and gives an outcome for each. Calls that
	// wait at the same time share one wait for the disk or the network. A
	// caller has at most one call under way for one group.
	Commit(ctx context.Context, changes []Change) []Outcome
	// Stamp applies a change at once and makes it durable with the next
	// commit. It is for what may be lost: failure times.
	Stamp(change Change)
	// Err tells why changes would not be taken at present, nil if they would
	// and none that failed can come back.
	Err() error
	// Close waits for calls under way. It may be called twice.
	Close() error
}
