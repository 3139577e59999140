package storage

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
	"pushgateway/internal/natsjournal"
)

// Moved says what an import into a stream did.
type Moved struct {
	Groups   int // stored, those with only failures included
	Receipts int
	Removed  []grouping.Key // groups that the stream had, and the import has not
	Kept     []grouping.Key // groups that a member changed meanwhile, which stay as that member left them
	Newer    int            // groups that stay as they are, since they were pushed later than in the import
	// TooLarge tells of each group that the servers do not accept. It is not stored.
	TooLarge []error
}

// Meeting says what becomes of the groups that a stream has before an import.
type Meeting int

const (
	// Refused means that there may be none.
	Refused Meeting = iota
	// Replaced means that they end, or become those of the import.
	Replaced
	// Merged means that of each group the one stays that was pushed last.
	Merged
)

// patience is how long a command waits for servers that do not answer.
const patience = 30 * time.Second

// Move copies the groups of a view into the stream of c, with their claims, times
// and receipts. Members may use the stream meanwhile. Groups that are too large for the
// servers are left out; then it fails once it has stored the others. If it fails, the
// stream may have some of the groups.
func Move(ctx context.Context, c Config, v *gateway.View, with Meeting) (Moved, error) {
	m := &mover{with: with, claims: claimsOf(v), there: make(map[grouping.Key]there)}
	c.Cluster.first = uint64(len(m.claims)) + 1
	s, err := m.open(ctx, c)
	if err != nil {
		return Moved{}, err
	}
	defer s.Close()
	m.journal = s.nats
	before := m.stored()
	if len(before) > 0 && with == Refused {
		return Moved{}, fmt.Errorf("the stream %s already has %d groups; name another one with --cluster.stream, give --replace to remove those that are not in the import, or --merge to keep of each group what was pushed last", c.Cluster.Stream, len(before))
	}
	if len(before) > 0 && with == Merged {
		m.claims = nil // groups that join others claim their names after them
	}
	err = m.move(ctx, v, before)
	return m.moved, err
}

// mover is an import in progress.
type mover struct {
	journal *natsjournal.Journal
	with    Meeting
	claims  map[gateway.Revision]gateway.Revision // what becomes of each; others become 0
	moved   Moved

	mu    sync.Mutex
	there map[grouping.Key]there
}

// there is what an import must know of a group in the stream.
type there struct {
	revision gateway.Revision // 0 if the group has only failures
	pushed   time.Time
}

// apply notes what the stream has.
func (m *mover) apply(batch []gateway.Applied) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range batch {
		_, known := m.there[a.Key]
		switch {
		case a.Void, a.Stamp != nil && known:
		case a.Stamp != nil:
			m.there[a.Key] = there{}
		case a.Group == nil:
			delete(m.there, a.Key)
		default:
			m.there[a.Key] = there{a.Revision, a.Group.Pushed}
		}
	}
}

// stored returns the groups in the stream.
func (m *mover) stored() map[grouping.Key]there {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.there)
}

// open opens the stream, unless its servers do not answer for too long.
func (m *mover) open(ctx context.Context, c Config) (*Store, error) {
	nothing := func(grouping.Key) *gateway.Group { return nil } // is kept, to compare records with
	return openSoon(ctx, c, func(ctx context.Context, s *Store) error { return s.Open(ctx, m.apply, nothing) })
}

// openSoon opens a stream for a command, which should not wait for servers for as
// long as a gateway does.
func openSoon(ctx context.Context, c Config, open func(context.Context, *Store) error) (*Store, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var since time.Time
	c.Waiting = func(why error) {
		switch {
		case why == nil:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > patience:
			end(why)
		}
	}
	s := openCluster(c)
	if err := open(ctx, s); err != nil {
		if why := context.Cause(ctx); why != nil && errors.Is(err, context.Canceled) {
			err = fmt.Errorf("the stream %s: %w; check --cluster.url, and whether the NATS servers run", c.Cluster.Stream, why)
		}
		return nil, err
	}
	return s, nil
}

