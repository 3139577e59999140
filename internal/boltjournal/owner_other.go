//go:build !unix

package boltjournal

import "io/fs"

// chownLike does nothing where a new file has the rights of its directory.
func chownLike(string, fs.FileInfo) error { return nil }
