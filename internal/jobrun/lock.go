package jobrun

import (
	"errors"
	"fmt"

	"github.com/gofrs/flock"
)

var errLocked = errors.New("another one has the lock")

// lock takes the lock of a file, and gives the function that lets it go. The
// file stays: to remove it would let two have it.
func lock(path string) (unlock func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	l := flock.New(path)
	switch got, err := l.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("the command is not run: locking %s: %w", path, err)
	case !got:
		return nil, fmt.Errorf("the command is not run: %w %s", errLocked, path)
	}
	return func() { _ = l.Close() }, nil // which the end of the process does too
}