// claimsOf numbers the revisions that the claims of a view have from 1, in the same
// order. In a stream, revisions are sequences of messages, and those of the import
// must be older than all later ones.
func claimsOf(v *gateway.View) map[gateway.Revision]gateway.Revision {
	claims := make(map[gateway.Revision]gateway.Revision)
	for g := range v.EachGroup("") {
		claims[g.Since] = 0
		for _, h := range g.Families {
			claims[h.Claim] = 0
		}
	}
	delete(claims, 0)
	order := make([]gateway.Revision, 0, len(claims))
	for r := range claims {
		order = append(order, r)
	}
	slices.Sort(order)
	for i, r := range order {
		claims[r] = gateway.Revision(i + 1)
	}
	return claims
}

// batch is how many changes are made at once.
const batch = 512

func (m *mover) move(ctx context.Context, v *gateway.View, before map[grouping.Key]there) error {
	if err := m.journal.Advance(ctx, uint64(len(m.claims))); err != nil {
		return fmt.Errorf("making room for the claims: %w", err)
	}
	if err := m.commit(ctx, m.changes(v, before)); err != nil {
		return fmt.Errorf("the import is not complete, %d groups are stored; give --%s to start again: %w", m.moved.Groups, m.again(), err)
	}
	if err := m.receipts(ctx, v); err != nil {
		return fmt.Errorf("all groups are stored, but not all keys of pushes that count once; give --%s to start again: %w", m.again(), err)
	}
	if err := m.remove(ctx, v, before); err != nil {
		return fmt.Errorf("all groups are stored, but not all others are removed; give --replace to start again: %w", err)
	}
	if err := m.settle(ctx); err != nil {
		return err
	}
	if n := len(m.moved.TooLarge); n > 0 {
		return fmt.Errorf("the import is not complete: the NATS servers accept no messages as large as %d of the groups; raise max_payload of the servers, and give --%s to start again", n, m.again())
	}
	return nil
}

// again is the flag with which an import that has failed begins again.
func (m *mover) again() string {
	if m.with == Merged {
		return "merge"
	}
	return "replace"
}

// changes makes the changes that store groups. It stores stamps of groups that
// have nothing else.
func (m *mover) changes(v *gateway.View, before map[grouping.Key]there) func(func(gateway.Change) bool) {
	now := time.Now()
	return func(yield func(gateway.Change) bool) {
		for g := range v.EachGroup("") {
			switch {
			case !g.Expires.IsZero() && !g.Expires.After(now):
			case m.with == Merged && before[g.Key].revision != 0 && !before[g.Key].pushed.Before(g.Pushed):
				m.moved.Newer++
			case g.Pushed.IsZero() && len(g.Families) == 0 && before[g.Key].revision == 0:
				m.journal.Stamp(gateway.Stamp{Key: g.Key, At: g.Failed, Reason: g.Failure, FailedBy: g.FailedBy})
				m.moved.Groups++
			default:
				if !yield(gateway.Change{Key: g.Key, Group: m.renumbered(g), Against: before[g.Key].revision}) {
					return
				}
			}
		}
	}
}

// renumbered returns a copy of a group with its claims as they are in the stream. A
// group that joins others claims its names after them.
func (m *mover) renumbered(g *gateway.Group) *gateway.Group {
	copied := *g
	copied.Since = m.claims[g.Since]
	copied.Families = slices.Clone(g.Families)
	for i := range copied.Families {
		copied.Families[i].Claim = m.claims[copied.Families[i].Claim]
	}
	return &copied
}

// commit makes changes. A group that a member has changed meanwhile stays as it
// is.
func (m *mover) commit(ctx context.Context, all func(func(gateway.Change) bool)) (err error) {
	changes := make([]gateway.Change, 0, batch)
	all(func(c gateway.Change) bool {
		if changes = append(changes, c); len(changes) == batch {
			err = m.commitSome(ctx, changes)
			changes = changes[:0]
		}
		return err == nil
	})
	return cmp.Or(err, m.commitSome(ctx, changes))
}

