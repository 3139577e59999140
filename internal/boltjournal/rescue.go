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

// Rescue writes groups, sorted by key, to a file for the next start, and gives
// its path. It is for a journal that was closed with ErrTaken. No file is
// replaced: if there is one, or the directory is gone, the groups lie elsewhere,
// and the error says where.
func (j *Journal) Rescue(groups iter.Seq[*gateway.Group]) (path string, err error) {
	path = j.vacancy()
	aside, err := j.writeAside(path, groups)
	if err != nil {
		return "", fmt.Errorf("the groups in memory are lost: %w", err)
	}
	// A second name is only given where there is none yet.
	if err := os.Link(aside, path); err == nil && j.leadsTo(aside) {
		return path, errors.Join(os.Remove(aside), syncName(path))
	}
	return "", fmt.Errorf("all groups are in %s: move it to %s, where no file must be, to go on with them", aside, j.Name)
}

// vacancy is where the next start looks for the file if there is none: the end
// of a link, if that is what was named.
func (j *Journal) vacancy() string {
	to, err := os.Readlink(j.Name)
	if err != nil {
		return j.Name
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(filepath.Dir(j.Name), to)
	}
	return to
}

// writeAside writes groups to a new file beside the path, or among temporary
// files, with the mode and the owner of the one that was taken away.
func (j *Journal) writeAside(path string, groups iter.Seq[*gateway.Group]) (string, error) {
	name := filepath.Base(path) + ".rescued-" + time.Now().UTC().Format("20060102T150405.000Z")
	var errs []error
	for _, dir := range []string{filepath.Dir(path), os.TempDir()} {
		made := File{Path: filepath.Join(dir, name), MustBeNew: true, Imported: j.origin}
		err := made.Create(groups)
		if err == nil {
			handOver(made.Path, j.left)
			return made.Path, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// leadsTo tells whether the next start finds this file.
func (j *Journal) leadsTo(path string) bool {
	found, err := os.Stat(j.Name)
	if err != nil {
		return false
	}
	made, err := os.Stat(path)
	return err == nil && os.SameFile(found, made)
}

// handOver gives a file the owner and the mode of another, as far as the process
// may. Without that owner the mode stays what it is.
func handOver(made string, like fs.FileInfo) {
	if chownLike(made, like) == nil {
		_ = os.Chmod(made, like.Mode().Perm())
	}
}
