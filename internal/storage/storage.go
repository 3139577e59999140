// Package storage decides where groups are kept: only in memory, in the journal
// that --persistence.file means, or in a stream that several members share. No
// other package distinguishes them.
//
// The file is the journal itself, unless Pushgateway 1.11 has written it. Then
// the file stays as it is, its groups are imported once, and the journal lies
// beside it with ".db" after its name. So 1.11 can be started again at any
// time, though it overwrites files that it cannot read.
package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"syscall"
	"time"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/gobfile"
)

// Suffix is the suffix of the journal beside a file of Pushgateway 1.11.
const Suffix = ".db"

// Config says where groups are kept.
type Config struct {
	// Cluster is the stream that members share, or nil. Then File must be empty.
	Cluster *Cluster
	// File is the persistence file. If it is empty and there is no stream, groups
	// are only kept in memory, and the other fields have no meaning.
	File     string
	Interval time.Duration
	Salvage  bool
	Logger   *slog.Logger
	// Written is called after each attempt to write to the journal.
	Written func(changes, bytes int, took time.Duration, err error)
	// Progress is called with the number of groups replayed and their total.
	Progress func(done, all int)
	// Waiting is called with what the start waits for, and with nil once it waits
	// for nothing more. It may be nil.
	Waiting func(error)
	// Reading receives a copy of what is read from a file of Pushgateway 1.11, to
	// show progress. It may be nil.
	Reading io.Writer
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// find returns the path of the journal, and the file that it must be made from:
// nil unless it lies beside a file of Pushgateway 1.11.
func (c Config) find(ctx context.Context) (path string, origin []byte, err error) {
	beside := c.File + Suffix
	legacy, err := isLegacy(c.File)
	switch {
	case errors.Is(err, fs.ErrNotExist) && exists(beside):
		c.Logger.Info("The persistence file is gone; continuing with the journal imported from it", "file", c.File, "journal", beside)
		return beside, nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return c.File, nil, c.dangling()
	case err != nil:
		return "", nil, fmt.Errorf("the persistence file %s: %w", c.File, err)
	case !legacy:
		if exists(beside) {
			c.Logger.Warn("The persistence file is a journal itself; ignoring the one beside it", "file", c.File, "beside", beside)
		}
		return c.File, nil, nil
	}
	origin, err = c.bringOver(ctx, beside)
	return beside, origin, err
}

// dangling returns an error if the path is a link to a missing file.
func (c Config) dangling() error {
	if to, err := os.Readlink(c.File); err == nil {
		return fmt.Errorf("the persistence file %s: it is a link to %s, which does not exist; remove the link, or name the file itself", c.File, to)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

var (
	errDirectory = errors.New("it is a directory; name a file in it, which need not exist yet")
	errSpecial   = errors.New("it is a device, a pipe or a socket; name a regular file, which need not exist yet")
)

// regular returns an error for what is no regular file.
func regular(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return errDirectory
	case !info.Mode().IsRegular():
		return errSpecial
	}
	return nil
}

// withoutPath removes the path from an error that is wrapped with the path.
func withoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

var errEmpty = errors.New("it is empty, which a journal never is: its content was lost. Remove it to start without groups, or restore a backup")

// isLegacy reports whether Pushgateway 1.11 may have written a file.
func isLegacy(path string) (bool, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return false, withoutPath(err)
	case regular(info) != nil:
		return false, regular(info)
	case info.Size() == 0:
		return false, errEmpty
	}
	f, err := os.Open(path)
	if err != nil {
		return false, withoutPath(err)
	}
	defer f.Close()
	head := make([]byte, gobfile.SniffLen)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return gobfile.Is(head[:n]), nil
}

// changedError means that a file of Pushgateway 1.11 is not the one that the
// journal was made from.
type changedError struct{ File, Journal string }

func (e *changedError) Error() string {
	return fmt.Sprintf("the persistence file %s is not the one that %s was made from: Pushgateway 1.11 has written it since, or it was replaced. Neither was changed. Choose one of them:\n"+
		"  pushgateway import --replace %[1]s   uses the groups of %[1]s, and keeps the present %[2]s under another name\n"+
		"  pushgateway import --keep %[1]s      continues with %[2]s, and ignores what is new in %[1]s", e.File, e.Journal)
}

// bringOver checks that the journal beside the file was made from it, and
// returns the hash of the file.
func (c Config) bringOver(ctx context.Context, journal string) ([]byte, error) {
	if !exists(journal) {
		return nil, c.load(ctx, journal, true)
	}
	return c.compare(journal)
}

// compare checks that a journal was made from the file as it is now, and
// returns the hash of the file. It accepts a journal to be salvaged that no
// longer says what it was made from.
func (c Config) compare(journal string) ([]byte, error) {
	sum, err := hash(c.File)
	if err != nil {
		return nil, fmt.Errorf("the persistence file %s: %w", c.File, err)
	}
	origin, known, err := boltjournal.Origin(journal)
	switch {
	case c.Salvage && errors.Is(err, boltjournal.ErrDamaged) && !known:
		c.Logger.Warn("The journal no longer says which file it was made from; if Pushgateway 1.11 has run since, what is new in its file is ignored", "journal", journal, "file", c.File)
		return sum, nil
	case err != nil && !(c.Salvage && errors.Is(err, boltjournal.ErrDamaged)):
		return nil, fmt.Errorf("the journal %s: %w", journal, err)
	case !bytes.Equal(origin, sum):
		return nil, &changedError{c.File, journal}
	}
	return sum, nil
}

func hash(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// load makes the journal from a file of Pushgateway 1.11. It reads the file
// twice, and fails if the file changes in between.
func (c Config) load(ctx context.Context, journal string, mustBeNew bool) error {
	before, err := hash(c.File)
	if err != nil {
		return fmt.Errorf("the persistence file %s: %w", c.File, err)
	}
	content, err := readLegacy(c.File, c.Reading)
	if err != nil {
		return err
	}
	if after, err := hash(c.File); err != nil || !bytes.Equal(before, after) {
		return errors.Join(fmt.Errorf("the persistence file %s: it changes while it is read; stop Pushgateway 1.11 first if it is still running", c.File), err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, p := range content.Problems {
		c.Logger.Warn("Left out of the import, since no scrape could expose it", "group", p.Key.Excerpt(), "family", excerpt.Line(p.Family, excerpt.Most), "err", p.Err)
	}
	if content.Unlisted > 0 {
		c.Logger.Warn("Left out more of the import", "families", content.Unlisted)
	}
	made := boltjournal.File{Path: journal, MustBeNew: mustBeNew, Imported: before, OwnedLike: c.File, Receipts: slices.Values(content.Receipts)}
	err = made.Create(slices.Values(content.Groups))
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("importing %s: another process has just made the journal %s from it; start again to use that journal, or stop that process first", c.File, journal)
	}
	if err != nil {
		return fmt.Errorf("importing %s: making the journal %s: %w", c.File, journal, err)
	}
	c.Logger.Info("Imported the file of Pushgateway 1.11, which stays unchanged", "file", c.File, "groups", len(content.Groups), "journal", journal)
	return nil
}

// readLegacy reads a file of Pushgateway 1.11. It copies what it reads to
// reading, unless that is nil.
func readLegacy(path string, reading io.Writer) (*gobfile.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the persistence file %s: %w", path, err)
	}
	defer f.Close()
	in := io.Reader(f)
	if reading != nil {
		in = io.TeeReader(f, reading)
	}
	content, err := gobfile.Read(in)
	if err != nil {
		return nil, fmt.Errorf("the persistence file %s: it looks like one of Pushgateway 1.11, but cannot be read: %w. The file was not changed. Restore a backup, or move the file away to start without groups", path, err)
	}
	return content, nil
}

// Explain adds what to do to the error of a journal that could not be opened.
func Explain(err error) error {
	switch {
	case errors.Is(err, boltjournal.ErrDamaged):
		return fmt.Errorf("%w. Run pushgateway verify to list all faults. Restore a backup, or start with --persistence.salvage to continue with the intact groups; the damaged file is kept under another name", err)
	case errors.Is(err, boltjournal.ErrLocked):
		return fmt.Errorf("%w; stop that process first, or name another file. To copy the groups of a running gateway, use `pushgateway backup`", err)
	case errors.Is(err, boltjournal.ErrForeign):
		return fmt.Errorf("%w. The file was not changed. Name another file, move this one away, or restore a backup if it was a journal", err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w; create the directory first, or name a file in another one", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w; mount the file system for writing, or name a file in another one", err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w; free some space, or name a file in another file system", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; let the gateway's user read and write the file, and create files in its directory", err)
	}
	return err
}
