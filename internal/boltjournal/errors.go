package boltjournal

import "errors"

// Errors of opening a file.
var (
	// ErrDamaged means that a file does not hold what was written to it.
	ErrDamaged = errors.New("the journal is damaged")
	// errVersion means that a newer version of this program wrote the file.
	errVersion = errors.New("a newer version of this program wrote the journal")
	// ErrLocked means that another process uses the file.
	ErrLocked = errors.New("another process uses the journal")
	// ErrForeign means that a file is not a journal.
	ErrForeign = errors.New("the file is not a journal of this program")
)

// Errors of committing changes.
var (
	// ErrTaken means that the next start would not find acknowledged changes:
	// somebody has moved, removed, replaced or changed the file of an open
	// journal.
	ErrTaken  = errors.New("the file was moved, removed, replaced or changed")
	errClosed = errors.New("the gateway is stopping")
)