func (m *mover) commitSome(ctx context.Context, changes []gateway.Change) error {
	if len(changes) == 0 {
		return nil
	}
	ctx, end := context.WithTimeout(ctx, patience)
	defer end()
	outcomes := m.journal.Commit(ctx, changes)
	if len(changes) > 1 && !slices.ContainsFunc(outcomes, isAccepted) {
		return m.commitEach(ctx, changes) // one of them may have kept the others back
	}
	var failed error
	for i, o := range outcomes {
		switch c := changes[i]; {
		case !isAccepted(o):
			m.moved.TooLarge = append(m.moved.TooLarge, o.Err)
		case o.Verdict == gateway.Stale:
			m.moved.Kept = append(m.moved.Kept, c.Key)
		case o.Verdict != gateway.Committed:
			failed = cmp.Or(failed, fmt.Errorf("group %s: %w", c.Key.Excerpt(), o.Err))
		case c.Receipts != nil:
			m.moved.Receipts += len(c.Receipts)
		case c.Group == nil:
			m.moved.Removed = append(m.moved.Removed, c.Key)
		default:
			m.moved.Groups++
		}
	}
	return failed
}

func (m *mover) commitEach(ctx context.Context, changes []gateway.Change) (err error) {
	for i := range changes {
		if err = m.commitSome(ctx, changes[i:i+1]); err != nil {
			break
		}
	}
	return err
}

// isAccepted returns false if a group is too large for the servers.
func isAccepted(o gateway.Outcome) bool { return !errors.Is(o.Err, guard.ErrTooLarge) }

// receiptsAtOnce is how many receipts one message has.
const receiptsAtOnce = 1000

// receipts stores receipts. A stream has them in messages of groups, also in those
// that tell the end of one, for as long as receipts live. So they go with the ends
// of groups that have never been.
func (m *mover) receipts(ctx context.Context, v *gateway.View) error {
	all := slices.Collect(v.Receipts())
	return m.commit(ctx, func(yield func(gateway.Change) bool) {
		for some := range slices.Chunk(all, receiptsAtOnce) {
			key, err := grouping.NewKey("import", metric.Label{Name: "receipts", Value: rand.Text()})
			if err != nil || !yield(gateway.Change{Key: key, Receipts: some}) {
				return
			}
		}
	})
}

// remove ends the groups that the view does not have.
func (m *mover) remove(ctx context.Context, v *gateway.View, before map[grouping.Key]there) error {
	gone := make([]grouping.Key, 0)
	for key := range before {
		if m.with == Replaced && v.Group(key) == nil {
			gone = append(gone, key)
		}
	}
	slices.Sort(gone)
	return m.commit(ctx, func(yield func(gateway.Change) bool) {
		for _, key := range gone {
			if !yield(gateway.Change{Key: key, Against: before[key].revision}) {
				return
			}
		}
	})
}

// settle waits until the stream has all stamps.
func (m *mover) settle(ctx context.Context) error {
	ctx, end := context.WithTimeout(ctx, patience)
	defer end()
	for {
		if _, settled := m.journal.Revision(); settled {
			return nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("all groups are stored, but not all times of refused pushes; give --replace to start again: %w", ctx.Err())
		}
	}
}

// FromCluster opens a stream for reading, as a gateway that nobody sees. The stream
// must exist.
func FromCluster(ctx context.Context, c Config) (*gateway.Gateway, error) {
	c.setDefaults()
	c.Cluster.mustExist = true
	var gw *gateway.Gateway
	_, err := openSoon(ctx, c, func(ctx context.Context, s *Store) (err error) {
		gw, err = gateway.Open(ctx, gateway.Config{Journal: s, Logger: c.Logger})
		return err
	})
	return gw, err
}
