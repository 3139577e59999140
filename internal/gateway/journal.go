package gateway

import (
	"context"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
)

// Revision numbers changes, from 1. Each change has its own revision, and a
// later change of a group has a higher one. All members see the same revisions,
// so they agree on which of two claims is older.
type Revision uint64

// Change is what a journal makes durable: the new state of a group, or its end.
type Change struct {
	Key   grouping.Key
	Group *Group // nil if the group ends; immutable
	// Against is the revision of the group that the change was made from. It is 0
	// if there was no group, or only a stamp. If the journal has another revision
	// of the group, the change is stale.
	Against Revision
	// Receipts are those that the change adds. They become durable together with
	// Group, for ReceiptLife, and outlast the group.
	Receipts []Receipt

	// Budget provides the memory for storing Group, until Commit returns. It may
	// be nil. If it refuses, the change is Failed.
	Budget exposition.Budget

	// pending is the change in progress. It is set for a change of this engine
	// until its outcome is known, and for any other change while it is applied.
	pending *pending
	// suspects are groups that share a series with Group; see equal.go.
	suspects []suspect
	// reconciled is how many histograms lost buckets when they were added up.
	reconciled int
}

// Stamp records that a push to a group was refused. Its size does not depend on
// the group. A stamp is not a change: the group keeps its revision.
type Stamp struct {
	Key    grouping.Key
	At     time.Time // by the clock of the member that refused the push
	Reason string
	// FailedBy is the client that the failure counts for if the group has no good
	// push. The member that refused the push decides, because the members may
	// count different failures.
	FailedBy string
	// Against is the revision of the group that the push was checked against, or 0
	// if there was none. The group is failing unless it has a later revision: the
	// order decides, not the clocks.
	Against Revision
	// Over means that the group had expired, or has had only failures since. Then the
	// failure replaces the group.
	Over bool
}

// Applied is what a journal reports to the engine: a change that has happened,
// a stamp, or a change that will never happen.
type Applied struct {
	// Change is what Commit received if this journal's Commit made it. For a
	// replayed group, or a change of another member, the journal need only set Key
	// and Group, and the Receipts of a change. For a stamp it sets only Key. Replayed
	// receipts may come without a key and a group.
	Change
	Revision Revision // of the change; 0 for a stamp or a void change
	// Stamp is the stamp, or nil for a change.
	Stamp *Stamp
	// Given means that Group is for this engine alone, which need not copy it
	// before it sets its own fields. The journal keeps no reference to it.
	Given bool
	// Void means that a change of this journal whose outcome was Unknown has not
	// happened and never will.
	Void bool
}

// Verdict is the outcome of a change.
type Verdict uint8

// The outcomes of a change.
const (
	// Committed: the change is durable as configured, and applied.
	Committed Verdict = iota
	// Stale: the group has another revision than Against. That newer state, or the
	// end of the group, is already applied. The change has not happened and never
	// will; check and merge again.
	Stale
	// Failed: the change has not happened and never will, unless a crash comes
	// before Err returns nil again.
	Failed
	// Unknown: the change was sent, and its outcome is not known yet. The journal
	// reports the outcome later through apply: the change has happened, or it is
	// void. If a later revision of the group is applied first, the change has not
	// happened or is no longer the latest.
	Unknown
)

// Outcome is the verdict on one change, and why it failed or is unknown.
type Outcome struct {
	Verdict Verdict
	Err     error
}

// Journal makes changes durable. Several members may share what is stored. Each
// member is a process with its own engine and journal. The journal then also
// applies the changes and stamps of other members.
//
// Concurrency: all methods except Open may be called concurrently.
//
// Order: the journal applies the changes and stamps of one group in order, each
// once. It may apply those of different groups in any order, which may differ
// between members. It may skip a revision that a later one replaces.
//
// Ownership: nobody changes a group after it was passed to Commit or to apply.
// So both sides may share it, keep it, and write it later. See Applied.Given for
// the exception.
type Journal interface {
	// Open replays the present state through apply. It passes each group once,
	// with its revision, and a stamp after its group. It passes a group again that
	// another member changes meanwhile. The journal keeps apply and
	// calls it for every later change and stamp, including those of other members.
	// It never calls apply from two goroutines at once. apply calls no method of
	// the journal and does not keep the slice. The end of ctx stops the replay.
	//
	// stored returns what has been applied of a group, or nil. A journal that reads
	// groups of other members may use it to read them faster. It may be called at
	// any time, but not while the journal holds a lock that apply needs. It is nil
	// if the caller keeps no groups.
	Open(ctx context.Context, apply func([]Applied), stored func(grouping.Key) *Group) error
	// Commit makes changes of different groups durable. It returns one outcome for
	// each change, in the same order. Concurrent calls share one wait for the disk
	// or the network. A caller has at most one change of a group in progress,
	// including one whose outcome is Unknown. The end of ctx stops the wait but
	// never a change that was sent: its outcome is then Unknown.
	Commit(ctx context.Context, changes []Change) []Outcome
	// Stamp applies a stamp at once and makes it durable when it can. A stamp may
	// be lost. Stamp does not wait for the disk or the network. If a stamp was
	// made against a group that has ended, the journal drops it. The end of a
	// group removes its earlier stamps.
	Stamp(Stamp)
	// Sync returns nil once everything is applied that any member had acknowledged
	// when Sync was called. With one member, it returns at once. An error, such as
	// the end of ctx, means that something may be stored that is not visible here.
	Sync(ctx context.Context) error
	// EndsGroups reports whether the journal ends expired groups itself. If so, a
	// member whose clock says that a group has expired only hides it, until the
	// journal applies its end or a newer state.
	EndsGroups() bool
	// KeepsRecords reports whether the journal keeps records of groups, which must be
	// removed when the groups have expired.
	KeepsRecords() bool
	// Writes returns the newest format that the journal may write now: the newest
	// one that every member reads that shares what is stored. If that is not
	// NewestFormat, member is the address of a member that reads no newer one.
	Writes() (newest Format, member string)
	// Err returns why the journal refuses changes at present. It returns nil if it
	// accepts them and no failed change can come back. It does not wait.
	Err() error
	// Close waits for calls in progress. It may be called twice. After it returns,
	// the journal calls apply no more.
	Close() error
}
