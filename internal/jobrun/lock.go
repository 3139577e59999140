package jobrun

import (
	"fmt"

	"github.com/gofrs/flock"
)

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
		return nil, fmt.Errorf("the command is not run: another one has the lock %s", path)
	}
	return func() { _ = l.Close() }, nil // which the end of the process does too
}
