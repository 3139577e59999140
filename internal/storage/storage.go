// Package storage knows where groups are kept: in memory alone, or in the journal
// that a --persistence.file means. It is the only package that knows of kinds.
//
// The file is the journal itself, unless Pushgateway 1.11 has written it: then
// it stays as it is, its groups are imported once, and the journal lies beside
// it with ".db" behind its name. So 1.11 can be started again at any time; it
// overwrites files that it cannot read.
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

// Suffix of the journal beside a file of Pushgateway 1.11.
const Suffix = ".db"

// Config says where groups are kept.
type Config struct {
	// File is the persistence file. Groups are kept in memory alone if it is
	// empty, and the rest has no meaning.
	File     string
	Interval time.Duration
	Salvage  bool
	Logger   *slog.Logger
	// Written is told of each attempt to write to the journal.
	Written func(changes, bytes int, took time.Duration, err error)
	// Progress is told how many of all groups have been replayed.
	Progress func(done, all int)
	// Reading gets what is read of a file of Pushgateway 1.11, to see how far
	// that is. Nobody does if it is nil.
	Reading io.Writer
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// find gives the path of the journal, and what that has to be made of: nil if
// it is not beside a file of Pushgateway 1.11.
func (c Config) find(ctx context.Context) (path string, origin []byte, err error) {
	beside := c.File + Suffix
	legacy, err := isLegacy(c.File)
	switch {
	case errors.Is(err, fs.ErrNotExist) && exists(beside):
		c.Logger.Info("The persistence file is gone; going on with the journal that was made of it", "file", c.File, "journal", beside)
		return beside, nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return c.File, nil, c.dangling()
	case err != nil:
		return "", nil, fmt.Errorf("the persistence file %s: %w", c.File, err)
	case !legacy:
		if exists(beside) {
			c.Logger.Warn("The persistence file is a journal itself; the one beside it is left alone", "file", c.File, "beside", beside)
		}
		return c.File, nil, nil
	}
	origin, err = c.bringOver(ctx, beside)
	return beside, origin, err
}

// dangling tells if the file is not simply missing, but a link to one that is.
func (c Config) dangling() error {
	if to, err := os.Readlink(c.File); err == nil {
		return fmt.Errorf("the persistence file %s: it is a link to %s, which does not exist: remove the link, or name the file itself", c.File, to)
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

// withoutPath is for errors that get the path in another place.
func withoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

var errEmpty = errors.New("it is empty, which no journal ever is: what it held is gone. Remove it to start with nothing, or put a backup in its place")

// isLegacy tells whether Pushgateway 1.11 may have written a file.
func isLegacy(path string) (bool, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return false, withoutPath(err)
	case info.IsDir():
		return false, errDirectory
	case !info.Mode().IsRegular():
		return false, errSpecial
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

// ChangedError says that a file of Pushgateway 1.11 is not the one that a
// journal was made of.
type ChangedError struct{ File, Journal string }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("the persistence file %s is not the one that %s was made of: Pushgateway 1.11 has written it since, or it was replaced. Both are as they were. Decide which one counts:\n"+
		"  pushgateway import --replace %[1]s   takes the groups of %[1]s, and keeps the present %[2]s aside\n"+
		"  pushgateway import --keep %[1]s      goes on with %[2]s, and leaves what is new in %[1]s alone", e.File, e.Journal)
}

// bringOver makes sure that the journal beside the file was made of it, and
// gives the hash of the file.
func (c Config) bringOver(ctx context.Context, journal string) ([]byte, error) {
	if !exists(journal) {
		return nil, c.load(ctx, journal, true)
	}
	return c.compare(journal)
}

// compare makes sure that a journal was made of the file as it is now, and
// gives the hash of the file. One that is to be salvaged and does not say any
// more what it was made of is taken for one that was.
func (c Config) compare(journal string) ([]byte, error) {
	sum, err := hash(c.File)
	if err != nil {
		return nil, fmt.Errorf("the persistence file %s: %w", c.File, err)
	}
	origin, known, err := boltjournal.Origin(journal)
	switch {
	case c.Salvage && errors.Is(err, boltjournal.ErrDamaged) && !known:
		c.Logger.Warn("The journal does not say any more what it was made of; if Pushgateway 1.11 has run since, what is new in its file is left alone", "journal", journal, "file", c.File)
		return sum, nil
	case err != nil && !(c.Salvage && errors.Is(err, boltjournal.ErrDamaged)):
		return nil, fmt.Errorf("the journal %s: %w", journal, err)
	case !bytes.Equal(origin, sum):
		return nil, &ChangedError{c.File, journal}
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

// load makes the journal of what Pushgateway 1.11 has written. The file is
// read twice; that it has not changed in between is looked at.
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
		return errors.Join(fmt.Errorf("the persistence file %s: it changes while it is read; is Pushgateway 1.11 still running? Stop it first", c.File), err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, p := range content.Problems {
		c.Logger.Warn("Left out of the import: no scrape could show it", "group", p.Key.Excerpt(), "family", excerpt.Line(p.Family, excerpt.Most), "err", p.Err)
	}
	if content.Unlisted > 0 {
		c.Logger.Warn("Left out of the import: there is more", "families", content.Unlisted)
	}
	made := boltjournal.File{Path: journal, MustBeNew: mustBeNew, Imported: before, OwnedLike: c.File}
	err = made.Create(slices.Values(content.Groups))
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("importing %s: another process has just made the journal %s of it: start again to go on with that, or stop that process first", c.File, journal)
	}
	if err != nil {
		return fmt.Errorf("importing %s: making the journal %s: %w", c.File, journal, err)
	}
	c.Logger.Info("Imported what Pushgateway 1.11 has written; its file stays as it is", "file", c.File, "groups", len(content.Groups), "journal", journal)
	return nil
}

// readLegacy reads a file of Pushgateway 1.11. What it reads goes to reading,
// too, unless that is nil.
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
		return nil, fmt.Errorf("the persistence file %s: it looks like one of Pushgateway 1.11, but cannot be read: %w. Nothing has been changed: put a backup in its place, or move it away to start with nothing", path, err)
	}
	return content, nil
}

// Explain adds what can be done to the error of a journal that could not be
// opened.
func Explain(err error) error {
	switch {
	case errors.Is(err, boltjournal.ErrDamaged):
		return fmt.Errorf("%w. `pushgateway verify` lists everything that is wrong with it. Put a backup in its place, or start with --persistence.salvage to go on with the groups that are whole; the damaged file is kept aside", err)
	case errors.Is(err, boltjournal.ErrLocked):
		return fmt.Errorf("%w: stop it first, or name another file. A running gateway gives copies: GET /api/v1/admin/snapshot", err)
	case errors.Is(err, boltjournal.ErrForeign):
		return fmt.Errorf("%w. Nothing has been changed: name another file, move this one away, or put a backup in its place if it was one", err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: make the directory first, or name a file in another one", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: mount the file system for writing, or name a file in another one", err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: make room, or name a file in another file system", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: the user that runs the gateway must be allowed to read and write the file, and to make files in its directory", err)
	}
	return err
}
