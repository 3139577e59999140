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

// lookEvery is how often a journal looks for its file while nothing is written.
const lookEvery = 500 * time.Millisecond

// What may have become of the file of an open journal. A file that was put back
// is used again; one that is another is never touched.
var (
	errRemoved  = taken("nothing is there any more. Put it back, " + orRestart)
	errReplaced = taken("another file is there, which is left alone. Move that away and put the gateway's own back, " + orRestart)
	errCutOff   = taken("it was cut off. Move it away, " + andRestart)
	errFault    = taken("a part of it cannot be read: it was cut off, or the disk fails. Move it away, " + andRestart)
	errInDoubt  = taken("what it holds does not add up. Move it away, " + andRestart)
)

func taken(how string) error { return fmt.Errorf("%w: %s", ErrTaken, how) }

// How to go on if there is nothing to put back.
const (
	orRestart  = "or leave nothing there and restart the gateway: as it ends it writes all groups to a new file"
	andRestart = "and restart the gateway: as it ends it writes all groups to a new file"
)

// where finds the file where the next start will look for it.
func (j *Journal) where() (os.FileInfo, error) {
	now, err := os.Stat(j.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, errRemoved
	case err != nil:
		return nil, fmt.Errorf("%w: it cannot be looked for: %w. Let the gateway's user reach it again", ErrTaken, err)
	case !os.SameFile(j.left, now):
		return nil, errReplaced
	}
	return now, nil
}

// look makes sure that the file is still there, and as the last write has left
// it. If somebody else has written to it since, it has to be looked through.
func (j *Journal) look() error {
	now, err := j.where()
	switch {
	case err != nil:
		return j.fail(err)
	case j.debt != nil:
		return nil // settle looks through it
	case now.Size() == j.left.Size() && now.ModTime().Equal(j.left.ModTime()):
		j.works()
		return nil
	}
	j.Logger.Warn("Somebody else has written to the journal, or has set its time: it is looked through", "file", j.Name, "bytes", now.Size(), "bytes_before", j.left.Size(), "modified", now.ModTime())
	j.debt, j.tried, j.retry = make(map[grouping.Key][]byte), j.state, time.Time{}
	return nil
}

// leave notes how a write has left the file. It fails if what was written is
// not where the next start looks for it.
func (j *Journal) leave() error {
	now, err := j.where()
	if err != nil {
		return err
	}
	if now.Size() < j.left.Size() {
		return errCutOff // bbolt only lets it grow
	}
	j.left = now
	return nil
}

// watch looks for the file while nothing is written. Once it is back what waits
// is written.
func (j *Journal) watch() {
	before := j.Trouble()
	_ = j.look() // fail has noted it
	back := before != nil && j.Trouble() == nil
	changed := j.debt != nil && before == nil
	if back || changed || j.debt != nil && j.Err() != nil {
		j.commit(nil)
	}
}

// explain adds to an error of writing which file that is about, and what can be
// done.
func (j *Journal) explain(err error) error {
	switch {
	case errors.Is(err, ErrTaken):
		return fmt.Errorf("the journal %s: %w", j.Name, err)
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrForeign):
		return fmt.Errorf("the journal %s: %w: %w. Move it away, %s", j.Name, ErrTaken, err, andRestart)
	}
	return fmt.Errorf("writing the journal %s: %w", j.Name, err)
}

// transact writes in one transaction. Bbolt's Update is not used, since after a
// fault it reads the file to roll back, which is another one, in a goroutine of
// its own.
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
		return tx.Commit()
	})
}

// guard calls what uses bbolt. If somebody cuts the file off meanwhile, or the
// disk fails, reading it where it is mapped into memory is a fault, which ends a
// process that does not expect it. Bbolt holds its locks then, and is not used
// again.
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
		_ = j.db.file.Close() // gives the lock back
		j.db, err = nil, errFault
	}()
	return use()
}
