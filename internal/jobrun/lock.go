package jobrun

import (
	"errors"
	"fmt"

	"github.com/gofrs/flock"
)

var errLocked = errors.New("another run holds the lock")

// lock locks a file and returns the function that unlocks it. The file stays:
// if it were removed, two processes could each hold a lock.
func lock(path string) (unlock func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	l := flock.New(path)
	switch got, err := l.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("not running the command: locking %s: %w", path, err)
	case !got:
		return nil, fmt.Errorf("not running the command: %w %s", errLocked, path)
	}
	return func() { _ = l.Close() }, nil // the end of the process unlocks it too
}
