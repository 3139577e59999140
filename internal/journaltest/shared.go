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

// Shared is a store in memory that several members share. Each member has its
// own journal. Shared passes the groups that it receives to all members without
// copying them, and reports a test error if a group has changed. It is safe for
// concurrent use.
type Shared struct {
	// Ends means that the store ends expired groups itself; see End. Set it before
	// a member opens.
	Ends bool

	mu       sync.Mutex
	revision gateway.Revision
	groups   map[grouping.Key]gateway.Applied
	stamps   map[grouping.Key]gateway.Stamp
	receipts []gateway.Receipt
	log      []event
	given    map[*gateway.Group]string // groups as they were when given to Commit
	members  []*Member
	t        *testing.T
}

// event is something that each member must apply once.
type event struct {
	gateway.Applied
	by *Member // the member that made the change, or nil
}

// NewShared returns an empty store. When the test ends, it checks that no group
// has changed since it was given to Commit.
func NewShared(t *testing.T) *Shared {
	s := &Shared{t: t, groups: make(map[grouping.Key]gateway.Applied), stamps: make(map[grouping.Key]gateway.Stamp), given: make(map[*gateway.Group]string)}
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for g, was := range s.given {
			if is := show(g); is != was {
				t.Errorf("a group changed after Commit received it:\n%s\nwas\n%s", is, was)
			}
		}
	})
	return s
}

// Member returns a journal of the store that is not yet open.
func (s *Shared) Member() *Member {
	m := &Member{store: s, told: make(map[int]bool)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = append(s.members, m)
	return m
}

// End ends a group, as a store does whose clock has reached the group's
// deadline.
func (s *Shared) End(key grouping.Key) {
	s.mu.Lock()
	s.add(gateway.Change{Key: key}, nil)
	s.mu.Unlock()
	s.spread()
}

// add appends a change to the log. The caller holds mu.
func (s *Shared) add(c gateway.Change, by *Member) {
	s.revision++
	a := gateway.Applied{Change: c, Revision: s.revision}
	s.log = append(s.log, event{a, by})
	s.groups[c.Key] = a
	s.receipts = append(s.receipts, c.Receipts...)
	if c.Group == nil {
		delete(s.groups, c.Key)
		delete(s.stamps, c.Key)
	}
}

// spread applies new events to all members that do not lag.
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

// Member is the journal of one member of a shared store. Its methods inject
// faults. It is safe for concurrent use.
type Member struct {
	store *Shared

	applying sync.Mutex // held while apply is called
	apply    func([]gateway.Applied)
	told     map[int]bool // indexes in the store's log that were applied

	mu      sync.Mutex // guards the fields below
	lagging bool
	away    error
	before  func()      // called once, at the start of the next Commit
	fate    func() bool // if set, the next change is Unknown; reports whether it is stored at once
	unknown []gateway.Change
	stale   int
	commits int
	always  bool // every change is stale
}

var errAway = errors.New("the store is out of reach")

// Lag stops or resumes applying changes of other members. When it resumes,
// everything missed is applied.
func (m *Member) Lag(lag bool) {
	m.mu.Lock()
	m.lagging = lag
	m.mu.Unlock()
	m.store.spread()
}

// Leave disconnects the member from the store, or reconnects it.
func (m *Member) Leave(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away = nil; away {
		m.away = errAway
	}
}

// Before makes the next Commit call f once before it does anything else.
func (m *Member) Before(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before = f
}

// Lose makes the outcome of the next change Unknown. If stored is true, the
// change is stored at once; otherwise Settle decides.
func (m *Member) Lose(stored bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fate = func() bool { return stored }
}

// AlwaysStale makes every change stale, as if other members were always faster.
func (m *Member) AlwaysStale() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.always = true
}

// Settle settles the changes whose outcome is unknown. If arrives is true, they
// are stored unless they are stale by now. Otherwise they are void.
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

// Stale returns the number of stale changes. Commits returns the number of
// calls of Commit.
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

// tell applies the events of the groups for which of is true, except those
// already applied.
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
			e.Change = gateway.Change{Key: e.Key, Group: e.Group, Receipts: e.Receipts}
		}
		batch = append(batch, e.Applied)
	}
	if len(batch) > 0 {
		m.apply(batch)
	}
}

// Open replays the stored groups and stamps.
func (m *Member) Open(_ context.Context, apply func([]gateway.Applied), _ func(grouping.Key) *gateway.Group) error {
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
	if len(m.store.receipts) > 0 {
		batch = append(batch, gateway.Applied{Change: gateway.Change{Receipts: m.store.receipts}})
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

// Commit stores each change whose Against is the revision of the stored group.
func (m *Member) Commit(ctx context.Context, changes []gateway.Change) []gateway.Outcome {
	if _, bounded := ctx.Deadline(); !bounded {
		m.store.t.Errorf("a commit of %d changes, %s first, may wait for ever", len(changes), changes[0].Key.Excerpt())
	}
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
		m.lagging = true // until Lag(false)
		return gateway.Outcome{Verdict: gateway.Unknown, Err: errAway}
	}
	return gateway.Outcome{}
}

// Stamp applies a stamp to all members that do not lag.
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

// Sync applies everything that the member has missed.
func (m *Member) Sync(context.Context) error {
	if err := m.Err(); err != nil {
		return err
	}
	m.tell(func(grouping.Key) bool { return true })
	return nil
}

// EndsGroups returns the store's Ends.
func (m *Member) EndsGroups() bool { return m.store.Ends }

// KeepsRecords returns true.
func (m *Member) KeepsRecords() bool { return true }

// Writes returns gateway.NewestFormat.
func (m *Member) Writes() (gateway.Format, string) { return gateway.NewestFormat, "" }

// Err returns an error while the member is disconnected from the store.
func (m *Member) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.away
}

// Close stops applying changes.
func (m *Member) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lagging = true
	return nil
}
