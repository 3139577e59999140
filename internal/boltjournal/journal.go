// Package boltjournal implements a journal in a bbolt file. The file holds a
// record for each group under its grouping key, and a state that says which
// records must be there.
//
// Changes that wait at the same time are committed together, so that they wait
// for the disk once. A committed change survives a crash of the machine.
//
// The package assumes that the disk keeps what it has synced, that sectors are
// written whole or not at all, and that nobody else writes to the file. Opening
// checks every record. A damaged file is left as it is.
package boltjournal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/record"
)

// Config describes a journal. Only Path is required.
type Config struct {
	// Path is the file. It is created if it does not exist.
	Path string
	// Name is where the next start looks for the file, if that is not Path but a
	// link to it.
	Name string
	// Interval, if positive, makes Commit return before the change is on disk,
	// and sets the minimum time between writes. A crash loses up to one interval.
	Interval time.Duration
	// Salvage continues with the intact records of a damaged file. The damaged
	// file is kept under another name.
	Salvage bool
	// Origin is the SHA-256 of the file that a salvaged journal was imported
	// from, if the journal itself no longer says so, or nil.
	Origin []byte
	// Logger receives what operators should know. Nil means no logging.
	Logger *slog.Logger
	// Observe is called after each attempt to write. It must not block.
	Observe func(Written)
	// Progress is called with the number of groups replayed and their total.
	Progress func(done, all int)
}

// Written describes one attempt to write changes.
type Written struct {
	Changes int
	Bytes   int // size of their keys and records
	Took    time.Duration
	Err     error
}

// Journal is a gateway.Journal in a file. It is safe for concurrent use once it
// is open.
type Journal struct {
	config Config
	apply  func([]gateway.Applied)
	queue  chan *request
	stop   chan struct{} // closed to stop the writer
	done   chan struct{} // closed when the writer has stopped

	origin []byte // from the file; constant while it is open

	// closing is held for writing to close the journal, so that nothing joins the
	// queue after the writer has emptied it for the last time.
	closing sync.RWMutex
	closed  bool

	// mu guards the fields below. apply is called with mu held, so that revisions
	// are applied in order.
	mu       sync.Mutex
	revision gateway.Revision // the last one applied
	// waiting are the groups whose newest state is not in the file yet: with an
	// interval all changed groups, otherwise those with a stamp.
	waiting map[grouping.Key]*late
	// receipts are those of these groups.
	receipts []gateway.Receipt

	leftBehind atomic.Int64 // bytes of changes whose callers have left

	// trouble is why the last attempt to write failed, or nil.
	trouble atomic.Pointer[error]

	// Only the writer uses the fields below.
	db    *bolt
	state state  // as committed
	old   []byte // the records that a commit replaces, concatenated
	// pin keeps the file open, so that its inode number is not reused while bbolt
	// has closed it.
	pin *os.File
	// left is the state of the file after the last write.
	left os.FileInfo
	// debt is what groups must have in the file after a commit that may or may
	// not have reached it. It is empty, not nil, if the file only needs a check.
	debt map[grouping.Key][]byte
	// owed is what such a commit has to take back of receipts.
	owed []slip
	// tried is the state that this commit would have made.
	tried state
	retry time.Time // earliest time of the next attempt
	// unsynced is set as long as the disk may not know that the last commit is
	// confirmed, see confirm.go.
	unsynced bool
	written  time.Time // when the last commit ended
	closeErr error     // for Close
}

// late is the applied state of a group that is not in the file yet. It is
// immutable.
type late struct {
	changed  bool             // false if there is only a stamp
	group    *gateway.Group   // nil if the group has ended
	revision gateway.Revision // of the change
	stamp    *gateway.Stamp   // a stamp after the change, or nil
}

// request is a call of Commit that waits for the writer.
type request struct {
	changes  []gateway.Change
	records  [][]byte // nil for a group that ends
	outcomes []gateway.Outcome
	done     chan struct{}
	// left is set by whoever is first: the caller that stops waiting and returns
	// Unknown, or the writer that has the outcomes.
	left atomic.Bool
}

