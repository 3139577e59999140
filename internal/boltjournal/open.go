package boltjournal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"

	"go.etcd.io/bbolt"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/record"
)

// open looks through the file, replays it, and opens it for writing.
func (j *Journal) open(ctx context.Context) error {
	f, err := j.openOrMake()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	if j.Salvage {
		if f, err = j.salvage(ctx, f); err != nil {
			return err
		}
	}
	s, err := replay(ctx, f, j.apply, j.Progress)
	if err != nil {
		return err
	}
	if len(s.faults) > 0 {
		return damage(s)
	}
	if err := secure(f, s.meta); err != nil {
		j.debt = make(map[grouping.Key][]byte) // nothing but what the file shows
		_ = j.fail(err)
	}
	if s.wasteful() && j.debt == nil {
		if err := j.compact(f, s); err != nil {
			return err
		}
	}
	if err := j.begin(f); err != nil {
		return errors.Join(err, j.shut())
	}
	if j.state.sum != s.state.sum || j.state.groups != s.state.groups {
		return errors.Join(ErrLocked, j.shut()) // for a moment, by somebody who has changed it
	}
	j.revision, j.origin = j.state.revision, j.state.imported
	return nil
}

// begin opens what is at the path for writing. Looked is the lock on the file
// that was looked through, which bbolt gets.
func (j *Journal) begin(looked *os.File) (err error) {
	if j.pin, err = os.Open(j.Path); err != nil {
		return err
	}
	if j.left, err = j.pin.Stat(); err != nil {
		return err
	}
	_ = looked.Close() // only read
	if j.db, err = openBolt(j.Path, j.left); err != nil {
		return err
	}
	j.state, err = j.stored()
	j.tried = j.state
	return err
}

// stored is the state as it is in the file.
func (j *Journal) stored() (s state, err error) {
	err = j.guard(func() error {
		return j.db.View(func(tx *bbolt.Tx) error { return s.unmarshal(tx.Bucket(stateBucket).Get(stateKey)) })
	})
	return s, err
}

// shut closes what begin has opened.
func (j *Journal) shut() error {
	var err error
	if j.db != nil {
		err = j.db.Close()
	}
	if j.pin != nil {
		_ = j.pin.Close() // never written to
	}
	return err
}

// Imported is what an open journal was made of: the SHA-256 of that file, or
// nil.
func (j *Journal) Imported() []byte { return j.origin }

// openOrMake opens the file, and makes it if there is none.
func (j *Journal) openOrMake() (*os.File, error) {
	f, err := openLocked(j.Path, exclusive)
	if errors.Is(err, fs.ErrNotExist) {
		if err := (File{Path: j.Path, MustBeNew: true}).Create(noGroups); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err = openLocked(j.Path, exclusive)
	}
	return f, err
}

func noGroups(func(*gateway.Group) bool) {}

// openLocked opens a file and keeps others from writing to it. It is only
// read; that it may be written is found out at the same time.
func openLocked(path string, how lockKind) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is not a regular file; name a file, which need not exist yet", ErrForeign)
	}
	flag := os.O_RDWR
	if how == shared {
		flag = os.O_RDONLY
	}
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(lock(f, how), stillAt(path, f)); err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

// stillAt makes sure that a lock is worth something: while it was waited for,
// or just before, who had it may have put another file in the place of this.
func stillAt(path string, f *os.File) error {
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	if now, err := os.Stat(path); err != nil || !os.SameFile(opened, now) {
		return ErrLocked // a moment ago
	}
	return nil
}

