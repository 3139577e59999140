package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// Report is what is known about a file.
type Report struct {
	Legacy   bool // written by Pushgateway 1.11
	Format   int  // of a journal
	Revision gateway.Revision
	Bytes    int64
	Groups   int // intact groups
	Series   int
	Faults   []string
}

// Verify reads a whole file and lists everything that is wrong with it. It
// changes nothing. The error means that the file cannot be read.
func Verify(ctx context.Context, path string) (Report, error) {
	legacy, err := isLegacy(path)
	if err != nil {
		return Report{}, unreadable(path, err)
	}
	r := Report{Legacy: legacy}
	if info, err := os.Stat(path); err == nil {
		r.Bytes = info.Size()
	}
	if legacy {
		return r, r.verifyLegacy(path)
	}
	s, err := boltjournal.Read(ctx, path, func(batch []gateway.Applied) {
		for _, a := range batch {
			if a.Group != nil { // otherwise it is about receipts
				r.count(a.Group)
			}
		}
	})
	if err != nil {
		return Report{}, Explain(fmt.Errorf("%s: %w", path, err))
	}
	r.Format, r.Revision = s.Format, s.Revision
	for _, f := range s.Faults {
		r.Faults = append(r.Faults, f.String())
	}
	return r, nil
}

// unreadable explains the error of a file that was only to be read.
func unreadable(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s: %w; run this as the user of the gateway, or as root", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

func (r *Report) count(g *gateway.Group) {
	r.Groups++
	r.Series += g.Series
}

func (r *Report) verifyLegacy(path string) error {
	content, err := readLegacy(path, nil)
	if err != nil {
		return err
	}
	for _, g := range content.Groups {
		r.count(g)
	}
	for _, p := range content.Problems {
		r.Faults = append(r.Faults, fmt.Sprintf("group %s, family %q: %v", p.Key.Excerpt(), excerpt.Of(p.Family), p.Err))
	}
	if content.Unlisted > 0 {
		r.Faults = append(r.Faults, fmt.Sprintf("%d more families cannot be exposed", content.Unlisted))
	}
	return nil
}

// Decision says which of two files to use if both have groups.
type Decision int

// What an import does if a journal exists.
const (
	Undecided   Decision = iota // fail
	TakeFile                    // keep the journal under another name and make a new one
	KeepJournal                 // continue with the journal
)

// Import makes the journal beside a file written by Pushgateway 1.11, as the
// start of a gateway would, and returns its path.
func Import(ctx context.Context, c Config, d Decision) (journal string, err error) {
	c.setDefaults()
	journal = c.File + Suffix
	legacy, err := isLegacy(c.File)
	switch {
	case err != nil:
		return "", unreadable(c.File, err)
	case !legacy:
		return "", fmt.Errorf("%s: it is not a persistence file of Pushgateway 1.11; name one, or serve with the file as it is", c.File)
	case !exists(journal) && d == KeepJournal:
		return "", fmt.Errorf("%s: there is no journal to keep; import without --keep", journal)
	case !exists(journal):
		return journal, Explain(c.load(ctx, journal, true))
	case d == KeepJournal:
		return journal, c.adopt(journal)
	case d == TakeFile:
		return journal, c.replace(ctx, journal)
	}
	_, err = c.bringOver(ctx, journal)
	return journal, Explain(err)
}

// adopt records in the journal that it was made from the file as it is now.
func (c Config) adopt(journal string) error {
	sum, err := hash(c.File)
	if err == nil {
		err = boltjournal.SetOrigin(journal, sum)
	}
	if err != nil {
		return Explain(fmt.Errorf("the journal %s: %w", journal, err))
	}
	return nil
}

func (c Config) replace(ctx context.Context, journal string) error {
	// A link stays a link; its target is replaced.
	if resolved, err := filepath.EvalSymlinks(journal); err == nil {
		journal = resolved
	}
	// Lock the journal: a process that used it meanwhile would lose its changes.
	held, err := boltjournal.Hold(journal)
	if err != nil {
		return Explain(fmt.Errorf("the journal %s: %w", journal, err))
	}
	defer held.Close()
	before, err := os.Stat(journal)
	if err != nil {
		return Explain(err)
	}
	aside, err := boltjournal.KeepAside(journal, "replaced", time.Now())
	if err != nil {
		return Explain(fmt.Errorf("keeping %s aside: %w", journal, err))
	}
	err = c.load(ctx, journal, false)
	if now, gone := os.Stat(journal); err != nil && gone == nil && os.SameFile(before, now) {
		_ = os.Remove(aside) // it was not replaced; otherwise each attempt would leave one
		return Explain(err)
	}
	c.Logger.Info("Kept the previous journal under another name", "file", aside)
	return Explain(err)
}

var errReadOnly = errors.New("the journal is open for reading only")

// source is a journal that is only read.
type source func(ctx context.Context, apply func([]gateway.Applied)) error

func (s source) Open(ctx context.Context, apply func([]gateway.Applied), _ func(grouping.Key) *gateway.Group) error {
	return s(ctx, apply)
}

func (source) Commit(_ context.Context, changes []gateway.Change) []gateway.Outcome {
	out := make([]gateway.Outcome, len(changes))
	for i := range out {
		out[i] = gateway.Outcome{Verdict: gateway.Failed, Err: errReadOnly}
	}
	return out
}

func (source) Stamp(gateway.Stamp)              {}
func (source) Sync(context.Context) error       { return errReadOnly }
func (source) EndsGroups() bool                 { return false }
func (source) KeepsRecords() bool               { return true }
func (source) Writes() (gateway.Format, string) { return gateway.NewestFormat, "" }
func (source) Err() error                       { return errReadOnly }
func (source) Close() error                     { return nil }

// Present returns the file that a gateway with this persistence file would
// start from: the file itself, or the journal imported from it.
func Present(file string) (string, error) {
	beside := file + Suffix
	if !exists(beside) {
		return file, nil
	}
	legacy, err := isLegacy(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return beside, nil
	case err != nil:
		return "", unreadable(file, err)
	case !legacy:
		return file, nil
	}
	c := Config{File: file}
	_, err = c.compare(beside)
	return beside, Explain(err)
}

// Source returns a journal that replays a file of either kind and accepts no
// changes. It refuses a file that is not intact.
func Source(path string) gateway.Journal {
	return source(func(ctx context.Context, apply func([]gateway.Applied)) error {
		legacy, err := isLegacy(path)
		if err != nil {
			return unreadable(path, err)
		}
		if legacy {
			content, err := readLegacy(path, nil)
			if err != nil {
				return err
			}
			for _, g := range content.Groups {
				apply([]gateway.Applied{{Change: gateway.Change{Key: g.Key, Group: g}, Revision: g.Revision}})
			}
			apply([]gateway.Applied{{Change: gateway.Change{Receipts: content.Receipts}}})
			return nil
		}
		s, err := boltjournal.Read(ctx, path, apply)
		if err == nil && len(s.Faults) > 0 {
			err = fmt.Errorf("%w: %s", boltjournal.ErrDamaged, s.Faults[0])
		}
		if err != nil {
			return Explain(fmt.Errorf("%s: %w", path, err))
		}
		return nil
	})
}
