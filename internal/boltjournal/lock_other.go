//go:build !unix || aix || solaris

package boltjournal

import "os"

// lock does nothing where the system has no lock of the kind: bbolt takes its
// own when it opens the file.
func lock(*os.File) error { return nil }

func lockDir(*os.File) error { return nil }
