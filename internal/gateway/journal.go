package gateway

import (
	"context"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
)

// Revision numbers changes: no two have the same one. The later of two changes
// of one group has the higher one. All members see the same revisions, so that
// they agree on which of two groups has the older claim. The first is 1.
type Revision uint64

// Change is what a journal makes durable: the new state of a group, or its end.
type Change struct {
	Key   grouping.Key
	Group *Group // nil if the group ends; nobody changes it any more
	// Against is the revision of the group that the change was made from, 0 if
	// there was none or only a stamp. If the journal has another revision of the
	// group, the change is stale.
	Against Revision

	// Budget provides the memory for storing Group. It may be nil. A change that it
	// refuses has Failed. It ends with Commit.
	Budget exposition.Budget

	// pending is the change on its way: of one that was made here until its fate
	// is known, of another while it is applied.
	pending *pending
	// suspects are groups that share a series with Group; see equal.go.
	suspects []suspect
}

// Stamp says that a push to a group was refused. It is small, whatever the group
// has, and is no change: the group keeps its revision.
type Stamp struct {
	Key    grouping.Key
	At     time.Time // by the clock of who refused it
	Reason string
	// FailedBy is whom the failure counts for if the group has nothing else. Who
	// refused it decides, as the numbers that decide differ from member to member.
	FailedBy string
	// Against is the revision of the group that the push was checked against, 0 if
	// there was none. The group is failing unless it has a later revision: order
	// decides, and no clock.
	Against Revision
	// Over says that the time of that group was over. Then nothing of it is left but
	// the failure.
	Over bool
}

// Applied is what a journal tells the engine: a change that has happened, a
// stamp, or a change that will never happen.
type Applied struct {
	// Change is the one that was given to Commit, if that was the Commit of this
	// journal; otherwise its Key and Group are enough. Of a stamp it has only the
	// Key.
	Change
	Revision Revision // of the change; 0 for a stamp, or what is void
	// Stamp is set for a stamp.
	Stamp *Stamp
	// Void says that a change of this journal, of which the outcome was Unknown,
	// has not happened and never will.
	Void bool
}

// Verdict is the outcome of a change.
type Verdict uint8

// The outcomes of a change.
const (
	// Committed: durable as configured, and applied.
	Committed Verdict = iota
	// Stale: the group has another revision than Against, and that newer state
	// is applied already, be it the end of the group. Nothing happened and nothing
	// will; check and merge again.
	Stale
	// Failed: nothing happened and nothing will, unless a crash comes before Err
	// is nil again.
	Failed
	// Unknown: the change was sent, and nobody knows yet what became of it. The
	// journal says so later through apply: either it has happened or it is void.
	// A later revision of the group, applied, says so as well: then it has not
	// happened, or is not the latest any more.
	Unknown
)

// Outcome is the verdict on one change, and why it failed or is unknown.
type Outcome struct {
	Verdict Verdict
	Err     error
}

// Journal makes changes durable. Several members, each a process with an engine
// and a journal of its own, may share what is stored; then changes and stamps of
// others are applied as well.
//
// Concurrency: all methods but Open may be called at the same time.
//
// Order: changes and stamps of one group are applied in their order, each once.
// Those of different groups may come in any order, and each member may see
// another one. A revision that another one follows may be left out.
//
// Ownership: a group that was given to Commit, or to apply, is never changed
// again by anybody. So it can be shared, kept, and written later.
type Journal interface {
	// Open replays the present state through apply, each group once and with
	// its revision, and a stamp behind the group that it is about. It keeps apply
	// for later: from then on it is called for every change and stamp, also those
	// of others. It is never called by two goroutines at once, calls no method of
	// the journal, and keeps nothing of the slice. Ctx ends the replay.
	Open(ctx context.Context, apply func([]Applied)) error
	// Commit makes changes durable, of different groups, and gives an outcome for
	// each, in their order. Calls that wait at the same time share one wait for the
	// disk or the network. A caller has at most one change of a group under way,
	// also one of which the outcome is Unknown. Ctx ends the wait, and never a
	// change that was sent: that is Unknown then.
	Commit(ctx context.Context, changes []Change) []Outcome
	// Stamp applies a stamp at once and makes it durable when it can, which may
	// be never. It does not wait for the disk or the network. A stamp that was
	// made against a group is dropped if the group has ended; the end of a group
	// ends what was stamped before.
	Stamp(Stamp)
	// Sync returns nil when everything has been applied that any member had
	// acknowledged at the time of the call. Where there is one member it returns
	// at once. An error says why nobody can tell at present, be it that ctx has
	// ended: what is not seen here may be stored all the same.
	Sync(ctx context.Context) error
	// EndsGroups tells whether the journal ends groups at their time by itself.
	// Then members only hide a group whose time is over by their clock, until its
	// end or a newer state of it is applied.
	EndsGroups() bool
	// Err tells why changes would not be taken at present, nil if they would
	// and none that failed can come back. It does not wait.
	Err() error
	// Close waits for calls in progress. It may be called twice. Nothing is applied
	// after it.
	Close() error
}
