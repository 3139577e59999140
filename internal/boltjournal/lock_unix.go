//go:build unix && !aix && !solaris

package boltjournal

import (
	"errors"
	"os"
	"syscall"
)

// lockKind is shared for a file that is only read, and exclusive otherwise.
type lockKind int

const (
	shared    lockKind = syscall.LOCK_SH
	exclusive lockKind = syscall.LOCK_EX
)

// lock keeps other processes from writing to a file while it is checked. It is
// the lock that bbolt takes later. Closing the file releases it.
func lock(f *os.File, how lockKind) error {
	err := syscall.Flock(int(f.Fd()), int(how)|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// lockDir waits until no other process is about to create a file in a
// directory. Closing the directory releases the lock.
func lockDir(dir *os.File) error { return syscall.Flock(int(dir.Fd()), syscall.LOCK_EX) }
