package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
)

// temporary is a file in a directory of its own. Closing the file removes both.
type temporary struct {
	*os.File
	dir string
}

// Close closes the file. It removes the file if the system could not do so
// while it was open.
func (t temporary) Close() error { return errors.Join(t.File.Close(), os.RemoveAll(t.dir)) }

// snapshot writes the state of a view into a journal, in the directory of the
// persistence file if there is one. If that directory is full or fails, which
// is when a copy of the memory matters most, it uses the directory for
// temporary files. The journal says that it was imported from the file with
// this SHA-256, like the journal that it may replace. Closing it removes it. It
// fails when ctx ends.
func snapshot(ctx context.Context, file string, imported []byte, v *gateway.View) (io.ReadSeekCloser, error) {
	if file == "" {
		return snapshotIn(ctx, os.TempDir(), file, imported, v)
	}
	beside, err := snapshotIn(ctx, filepath.Dir(file), file, imported, v)
	if err == nil || ctx.Err() != nil {
		return beside, err
	}
	elsewhere, err2 := snapshotIn(ctx, os.TempDir(), file, imported, v)
	if err2 != nil {
		return nil, fmt.Errorf("%w; then in the directory for temporary files ($TMPDIR): %w", err, err2)
	}
	return elsewhere, nil
}

// WriteJournal writes the state of a view as a persistence file. It needs room for
// another copy in the directory of the file near, or in that for temporary files.
func WriteJournal(ctx context.Context, w io.Writer, v *gateway.View, near string) error {
	made, err := snapshot(ctx, near, nil, v)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, made)
	return errors.Join(err, made.Close())
}

func snapshotIn(ctx context.Context, dir, file string, imported []byte, v *gateway.View) (io.ReadSeekCloser, error) {
	made, err := os.MkdirTemp(dir, snapshotPrefix(file))
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(made) }() // otherwise Close removes it
	path := filepath.Join(made, "snapshot.db")
	if err := (boltjournal.File{Path: path, MustBeNew: true, Imported: imported, Receipts: v.Receipts()}).Create(until(ctx, v.EachGroup(""))); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err // it lacks groups
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return temporary{f, made}, nil
}

// until yields groups until ctx ends.
func until(ctx context.Context, groups iter.Seq[*gateway.Group]) iter.Seq[*gateway.Group] {
	return func(yield func(*gateway.Group) bool) {
		for g := range groups {
			if ctx.Err() != nil || !yield(g) {
				return
			}
		}
	}
}

// snapshotPrefix is how the names of snapshot directories begin.
func snapshotPrefix(file string) string { return "." + filepath.Base(file) + ".snapshot-" }

func removeSnapshots(file string) error {
	dir := filepath.Dir(file)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking for unfinished snapshots: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), snapshotPrefix(file)) {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}
