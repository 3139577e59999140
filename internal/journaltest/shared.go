package journaltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// Shared is a store in memory that several members share, each through a journal
// of its own. It hands the very groups that it was given to all of them, and
// tells whether anybody has changed one.
type Shared struct {
	// Ends says that the store ends groups at their time, which End does.
	Ends bool

	mu       sync.Mutex
	revision gateway.Revision
	groups   map[grouping.Key]gateway.Applied
	stamps   map[grouping.Key]gateway.Stamp
	log      []event
	given    map[*gateway.Group]string // how they looked
	members  []*Member
}

// event is something that every member is to be told once.
type event struct {
	gateway.Applied
	by *Member // of a change that was made by one
}

// NewShared makes an empty store. At the end of the test it wants all groups as
// they were given.
func NewShared(t *testing.T) *Shared {
	s := &Shared{groups: make(map[grouping.Key]gateway.Applied), stamps: make(map[grouping.Key]gateway.Stamp), given: make(map[*gateway.Group]string)}
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for g, was := range s.given {
			if is := show(g); is != was {
				t.Errorf("a group was changed after it was handed over:\n%s\nwas\n%s", is, was)
			}
		}
	})
	return s
}

// Member gives a journal of the store, to be opened.
func (s *Shared) Member() *Member {
	m := &Member{store: s, told: make(map[int]bool)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = append(s.members, m)
	return m
}

// End ends a group, as its time is over by the clock of the store.
func (s *Shared) End(key grouping.Key) {
	s.mu.Lock()
	s.add(gateway.Change{Key: key}, nil)
	s.mu.Unlock()
	s.spread()
}

// add puts a change at the end of the order. The caller holds mu.
func (s *Shared) add(c gateway.Change, by *Member) {
	s.revision++
	a := gateway.Applied{Change: c, Revision: s.revision}
	s.log = append(s.log, event{a, by})
	s.groups[c.Key] = a
	if c.Group == nil {
		delete(s.groups, c.Key)
		delete(s.stamps, c.Key)
	}
}

// spread tells all members what is new that do not lag behind.
func (s *Shared) spread() {
	s.mu.Lock()
	members := s.members
	s.mu.Unlock()
	for _, m := range members {
		if !m.lags() {
			m.tell(func(grouping.Key) bool { return true })
		}
	}
}

// Member is a journal of a shared store. What goes wrong with it is set by its
// methods.
type Member struct {
	store *Shared

	applying sync.Mutex // held while apply is called
	apply    func([]gateway.Applied)
	told     map[int]bool // which of the store's log

	mu      sync.Mutex // guards the rest
	lagging bool
	away    error
	before  func()      // called once, in the next Commit before anything happens
	fate    func() bool // of the next change, which is Unknown: whether it is stored at once
	unknown []gateway.Change
	stale   int
	commits int
	always  bool // everything is stale
}

var errAway = errors.New("the store is out of reach")

// Lag keeps from the member what others do, or tells it all of that.
func (m *Member) Lag(lag bool) {
	m.mu.Lock()
	m.lagging = lag
	m.mu.Unlock()
	m.store.spread()
}

// Leave puts the store out of reach, or back.
func (m *Member) Leave(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away = nil; away {
		m.away = errAway
	}
}

// Before has f called once, in the next Commit before anything happens.
func (m *Member) Before(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before = f
}

// Lose makes the outcome of the next change Unknown. It is stored all the same,
// or on its way until Settle.
func (m *Member) Lose(stored bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fate = func() bool { return stored }
}

// AlwaysStale makes all changes stale, as if others were always faster.
func (m *Member) AlwaysStale() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.always = true
}

// Settle ends what is unknown: it arrives, or it is void.
func (m *Member) Settle(arrives bool) {
	m.mu.Lock()
	lost := m.unknown
	m.unknown = nil
	m.mu.Unlock()
	for _, c := range lost {
		m.store.mu.Lock()
		taken := arrives && m.store.groups[c.Key].Revision == c.Against
		if taken {
			m.store.add(c, m)
		}
		m.store.mu.Unlock()
		if !taken {
			m.applying.Lock()
			m.apply([]gateway.Applied{{Change: c, Void: true}})
			m.applying.Unlock()
		}
	}
	m.store.spread()
}