// secure puts on disk what has been read of a file, which is whole. It may show
// what a crash of the machine would take away: a change that a process was
// killed over before it was synced, or one of which the sync failed, for then
// the system gives up on pages and goes on to show them. To build on that would
// be to overwrite what is still needed. All that a meta page refers to was
// synced before that was written, so only these two can be such pages. The name
// of the file can be as new as they.
func secure(f *os.File, m meta) error {
	const whole = pageHeader + metaSize // less than a sector
	b := make([]byte, whole)
	for id := range int64(2) {
		at := id * int64(m.pageSize)
		if _, err := f.ReadAt(b, at); err != nil {
			return err
		}
		if _, err := f.WriteAt(b, at); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	err := syncName(f.Name())
	if errors.Is(err, fs.ErrPermission) {
		return nil // who may not look into the directory has not named a file in it
	}
	return err
}

// openWhole looks through this file, or any if that is nil, and opens it for
// writing if it is whole.
func openWhole(path string, this os.FileInfo) (*bolt, error) {
	f, err := openLocked(path, exclusive)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	if this != nil {
		if err := isThis(f, this); err != nil {
			return nil, err
		}
	}
	s, err := scanFile(f, func(stored) {})
	if err != nil {
		return nil, err
	}
	if len(s.faults) > 0 {
		return nil, damage(s)
	}
	if err := secure(f, s.meta); err != nil {
		return nil, err
	}
	_ = f.Close() // gives the lock to bbolt
	return openBolt(path, this)
}

func damage(s *scan) error {
	more := ""
	if n := len(s.faults); n > 1 {
		more = fmt.Sprintf(" (the first of %d faults)", n)
	}
	return fmt.Errorf("%w: %s%s. Nothing has been changed", ErrDamaged, s.faults[0], more)
}

// chunk is some records on their way through decoding.
type chunk struct {
	records []stored
	applied []gateway.Applied
	faults  []Fault
	done    chan struct{}
}

func (c *chunk) decode() {
	defer close(c.done)
	c.applied = make([]gateway.Applied, 0, len(c.records))
	for _, r := range c.records {
		g, revision, err := record.Decode(r.rec, r.key)
		if err != nil {
			c.faults = append(c.faults, Fault{r.page, r.key.String(), err.Error()})
			continue
		}
		c.applied = append(c.applied, gateway.Applied{Change: gateway.Change{Key: r.key, Group: g}, Revision: revision})
	}
	c.records = nil
}

// replay gives all groups of a file to apply. Several goroutines decode, and
// no more is in memory twice than they have at hand.
func replay(ctx context.Context, f *os.File, apply func([]gateway.Applied), progress func(done, all int)) (*scan, error) {
	const chunkSize, chunkBytes = 64, 1 << 20 // of records
	chunks := make(chan *chunk, 2*runtime.GOMAXPROCS(0))
	s := new(scan)
	var err error
	go func() {
		defer close(chunks)
		c, size := &chunk{done: make(chan struct{})}, 0
		send := func() {
			go c.decode()
			chunks <- c
			c, size = &chunk{done: make(chan struct{})}, 0
		}
		err = s.run(reading{ctx, f}, func(r stored) {
			c.records = append(c.records, r)
			if size += len(r.rec); len(c.records) == chunkSize || size >= chunkBytes {
				send()
			}
		})
		send()
	}()
	var faults []Fault
	done := 0
	for c := range chunks {
		<-c.done
		faults = append(faults, c.faults...)
		if len(c.applied) > 0 && ctx.Err() == nil {
			apply(c.applied)
		}
		done += len(c.applied)
		progress(done, int(s.expected.Load()))
	}
	if err := cmp.Or(ctx.Err(), err); err != nil {
		return nil, err
	}
	s.faults = append(s.faults, faults...)
	return s, nil
}

// reading is a file that cannot be read any more once nobody waits for it.
type reading struct {
	ctx  context.Context
	file *os.File
}

// ReadAt reads as long as the context has not ended.
func (r reading) ReadAt(b []byte, at int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.file.ReadAt(b, at)
}

// wasteful tells whether most of the file is empty.
func (s *scan) wasteful() bool {
	const worthwhile = 1 << 20 // bytes
	return s.free() > int(s.meta.pages)/2 && s.free()*int(s.meta.pageSize) > worthwhile
}

// compact writes the file anew without what is empty. If it cannot, the file
// stays as it is, which does no harm. An error says that the file has changed
// since it was looked through.
func (j *Journal) compact(f *os.File, s *scan) error {
	all, err := entries(f, s)
	if err != nil {
		return err
	}
	before := j.Size()
	next := s.state
	err = File{Path: j.Path}.create(&next, slices.Values(all))
	switch {
	case err == nil:
		j.Logger.Info("The journal was mostly empty and has been made smaller", "file", j.Path, "bytes_before", before, "bytes", j.Size())
	case stillAt(j.Path, f) == nil:
		j.Logger.Warn("The journal is mostly empty and could not be made smaller", "file", j.Path, "err", err)
	default: // the new file is there, but a crash of the machine may bring back the old one
		j.debt = make(map[grouping.Key][]byte)
		_ = j.fail(err)
	}
	return nil
}

// Summary is what a file says of itself, and what is wrong with it.
type Summary struct {
	Format   int
	Revision gateway.Revision
	Faults   []Fault
}

// Read gives all groups of a file that are whole to apply, without changing
// anything. That others are not is no error: the summary has their faults.
func Read(ctx context.Context, path string, apply func([]gateway.Applied)) (Summary, error) {
	f, err := openLocked(path, shared)
	if err != nil {
		return Summary{}, err
	}
	defer func() { _ = f.Close() }() // only read
	s, err := replay(ctx, f, apply, func(int, int) {})
	if err != nil {
		return Summary{}, err
	}
	return Summary{Format: format, Revision: s.state.revision, Faults: s.faults}, nil
}

// SetOrigin notes, in a journal that is whole, what it was imported from.
func SetOrigin(path string, imported []byte) error {
	db, err := openWhole(path, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		var now state // somebody may just have changed it
		if err := now.unmarshal(tx.Bucket(stateBucket).Get(stateKey)); err != nil {
			return err
		}
		now.imported = imported
		return putState(tx, &now)
	})
	return errors.Join(err, db.Close())
}

// Origin gives what a journal was imported from: the SHA-256 of that file, or
// nil. It looks at no more than it needs. Known tells whether the journal says
// so, which a damaged one may do as well.
func Origin(path string) (imported []byte, known bool, err error) {
	f, err := openLocked(path, shared)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = f.Close() }() // only read
	s := new(scan)
	if err := s.readHead(f); err != nil {
		return nil, false, err
	}
	if len(s.faults) > 0 {
		err = damage(s)
	}
	return s.state.imported, s.hasState, err
}

// Hold keeps others from using a file until it is closed, so that nobody writes
// to it while it is being replaced.
func Hold(path string) (io.Closer, error) { return openLocked(path, exclusive) }
