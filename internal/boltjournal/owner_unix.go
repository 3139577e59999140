//go:build unix

package boltjournal

import (
	"io/fs"
	"os"
	"syscall"
)

// chownLike changes the owner and the group of a file to those of another file.
func chownLike(path string, other fs.FileInfo) error {
	want := other.Sys().(*syscall.Stat_t)
	return os.Chown(path, int(want.Uid), int(want.Gid))
}
