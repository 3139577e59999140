package boltjournal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"pushgateway/internal/grouping"
)

// lookEvery is how often an idle journal checks that its file is still there.
const lookEvery = 500 * time.Millisecond

// What may have happened to the file of an open journal. A file that was put
// back is used again. Another file is never touched.
var (
	errRemoved  = taken("it was removed. Put it back, " + orRestart)
	errReplaced = taken("another file is in its place, which is left alone. Move that one away and put the gateway's file back, " + orRestart)
	errCutOff   = taken("it was truncated. Move it away, " + andRestart)
	errFault    = taken("a part of it cannot be read: it was truncated, or the disk fails. Move it away, " + andRestart)
	errInDoubt  = taken("its content does not add up. Move it away, " + andRestart)
)

func taken(how string) error { return fmt.Errorf("%w: %s", ErrTaken, how) }

// What to do if there is no file to put back.
const (
	orRestart  = "or leave the place empty and restart the gateway: it writes all groups to a new file as it stops"
	andRestart = "and restart the gateway: it writes all groups to a new file as it stops"
)

// where finds the file at the place where the next start will look for it.
func (j *Journal) where() (os.FileInfo, error) {
	now, err := os.Stat(j.config.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, errRemoved
	case err != nil:
		return nil, fmt.Errorf("%w: looking for it: %w. Give the gateway's user access to it again", ErrTaken, err)
	case !os.SameFile(j.left, now):
		return nil, errReplaced
	}
	return now, nil
}

// look checks that the file is still there, and unchanged since the last write.
// If somebody else has written to it, it must be checked again.
func (j *Journal) look() error {
	now, err := j.where()
	switch {
	case err != nil:
		return j.fail(err)
	case j.debt != nil:
		return nil // settle checks it
	case now.Size() == j.left.Size() && now.ModTime().Equal(j.left.ModTime()):
		j.works()
		return nil
	}
	j.config.Logger.Warn("Another process has changed the journal or its modification time; checking the whole file", "file", j.config.Name, "bytes", now.Size(), "bytes_before", j.left.Size(), "modified", now.ModTime())
	j.debt, j.tried, j.retry = make(map[grouping.Key][]byte), j.state, time.Time{}
	return nil
}

// leave records the state of the file after a write. It fails if the file is
// not where the next start looks for it.
func (j *Journal) leave() error {
	now, err := j.whole()
	if err == nil {
		j.left = now
	}
	return err
}

// whole finds the file, which must not be shorter than it was: bbolt only ever grows
// it.
func (j *Journal) whole() (os.FileInfo, error) {
	now, err := j.where()
	if err == nil && now.Size() < j.left.Size() {
		err = errCutOff
	}
	return now, err
}

// watch looks for the file while nothing is written. Once the file is back, it
// writes what waits.
func (j *Journal) watch() {
	before := j.Trouble()
	idle := time.Since(j.written) >= lookEvery
	if j.look() == nil && j.debt == nil && idle { // otherwise fail has recorded why
		j.syncConfirmed()
	}
	back := before != nil && j.Trouble() == nil
	changed := j.debt != nil && before == nil
	if back || changed || j.debt != nil && j.Err() != nil {
		j.commit(nil)
	}
}

// explain adds the file and what to do to an error of writing.
func (j *Journal) explain(err error) error {
	switch {
	case errors.Is(err, ErrTaken):
		return fmt.Errorf("the journal %s: %w", j.config.Name, err)
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrForeign):
		return fmt.Errorf("the journal %s: %w: %w. Move it away, %s", j.config.Name, ErrTaken, err, andRestart)
	}
	return fmt.Errorf("writing the journal %s: %w", j.config.Name, err)
}

// transact writes in one transaction, and waits until that is on disk. It does not
// use bbolt's Update: after a fault that reads the file to roll back, and the file
// is another one by then, in a goroutine of its own.
func (j *Journal) transact(change func(*bbolt.Tx) error) error {
	return j.guard(func() error {
		tx, err := j.db.Begin(true)
		if err != nil {
			return err
		}
		if err := change(tx); err != nil {
			_ = tx.Rollback() // the first error says more
			return err
		}
		commit := uint64(tx.ID())
		if err := tx.Commit(); err != nil {
			return err
		}
		if err := j.db.Sync(); err != nil {
			return err
		}
		return j.db.confirm(commit)
	})
}

// guard calls f, which uses bbolt. If the file is truncated meanwhile, or the
// disk fails, reading the mapped file is a fault, which normally ends the
// process. guard turns it into an error. bbolt then holds its locks and must
// not be used again.
func (j *Journal) guard(use func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if _, fault := p.(interface {
			runtime.Error
			Addr() uintptr
		}); !fault {
			panic(p)
		}
		_ = j.db.file.Close() // releases the lock
		j.db, err = nil, errFault
	}()
	return use()
}
