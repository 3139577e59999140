package gateway

import (
	"context"
	"sync"

	"pushgateway/internal/grouping"
)

// Memory is a journal that stores nothing: changes last as long as the process.
// The zero value is ready to use.
type Memory struct {
	mu       sync.Mutex
	apply    func([]Applied)
	revision Revision
}

// Open keeps apply. There is nothing to replay.
func (m *Memory) Open(_ context.Context, apply func([]Applied), _ func(grouping.Key) *Group) error {
	m.apply = apply
	return nil
}

// Commit applies the changes at once. No change is ever stale, since the
// gateway has only one change of a group in progress at a time.
func (m *Memory) Commit(_ context.Context, changes []Change) []Outcome {
	m.mu.Lock()
	defer m.mu.Unlock()
	batch := make([]Applied, len(changes))
	for i, c := range changes {
		m.revision++
		batch[i] = Applied{Change: c, Revision: m.revision}
	}
	m.apply(batch)
	return make([]Outcome, len(changes))
}

// Stamp applies a stamp at once.
func (m *Memory) Stamp(s Stamp) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.apply([]Applied{{Change: Change{Key: s.Key}, Stamp: &s}})
}

// Sync returns nil at once: everything acknowledged has been applied.
func (m *Memory) Sync(context.Context) error { return nil }

// EndsGroups returns false.
func (m *Memory) EndsGroups() bool { return false }

// KeepsRecords returns false.
func (m *Memory) KeepsRecords() bool { return false }

// Writes returns NewestFormat.
func (m *Memory) Writes() (Format, string) { return NewestFormat, "" }

// Err always returns nil.
func (m *Memory) Err() error { return nil }

// Close does nothing.
func (m *Memory) Close() error { return nil }
