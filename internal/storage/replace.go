package storage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"pushgateway/internal/boltjournal"
)

// File is a file for others to use: a backup or an export.
type File struct {
	Path string
	// From is the file that it is made from, which it must not replace. A file
	// that replaces nothing gets the owner of From. Empty for none.
	From string
	// Check is called with the file before it gets its name. It may be nil.
	Check func(path string) error
}

// Write writes a file beside the path and renames it, with the mode and the
// owner of the file that it replaces, if there is one. Where the path is a link, it
// does that where the link points to. It replaces neither what is no regular file nor
// a file that a gateway is using. After a failure nothing has changed.
func (f File) Write(write func(io.Writer) error) (err error) {
	if f.Path, err = resolve(f.Path); err != nil {
		return err
	}
	if err := f.replaceable(); err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(f.Path), filepath.Base(f.Path)+".partial-")
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the directory %s does not exist; create it first", filepath.Dir(f.Path))
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(out.Name()))
		}
	}()
	w := bufio.NewWriter(out)
	if err := errors.Join(write(w), w.Flush(), out.Sync(), out.Close()); err != nil {
		return err
	}
	if f.Check != nil {
		if err := f.Check(out.Name()); err != nil {
			return err
		}
	}
	return f.replace(out.Name())
}

// resolve follows a link, which then stays.
func resolve(path string) (string, error) {
	info, err := os.Stat(path)
	to, linkErr := os.Readlink(path)
	switch {
	case err == nil && !info.Mode().IsRegular(), errors.Is(err, fs.ErrNotExist) && linkErr != nil:
		return path, nil // it is no file, or there is none yet
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s is a link to %s, which does not exist; remove the link, or name the file itself", path, to)
	case err != nil:
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// replaceable finds early what would prevent the rename.
func (f File) replaceable() error {
	info, err := os.Stat(f.Path)
	if err != nil {
		return nil // there is nothing to replace
	}
	if err := regular(info); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if from, err := os.Stat(f.From); err == nil && os.SameFile(info, from) {
		return fmt.Errorf("%s is the file to read from; write to another file", f.Path)
	}
	held, err := f.hold()
	return errors.Join(err, held.Close())
}

// replace gives a file its name. It locks the file that it replaces: a process
// that used it meanwhile would lose its writes.
func (f File) replace(made string) error {
	held, err := f.hold()
	if err != nil {
		return err
	}
	defer held.Close()
	return boltjournal.Replace(made, f.Path, f.From)
}

// hold keeps gateways from using the file at the path. The file may be missing,
// or not be a journal.
func (f File) hold() (io.Closer, error) {
	held, err := boltjournal.Hold(f.Path)
	switch {
	case errors.Is(err, boltjournal.ErrLocked):
		return nobody{}, Explain(fmt.Errorf("replacing %s: %w", f.Path, err))
	case err != nil:
		return nobody{}, nil
	}
	return held, nil
}

// nobody holds nothing.
type nobody struct{}

func (nobody) Close() error { return nil }
