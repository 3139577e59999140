//go:build unix

package boltjournal

import (
	"io/fs"
	"os"
	"syscall"
)

// chownLike gives a file the owner and the group of another one.
func chownLike(path string, other fs.FileInfo) error {
	want := other.Sys().(*syscall.Stat_t)
	return os.Chown(path, int(want.Uid), int(want.Gid))
}
