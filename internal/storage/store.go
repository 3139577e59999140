package storage

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
)

// Store is the journal that a Config means, of whatever kind it is, with what
// else there is to know and to do about that kind.
type Store struct {
	gateway.Journal
	file string               // as configured
	bolt *boltjournal.Journal // nil if groups are kept in memory alone
}

// Health is how a store is doing that outlives the process.
type Health interface {
	Size() int64    // in bytes
	Trouble() error // why it could not be written the last time, nil if it could
}

// Open gives the journal that the configuration means, to be opened by a gateway.
// What Pushgateway 1.11 has written is imported first.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.File == "" {
		return &Store{Journal: new(gateway.Memory)}, nil
	}
	c.setDefaults()
	path, origin, err := c.find(ctx)
	if err != nil {
		return nil, err
	}
	name := path
	// A link stays one when the journal is written anew.
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	config := boltjournal.Config{Path: path, Name: name, Interval: c.Interval, Salvage: c.Salvage, Origin: origin, Logger: c.Logger, Progress: c.Progress}
	if c.Written != nil {
		config.Observe = func(w boltjournal.Written) { c.Written(w.Changes, w.Bytes, w.Took, w.Err) }
	}
	bolt := boltjournal.New(config)
	return &Store{Journal: bolt, file: c.File, bolt: bolt}, nil
}

// Health gives nil if groups are kept in memory alone.
func (s *Store) Health() Health {
	if s.bolt == nil {
		return nil
	}
	return s.bolt
}

// Snapshot writes the state of a view into a persistence file, which vanishes
// when it is closed. It fails when ctx ends.
func (s *Store) Snapshot(ctx context.Context, v *gateway.View) (io.ReadSeekCloser, error) {
	var imported []byte
	if s.bolt != nil {
		imported = s.bolt.Imported()
	}
	return snapshot(ctx, s.file, imported, v)
}

// RemoveSnapshots removes what is left of snapshots that were being made when a
// process was killed. It is for a store that is open: nobody else makes any.
func (s *Store) RemoveSnapshots() error {
	if s.bolt == nil {
		return nil
	}
	return removeSnapshots(s.file)
}

// Rescue writes the groups of a view to a new file if closing the store failed
// since somebody had taken its own away: they are nowhere else. It gives the path
// if it did, and what is left of the error.
func (s *Store) Rescue(closing error, v *gateway.View) (path string, err error) {
	if s.bolt == nil || !errors.Is(closing, boltjournal.ErrTaken) {
		return "", closing
	}
	path, err = s.bolt.Rescue(v.EachGroup(""))
	if err != nil {
		return "", errors.Join(closing, err)
	}
	return path, nil
}