// Stale is how many changes were stale, and Commits how many there were.
func (m *Member) Stale() int   { return m.count(&m.stale) }
func (m *Member) Commits() int { return m.count(&m.commits) }

func (m *Member) count(n *int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *n
}

func (m *Member) lags() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lagging || m.apply == nil
}

// tell applies what the member has not been told yet of some groups.
func (m *Member) tell(of func(grouping.Key) bool) {
	m.applying.Lock()
	defer m.applying.Unlock()
	m.store.mu.Lock()
	log := m.store.log
	m.store.mu.Unlock()
	var batch []gateway.Applied
	for i, e := range log {
		if m.told[i] || !of(e.Key) {
			continue
		}
		m.told[i] = true
		if e.by != m {
			e.Change = gateway.Change{Key: e.Key, Group: e.Group}
		}
		batch = append(batch, e.Applied)
	}
	if len(batch) > 0 {
		m.apply(batch)
	}
}

// Open replays what is stored.
func (m *Member) Open(_ context.Context, apply func([]gateway.Applied)) error {
	m.applying.Lock()
	defer m.applying.Unlock()
	m.store.mu.Lock()
	var batch []gateway.Applied
	for key, a := range m.store.groups {
		batch = append(batch, gateway.Applied{Change: gateway.Change{Key: key, Group: a.Group}, Revision: a.Revision})
	}
	for key, s := range m.store.stamps {
		batch = append(batch, gateway.Applied{Change: gateway.Change{Key: key}, Stamp: &s})
	}
	for i := range m.store.log {
		m.told[i] = true
	}
	m.store.mu.Unlock()
	if len(batch) > 0 {
		apply(batch)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.apply = apply
	return nil
}

// Commit compares and swaps.
func (m *Member) Commit(_ context.Context, changes []gateway.Change) []gateway.Outcome {
	m.mu.Lock()
	before := m.before
	m.before = nil
	m.commits++
	m.mu.Unlock()
	if before != nil {
		before()
	}
	outcomes, about := make([]gateway.Outcome, len(changes)), make(map[grouping.Key]bool)
	for i, c := range changes {
		if outcomes[i] = m.commit(c); outcomes[i].Verdict != gateway.Unknown {
			about[c.Key] = true
		}
	}
	m.tell(func(key grouping.Key) bool { return about[key] })
	m.store.spread()
	return outcomes
}

func (m *Member) commit(c gateway.Change) gateway.Outcome {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.Group != nil {
		m.store.given[c.Group] = show(c.Group)
	}
	now := m.store.groups[c.Key].Revision
	fate := m.fate
	m.fate = nil
	switch {
	case m.away != nil:
		return gateway.Outcome{Verdict: gateway.Failed, Err: m.away}
	case m.always || c.Against != now:
		m.stale++
		return gateway.Outcome{Verdict: gateway.Stale, Err: fmt.Errorf("made against %d, it is at %d", c.Against, now)}
	case fate != nil && !fate():
		m.unknown = append(m.unknown, c)
		return gateway.Outcome{Verdict: gateway.Unknown, Err: errAway}
	}
	m.store.add(c, m)
	if fate != nil {
		m.lagging = true // until it is told
		return gateway.Outcome{Verdict: gateway.Unknown, Err: errAway}
	}
	return gateway.Outcome{}
}

// Stamp tells everybody.
func (m *Member) Stamp(stamp gateway.Stamp) {
	s := m.store
	s.mu.Lock()
	if _, exists := s.groups[stamp.Key]; exists || stamp.Against == 0 {
		s.stamps[stamp.Key] = stamp
		s.log = append(s.log, event{Applied: gateway.Applied{Change: gateway.Change{Key: stamp.Key}, Stamp: &stamp}})
	}
	s.mu.Unlock()
	m.tell(func(key grouping.Key) bool { return key == stamp.Key })
	s.spread()
}

// Sync tells the member everything.
func (m *Member) Sync(context.Context) error {
	if err := m.Err(); err != nil {
		return err
	}
	m.tell(func(grouping.Key) bool { return true })
	return nil
}

// EndsGroups is as the store says.
func (m *Member) EndsGroups() bool { return m.store.Ends }

// Err tells whether the store is out of reach.
func (m *Member) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.away
}

// Close leaves the store.
func (m *Member) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lagging = true
	return nil
}
