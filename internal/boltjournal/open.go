package boltjournal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"go.etcd.io/bbolt"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// open checks the file, replays it, and opens it for writing.
func (j *Journal) open(ctx context.Context) error {
	f, err := j.openOrMake()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	if j.config.Salvage {
		if f, err = j.salvage(ctx, f); err != nil {
			return err
		}
	}
	s, err := replay(ctx, f, j.apply, j.config.Progress)
	if err != nil {
		return err
	}
	if len(s.faults) > 0 {
		return damage(s)
	}
	if err := goBack(f, s); err != nil {
		return err
	}
	if s.before {
		j.config.Logger.Warn("Going back to the state before the last write of the journal: the machine stopped before that write was on disk, and before anybody was told of it", "file", j.config.Path, "revision", s.state.revision)
	}
	if err := secure(f, s); err != nil {
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
		return errors.Join(ErrLocked, j.shut()) // held briefly by a process that has changed it
	}
	j.state.receipts, j.state.receiptSum = s.state.receipts, s.state.receiptSum
	j.revision, j.origin = j.state.revision, j.state.imported
	return nil
}

// begin opens the file at the path for writing. looked holds the lock on the
// file that was checked; bbolt takes it over.
func (j *Journal) begin(looked *os.File) (err error) {
	if j.pin, err = os.Open(j.config.Path); err != nil {
		return err
	}
	if j.left, err = j.pin.Stat(); err != nil {
		return err
	}
	_ = looked.Close() // only read
	if j.db, err = openBolt(j.config.Path, j.left); err != nil {
		return err
	}
	j.state, err = j.stored()
	j.tried = j.state
	return err
}

// stored reads the state in the file.
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

// Imported returns the SHA-256 of the file that an open journal was made from,
// or nil.
func (j *Journal) Imported() []byte { return j.origin }

// openOrMake opens the file, and creates it if there is none.
func (j *Journal) openOrMake() (*os.File, error) {
	f, err := openLocked(j.config.Path, exclusive)
	if errors.Is(err, fs.ErrNotExist) {
		if err := (File{Path: j.config.Path, MustBeNew: true}).Create(noGroups); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err = openLocked(j.config.Path, exclusive)
	}
	return f, err
}

func noGroups(func(*gateway.Group) bool) {}

// openLocked opens a file and keeps other processes from writing to it. It only
// reads, but fails early if the file is not writable.
func openLocked(path string, how lockKind) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is not a regular file; name a regular file, which need not exist yet", ErrForeign)
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

// stillAt checks that the locked file is still the one at the path. The process
// that held the lock before may have replaced it.
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

// secure syncs what was read of an intact file. Without it, a crash of the
// machine could take away a change that reading has shown: one of a process
// that was killed before the sync, or one whose sync failed, since the system
// then gives up on the pages but still shows them. Building on such pages would
// overwrite what is still needed. Only the last commit can be affected, and its
// meta page. The name of the file can be as new as they are.
func secure(f *os.File, s *scan) error {
	if s.unconfirmed && !s.before {
		if err := s.rewrite(f); err != nil {
			return err
		}
	}
	for id := range uint64(2) {
		b, err := readWholeMeta(f, id, s.meta.pageSize)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(b, int64(id)*int64(s.meta.pageSize)); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if s.unconfirmed && !s.before {
		if err := s.confirm(f); err != nil {
			return err
		}
	}
	err := syncName(f.Name())
	if errors.Is(err, fs.ErrPermission) {
		return nil // whoever may not read the directory has not named a file in it
	}
	return err
}

// openWhole checks this file, or any file if this is nil, and opens it for
// writing if it is intact and holds one of these states, or any if there are
// none.
func openWhole(path string, this os.FileInfo, wanted ...*state) (*bolt, error) {
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
	if len(wanted) > 0 && !slices.ContainsFunc(wanted, s.state.holds) {
		return nil, errInDoubt
	}
	if err := errors.Join(goBack(f, s), secure(f, s)); err != nil {
		return nil, err
	}
	_ = f.Close() // passes the lock on to bbolt
	return openBolt(path, this)
}

func damage(s *scan) error {
	more := ""
	if n := len(s.faults); n > 1 {
		more = fmt.Sprintf(" (first of %d faults)", n)
	}
	return fmt.Errorf("%w: %s%s. The file was not changed", ErrDamaged, s.faults[0], more)
}

// wasteful reports whether most of the file is unused.
func (s *scan) wasteful() bool {
	const worthwhile = 1 << 20 // bytes
	return s.free() > int(s.meta.pages)/2 && s.free()*int(s.meta.pageSize) > worthwhile
}

// compact rewrites the file without unused pages. On failure the file stays as
// it is, which does no harm. It returns an error only if the file has changed
// since it was checked.
func (j *Journal) compact(f *os.File, s *scan) error {
	all, err := entries(f, s)
	if err != nil {
		return err
	}
	before := j.Size()
	next := s.state
	err = File{Path: j.config.Path, Receipts: slices.Values(s.receipts)}.create(&next, slices.Values(all))
	switch {
	case err == nil:
		j.config.Logger.Info("Shrank the journal, which was mostly empty", "file", j.config.Path, "bytes_before", before, "bytes", j.Size())
	case stillAt(j.config.Path, f) == nil:
		j.config.Logger.Warn("Could not shrink the journal, which is mostly empty", "file", j.config.Path, "err", err)
	default: // the new file is in place, but a crash of the machine may bring back the old one
		j.debt = make(map[grouping.Key][]byte)
		_ = j.fail(err)
	}
	return nil
}

// Summary is what a file says about itself, and what is wrong with it.
type Summary struct {
	Format   int
	Revision gateway.Revision
	Faults   []Fault
}

// Read passes all intact groups and receipts of a file to apply, without changing the file.
// Damaged groups are no error: the summary lists their faults.
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

// SetOrigin records in an intact journal what it was imported from.
func SetOrigin(path string, imported []byte) error {
	db, err := openWhole(path, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		var now state // another process may just have changed it
		if err := now.unmarshal(tx.Bucket(stateBucket).Get(stateKey)); err != nil {
			return err
		}
		now.imported = imported
		return putState(tx, &now)
	})
	if err == nil {
		err = db.Update(func(*bbolt.Tx) error { return nil }) // confirms it
	}
	return errors.Join(err, db.Close())
}

// Origin returns the SHA-256 of the file that a journal was imported from, or
// nil. It reads no more than necessary. known reports whether the journal says
// so, which a damaged one may still do.
func Origin(path string) (imported []byte, known bool, err error) {
	f, err := openLocked(path, shared)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = f.Close() }() // only read
	s, err := readOrigin(f)
	if err != nil {
		return nil, false, err
	}
	if len(s.faults) > 0 {
		err = damage(s)
	}
	return s.state.imported, s.hasState, err
}

// readOrigin reads everything except the groups, of the state before the last
// commit if that one is torn.
func readOrigin(f *os.File) (*scan, error) {
	s := new(scan)
	err := s.readHead(f)
	if s.unconfirmed && (err != nil || len(s.faults) > 0) {
		before := &scan{before: true}
		if err := before.readHead(f); err == nil && len(before.faults) == 0 && before.mayPrecedeTorn(s, false) {
			return before, nil
		}
	}
	return s, err
}

// Hold locks a file until it is closed, so that no other process writes to it
// while it is being replaced.
func Hold(path string) (io.Closer, error) { return openLocked(path, exclusive) }
