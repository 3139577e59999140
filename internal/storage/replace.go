package storage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"pushgateway/internal/boltjournal"
)

// File is one that is written for others: a backup, or an export.
type File struct {
	Path string
	// From is what it is made of, which it must not replace. It gets the owner of
	// that if it replaces nothing. None if empty.
	From string
	// Check looks at the file before it gets its name; nobody does if it is nil.
	Check func(path string) error
}

// Write writes a file beside the path and renames it, with the mode and the
// owner of the one that it replaces, if there is one. It replaces none that a
// gateway is using. If it fails nothing has changed.
func (f File) Write(write func(io.Writer) error) (err error) {
	if err := f.replaceable(); err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(f.Path), filepath.Base(f.Path)+".partial-")
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

// replaceable finds out early what would be in the way in the end.
func (f File) replaceable() error {
	info, err := os.Stat(f.Path)
	if err != nil {
		return nil // there is nothing to be replaced
	}
	if info.IsDir() {
		return fmt.Errorf("%s: %w", f.Path, errDirectory)
	}
	if from, err := os.Stat(f.From); err == nil && os.SameFile(info, from) {
		return fmt.Errorf("%s is what is being read: write to another file", f.Path)
	}
	held, err := f.hold()
	return errors.Join(err, held.Close())
}

// replace gives a file its name. Nobody may use the one that it takes the place
// of meanwhile, or what that takes then is lost.
func (f File) replace(made string) error {
	held, err := f.hold()
	if err != nil {
		return err
	}
	defer held.Close()
	return boltjournal.Replace(made, f.Path, f.From)
}

// hold keeps gateways from using the file at the path. It need not be there,
// nor be a journal.
func (f File) hold() (io.Closer, error) {
	held, err := boltjournal.Hold(f.Path)
	switch {
	case errors.Is(err, boltjournal.ErrLocked):
		return nobody{}, Explain(fmt.Errorf("%s cannot be replaced: %w", f.Path, err))
	case err != nil:
		return nobody{}, nil
	}
	return held, nil
}

// nobody holds nothing.
type nobody struct{}

func (nobody) Close() error { return nil }
