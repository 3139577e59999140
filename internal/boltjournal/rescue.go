package boltjournal

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"pushgateway/internal/gateway"
)

// Rescue writes groups, sorted by key, and receipts to a file for the next start, and
// returns its path. It is for a journal that was closed with ErrTaken. It
// replaces no file: if there is one, or the directory is gone, it writes the
// groups elsewhere, and the error says where.
func (j *Journal) Rescue(groups iter.Seq[*gateway.Group], receipts iter.Seq[gateway.Receipt]) (path string, err error) {
	path = j.vacancy()
	aside, err := j.writeAside(path, groups, receipts)
	if err != nil {
		return "", fmt.Errorf("the groups in memory are lost: %w", err)
	}
	// A hard link is only created if the name is free.
	if err := os.Link(aside, path); err == nil && j.leadsTo(aside) {
		return path, errors.Join(os.Remove(aside), syncName(path))
	}
	return "", fmt.Errorf("all groups are in %s; to use them, move that file to %s, where no file may be", aside, j.config.Name)
}

// vacancy is where the next start looks for the file if there is none: the
// target of a link, if the path is one.
func (j *Journal) vacancy() string {
	to, err := os.Readlink(j.config.Name)
	if err != nil {
		return j.config.Name
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(filepath.Dir(j.config.Name), to)
	}
	return to
}

// writeAside writes groups to a new file beside the path, or in the directory
// for temporary files, with the mode and the owner of the file that was taken
// away.
func (j *Journal) writeAside(path string, groups iter.Seq[*gateway.Group], receipts iter.Seq[gateway.Receipt]) (string, error) {
	name := filepath.Base(path) + ".rescued-" + time.Now().UTC().Format("20060102T150405.000Z")
	var errs []error
	for _, dir := range []string{filepath.Dir(path), os.TempDir()} {
		made := File{Path: filepath.Join(dir, name), MustBeNew: true, Imported: j.origin, Receipts: receipts}
		err := made.Create(groups)
		if err == nil {
			handOver(made.Path, j.left)
			return made.Path, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// leadsTo reports whether the next start finds this file.
func (j *Journal) leadsTo(path string) bool {
	found, err := os.Stat(j.config.Name)
	if err != nil {
		return false
	}
	made, err := os.Stat(path)
	return err == nil && os.SameFile(found, made)
}

// handOver gives a file the owner and the mode of another, as far as the
// process may. If it cannot set the owner, it keeps the mode.
func handOver(made string, like fs.FileInfo) {
	if chownLike(made, like) == nil {
		_ = os.Chmod(made, like.Mode().Perm())
	}
}
