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
	Config
	apply func([]gateway.Applied)
	queue chan *request
	stop  chan struct{} // closed to stop the writer
	done  chan struct{} // closed when the writer has stopped

	origin []byte // from the file; constant while it is open

	// closing is held for writing to close the journal, so that nothing joins the
	// queue after the writer has emptied it for the last time.
	closing sync.RWMutex
	closed  bool

	// mu guards the fields below. apply is called with mu held, so that revisions
	// are applied in order.
	mu       sync.Mutex
	revision gateway.Revision // the last one applied
	// waiting holds groups whose new state is not in the file yet: with an
	// interval, all changed groups; without, those with a new failure time. Nil
	// means that the group has ended.
	waiting map[grouping.Key]*gateway.Group

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
	// tried is the state that this commit would have made.
	tried    state
	retry    time.Time // earliest time of the next attempt
	closeErr error     // for Close
}

// request is a call of Commit that waits for the writer.
type request struct {
	changes  []gateway.Change
	records  [][]byte // nil for a group that ends
	outcomes []gateway.Outcome
	done     chan struct{}
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
		Config:  c,
		queue:   make(chan *request, maxQueue),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		waiting: make(map[grouping.Key]*gateway.Group),
	}
}

// Open checks the file, replays it, and accepts changes from then on. The error
// names the file, what is wrong, and what to do.
func (j *Journal) Open(ctx context.Context, apply func([]gateway.Applied)) error {
	j.apply = apply
	if err := j.open(ctx); err != nil {
		close(j.done)
		return fmt.Errorf("the journal %s: %w", j.Path, err)
	}
	go j.write()
	return nil
}

// Err returns why the journal refuses changes at present, or nil. With an
// interval it refuses none, unless the file was taken away: then a crash would
// lose more than one interval.
func (j *Journal) Err() error {
	err := j.Trouble()
	if j.Interval > 0 && !errors.Is(err, ErrTaken) {
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

// Size returns the size of the file in bytes, or 0 if it is unknown.
func (j *Journal) Size() int64 {
	info, err := os.Stat(j.Path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Commit writes changes and waits until they are on disk. With an interval it
// returns earlier. No change is ever stale, since a group has one change in
// progress at a time. After a failure the changes have not happened, except for
// those that a crash finds in the file before it can be repaired.
func (j *Journal) Commit(_ context.Context, changes []gateway.Change) []gateway.Outcome {
	if j.Interval > 0 {
		return j.take(changes)
	}
	r := &request{changes: changes, records: make([][]byte, len(changes)), done: make(chan struct{})}
	for i, c := range changes {
		if c.Group != nil {
			rec, err := record.EncodeWithin(c.Group, c.Budget)
			if err != nil {
				return failed(len(changes), err)
			}
			r.records[i] = rec
		}
	}
	if !j.enqueue(r) {
		return failed(len(changes), errClosed)
	}
	<-r.done
	return r.outcomes
}

func (j *Journal) enqueue(r *request) bool {
	j.closing.RLock()
	defer j.closing.RUnlock()
	if !j.closed {
		j.queue <- r
	}
	return !j.closed
}

func failed(n int, err error) []gateway.Outcome {
	outcomes := make([]gateway.Outcome, n)
	for i := range outcomes {
		outcomes[i] = gateway.Outcome{Verdict: gateway.Failed, Err: err}
	}
	return outcomes
}

// take applies changes before they are written.
func (j *Journal) take(changes []gateway.Change) []gateway.Outcome {
	j.closing.RLock()
	defer j.closing.RUnlock()
	if j.closed {
		return failed(len(changes), errClosed)
	}
	if err := j.Err(); err != nil {
		return failed(len(changes), err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range changes {
		j.waiting[c.Key] = c.Group
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

// Stamp applies a change at once. It is written with the next other changes. It
// carries the last revision rather than one of its own, since its place in the
// order does not matter, and changes in progress already have theirs.
func (j *Journal) Stamp(c gateway.Change) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting[c.Key] = c.Group
	j.apply([]gateway.Applied{{Change: c, Revision: j.revision}})
}

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
