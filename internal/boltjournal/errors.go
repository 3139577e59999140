package boltjournal

import "errors"

// When a file is opened.
var (
	// ErrDamaged says that a file is not what was written to it.
	ErrDamaged = errors.New("the journal is damaged")
	// ErrVersion says that a newer version of this program wrote the file.
	ErrVersion = errors.New("a newer version of this program wrote the journal")
	// ErrLocked says that another process uses the file.
	ErrLocked = errors.New("another process uses the journal")
	// ErrForeign says that a file is no journal at all.
	ErrForeign = errors.New("it is not a journal of this program")
)

// When changes are committed.
var (
	// ErrTaken says that the next start would not find what was acknowledged:
	// somebody else has moved, removed, replaced or changed the file of an open
	// journal.
	ErrTaken  = errors.New("the file was taken away or changed")
	errClosed = errors.New("the gateway is being stopped")
)
