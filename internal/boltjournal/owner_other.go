//go:build !unix

package boltjournal

import "io/fs"

// chownLike does nothing on systems where a new file inherits the rights of its
// directory.
func chownLike(string, fs.FileInfo) error { return nil }