// maxQueue is how many calls the queue to the writer holds. Further calls
// block.
const maxQueue = 4096

// New returns a journal that is not yet open.
func New(c Config) *Journal {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(Written) {}
	}
	if c.Name == "" {
		c.Name = c.Path
	}
	if c.Progress == nil {
		c.Progress = func(int, int) {}
	}
	return &Journal{
		config:  c,
		queue:   make(chan *request, maxQueue),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		waiting: make(map[grouping.Key]*late),
	}
}

// Open checks the file, replays it, and accepts changes from then on. The error
// names the file, what is wrong, and what to do.
func (j *Journal) Open(ctx context.Context, apply func([]gateway.Applied), _ func(grouping.Key) *gateway.Group) error {
	j.apply = apply
	if err := j.open(ctx); err != nil {
		close(j.done)
		return fmt.Errorf("the journal %s: %w", j.config.Path, err)
	}
	go j.write()
	return nil
}

// Err returns why the journal refuses changes at present, or nil. With an
// interval it refuses none, unless the file was taken away: then a crash would
// lose more than one interval.
func (j *Journal) Err() error {
	err := j.Trouble()
	if j.config.Interval > 0 && !errors.Is(err, ErrTaken) {
		return nil
	}
	return err
}

// Trouble returns why the last attempt to write failed, or nil.
func (j *Journal) Trouble() error {
	if err := j.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// Kind says that groups are in a file.
func (j *Journal) Kind() string { return "file" }

// Name returns the path of the file.
func (j *Journal) Name() string { return j.config.Name }

// MaxSize returns 0: the disk bounds the file.
func (j *Journal) MaxSize() int64 { return 0 }

// Size returns the size of the file in bytes, or 0 if it is unknown.
func (j *Journal) Size() int64 {
	info, err := os.Stat(j.config.Path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Commit writes changes and waits until they are on disk or ctx ends. With an
// interval it does not wait for the disk. No change is ever stale, since each
// group has one change in progress at a time. After an error the changes have
// not happened, unless a crash comes before the journal has restored the file
// and finds them there.
func (j *Journal) Commit(ctx context.Context, changes []gateway.Change) []gateway.Outcome {
	if j.config.Interval > 0 {
		return j.take(changes)
	}
	r := &request{changes: changes, records: make([][]byte, len(changes)), done: make(chan struct{})}
	for i, c := range changes {
		if c.Group != nil {
			rec, err := record.EncodeWithin(c.Group, gateway.NewestFormat, c.Budget)
			if err != nil {
				return all(len(changes), gateway.Failed, err)
			}
			r.records[i] = rec
		}
	}
	if err := j.enqueue(ctx, r); err != nil {
		return all(len(changes), gateway.Failed, err)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if j.abandon(r) {
			return all(len(changes), gateway.Unknown, fmt.Errorf("the disk did not answer in time: %w", ctx.Err()))
		}
		<-r.done
	}
	return r.outcomes
}

// maxLeft bounds the changes whose callers have left, in bytes, since no budget
// counts them any more. Beyond it, callers wait even after their context has
// ended.
const maxLeft = 64 << 20

// abandon makes the caller stop waiting. It returns false if the caller must
// wait: the outcomes are ready, or maxLeft is reached.
func (j *Journal) abandon(r *request) bool {
	if j.leftBehind.Add(r.size()) <= maxLeft && r.left.CompareAndSwap(false, true) {
		return true
	}
	j.leftBehind.Add(-r.size())
	return false
}

// size returns about how much memory the changes take, in bytes.
func (r *request) size() (n int64) {
	for i, c := range r.changes {
		if n += int64(len(r.records[i])); c.Group != nil {
			n += int64(c.Group.Text)
		}
	}
	return n
}

func (j *Journal) enqueue(ctx context.Context, r *request) error {
	j.closing.RLock()
	defer j.closing.RUnlock()
	if j.closed {
		return errClosed
	}
	select {
	case j.queue <- r:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("too many changes are waiting for the disk: %w", ctx.Err())
	}
}

// all returns n outcomes with the same verdict.
func all(n int, v gateway.Verdict, err error) []gateway.Outcome {
	outcomes := make([]gateway.Outcome, n)
	for i := range outcomes {
		outcomes[i] = gateway.Outcome{Verdict: v, Err: err}
	}
	return outcomes
}

// answer sets the outcomes of a call and wakes its caller. If the caller has
// left and the changes have not happened, it reports them as void.
func (j *Journal) answer(r *request, err error) {
	if r.outcomes = make([]gateway.Outcome, len(r.changes)); err != nil {
		r.outcomes = all(len(r.changes), gateway.Failed, err)
	}
	if r.left.CompareAndSwap(false, true) {
		close(r.done)
		return
	}
	if j.leftBehind.Add(-r.size()); err == nil {
		return
	}
	batch := make([]gateway.Applied, len(r.changes))
	for i, c := range r.changes {
		batch[i] = gateway.Applied{Change: c, Void: true}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.apply(batch)
}

// take applies changes before they are written.
func (j *Journal) take(changes []gateway.Change) []gateway.Outcome {
	j.closing.RLock()
	defer j.closing.RUnlock()
	if j.closed {
		return all(len(changes), gateway.Failed, errClosed)
	}
	if err := j.Err(); err != nil {
		return all(len(changes), gateway.Failed, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, c := range changes {
		j.waiting[c.Key] = &late{changed: true, group: j.withStamp(c), revision: j.revision + gateway.Revision(i+1)}
		j.receipts = append(j.receipts, c.Receipts...)
	}
	j.applyLocked(changes)
	return make([]gateway.Outcome, len(changes))
}

func (j *Journal) applyLocked(changes []gateway.Change) {
	batch := make([]gateway.Applied, len(changes))
	for i, c := range changes {
		j.revision++
		batch[i] = gateway.Applied{Change: c, Revision: j.revision}
	}
	j.apply(batch)
}

// Stamp applies a stamp at once and writes it with the next changes.
func (j *Journal) Stamp(s gateway.Stamp) {
	j.closing.RLock()
	defer j.closing.RUnlock()
	if j.closed {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	next := late{stamp: &s}
	if before := j.waiting[s.Key]; before != nil {
		next.changed, next.group, next.revision = before.changed, before.group, before.revision
	}
	j.waiting[s.Key] = &next
	j.apply([]gateway.Applied{{Change: gateway.Change{Key: s.Key}, Stamp: &s}})
}

// withStamp returns the group of a change, with the failure that was stamped
// while the change was in progress, if there is one. The caller holds mu.
func (j *Journal) withStamp(c gateway.Change) *gateway.Group {
	s := j.waiting[c.Key].beside(c)
	if s == nil {
		return c.Group
	}
	g := *c.Group
	g.Failed, g.Failure = s.At, s.Reason
	return &g
}

// beside returns the stamp that was applied while a change was in progress. It
// returns nil if there is none, if the change was made after it, or if it is that of
// an earlier group, which has ended. l may be nil.
func (l *late) beside(c gateway.Change) *gateway.Stamp {
	if l == nil || l.stamp == nil || c.Group == nil || !l.stamp.At.After(c.Group.Failed) {
		return nil
	}
	if begins, had := c.Group.Since == 0, l.stamp.Against != 0 && !l.stamp.Over; begins && had {
		return nil
	}
	return l.stamp
}

// Sync returns nil at once: everything acknowledged has been applied.
func (j *Journal) Sync(context.Context) error { return nil }

// EndsGroups returns false.
func (j *Journal) EndsGroups() bool { return false }

// KeepsRecords returns true.
func (j *Journal) KeepsRecords() bool { return true }

// Writes returns gateway.NewestFormat.
func (j *Journal) Writes() (gateway.Format, string) { return gateway.NewestFormat, "" }

// Close writes what waits and releases the file. The journal must be open.
func (j *Journal) Close() error {
	j.closing.Lock()
	first := !j.closed
	j.closed = true
	j.closing.Unlock()
	if first {
		close(j.stop)
	}
	<-j.done
	if !first {
		return nil
	}
	return j.closeErr
}

var _ gateway.Journal = (*Journal)(nil)
