//go:build unix && !aix && !solaris

package boltjournal

import (
	"errors"
	"os"
	"syscall"
)

// lockKind tells whether others may read meanwhile.
type lockKind int

const (
	shared    lockKind = syscall.LOCK_SH
	exclusive lockKind = syscall.LOCK_EX
)

// lock keeps other processes from writing to a file while it is looked
// through; it is the lock that bbolt takes for itself later. Closing the file
// gives it back.
func lock(f *os.File, how lockKind) error {
	err := syscall.Flock(int(f.Fd()), int(how)|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// lockDir waits until nobody else is about to make a file in a directory.
// Closing the directory ends it.
func lockDir(dir *os.File) error { return syscall.Flock(int(dir.Fd()), syscall.LOCK_EX) }
