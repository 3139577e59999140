//go:build !unix || aix || solaris

package boltjournal

import "os"

type lockKind int

const (
	shared lockKind = iota
	exclusive
)

// lock does nothing where the system has no such lock. bbolt takes its own when
// it opens the file.
func lock(*os.File, lockKind) error { return nil }

func lockDir(*os.File) error { return nil }
