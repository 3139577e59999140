//go:build unix && !aix && !solaris

package boltjournal

import (
	"errors"
	"os"
	"syscall"
)

// lock keeps other processes from writing to a file while it is looked
// through; it is the lock that bbolt takes for itself later. Closing the file
// gives it back.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// lockDir waits until nobody else is about to make a file in a directory.
// Closing the directory ends it.
func lockDir(dir *os.File) error { return syscall.Flock(int(dir.Fd()), syscall.LOCK_EX) }
