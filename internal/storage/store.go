package storage

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"time"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
	"pushgateway/internal/natsjournal"
)

// Store is the journal that a Config means, of either kind, with further
// operations that depend on the kind.
type Store struct {
	gateway.Journal
	file string               // as configured
	bolt *boltjournal.Journal // nil unless there is a file
	nats *natsjournal.Journal // nil unless there is a stream
}

// Health is the state of a store that outlives the process.
type Health interface {
	Kind() string   // "file" or "stream"
	Name() string   // its path as configured, or the name of the stream
	MaxSize() int64 // in bytes, 0 if there is none
	Size() int64    // in bytes
	Trouble() error // why the last write failed, or nil
}

// Open returns the journal that the configuration means, for a gateway to open.
// It imports a file of Pushgateway 1.11 first.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Cluster != nil {
		return openCluster(c), nil
	}
	if c.File == "" {
		return &Store{Journal: new(gateway.Memory)}, nil
	}
	c.setDefaults()
	path, origin, err := c.find(ctx)
	if err != nil {
		return nil, err
	}
	name := path
	// A link stays a link when the journal is rewritten.
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

// Health returns nil if groups are only kept in memory.
func (s *Store) Health() Health {
	switch {
	case s.nats != nil:
		return s.nats
	case s.bolt != nil:
		return s.bolt
	}
	return nil
}

// Name says what a journal of this kind is to people.
func (c Config) Name() string {
	if c.Cluster != nil {
		return "stream"
	}
	return "persistence file"
}

// Wait returns how long a change may wait, or 0 for the usual time.
func (s *Store) Wait() time.Duration {
	if s.nats != nil {
		return natsjournal.Wait
	}
	return 0
}

// Snapshot writes the state of a view into a persistence file, which is removed
// when it is closed. It fails when ctx ends.
func (s *Store) Snapshot(ctx context.Context, v *gateway.View) (io.ReadSeekCloser, error) {
	var imported []byte
	if s.bolt != nil {
		imported = s.bolt.Imported()
	}
	return snapshot(ctx, s.file, imported, v)
}

// RemoveSnapshots removes unfinished snapshots of a killed process. The store
// must be open, since no other process makes snapshots.
func (s *Store) RemoveSnapshots() error {
	if s.bolt == nil {
		return nil
	}
	return removeSnapshots(s.file)
}

// Rescue writes the groups of a view to a new file if closing the store failed
// because its own file was removed: they exist nowhere else. It returns the
// path if it did, and the rest of the error.
func (s *Store) Rescue(closing error, v *gateway.View) (path string, err error) {
	if s.bolt == nil || !errors.Is(closing, boltjournal.ErrTaken) {
		return "", closing
	}
	path, err = s.bolt.Rescue(v.EachGroup(""), v.Receipts())
	if err != nil {
		return "", errors.Join(closing, err)
	}
	return path, nil
}
