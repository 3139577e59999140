package guard

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// grace is how long a lease is left alone, whoever waits: most leases are
	// short.
	grace = time.Second
	// patience is how long Take waits for clients that hold too much.
	patience = 5 * time.Second
	// look is how often waiting leases check for leases that can now be ended.
	look = 100 * time.Millisecond
)

// ErrNoRoom means that everything is taken.
var ErrNoRoom = errors.New("everything is taken")

// Shares divides an amount among clients. There is no limit for a client while
// no other waits: a single client may have everything. When a client waits that
// holds less than another, the other gets nothing more, and its oldest leases
// are ended if possible. Shares is safe for concurrent use.
type Shares struct {
	total int64

	mu      sync.Mutex
	used    int64 // by all leases
	clients map[string]*client
	leases  map[*Lease]struct{} // leases that can be ended early
	waiting []*waiter           // in order of arrival
	granted uint64              // number of grants
	looked  time.Time           // the grant count when a grant was last made or tried for them
}

// client is forgotten with its last lease.
type client struct {
	held    int64  // held by its leases, without what they are about to return
	leases  int    // leases that hold something
	users   int    // all leases
	granted uint64 // when it last got something
}

// Lease is the share of one request. Close it when done. Its methods may be
// called by one goroutine at a time.
type Lease struct {
	from   *Shares
	client *client
	key    string
	since  time.Time
	held   int64
	end    func() // ends it early; nil if that is impossible
	ended  bool   // and was ended
}

type waiter struct {
	lease   *Lease
	n       int64
	granted chan struct{} // closed when granted
}

// NewShares divides a total.
func NewShares(total int64) *Shares {
	return &Shares{total: total, clients: make(map[string]*client), leases: make(map[*Lease]struct{})}
}

// Open opens an empty lease for the client with this address.
func (s *Shares) Open(address string) *Lease {
	key := Key(address)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clients[key]
	if c == nil {
		c = new(client)
		s.clients[key] = c
	}
	c.users++
	return &Lease{from: s, client: c, key: key, since: time.Now()}
}

// Close returns everything. It may be called twice.
func (l *Lease) Close() {
	s := l.from
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.client == nil {
		return
	}
	s.keep(l)
	s.release(l, l.held)
	if l.client.users--; l.client.users == 0 {
		delete(s.clients, l.key)
	}
	l.client = nil
	s.grant()
}

// Return returns n.
func (l *Lease) Return(n int64) {
	l.from.mu.Lock()
	defer l.from.mu.Unlock()
	l.from.release(l, n)
	l.from.grant()
}

// Endable sets how to end the lease early if others wait: end should make its
// owner close it soon. It is called with a lock held, possibly more than once,
// but never after keep or Close.
func (l *Lease) Endable(end func()) {
	l.from.mu.Lock()
	defer l.from.mu.Unlock()
	l.end = end
	l.from.leases[l] = struct{}{}
}

// keep makes the lease impossible to end early. It returns false if the lease
// was already ended.
func (l *Lease) keep() bool {
	l.from.mu.Lock()
	defer l.from.mu.Unlock()
	l.from.keep(l)
	return !l.ended
}

func (s *Shares) keep(l *Lease) {
	l.end = nil
	delete(s.leases, l)
}

// Take takes n more. If there is no room, it waits only for a client that holds
// more, and not for long, and then returns ErrNoRoom. A lease may exceed the
// total if there is no other.
func (l *Lease) Take(n int64) error {
	w, err := l.ask(n, l.from.isOwed)
	if w == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return l.from.await(ctx, w)
}

// Wait takes n more. It waits for its turn until ctx ends. Clients that hold
// least come first; among these, the one whose last turn is longest ago.
func (l *Lease) Wait(ctx context.Context, n int64) error {
	w, err := l.ask(n, func(*waiter) bool { return true })
	if w == nil {
		return err
	}
	return l.from.await(ctx, w)
}

// ask takes n more if there is room. If not, it joins the waiting leases if
// wait is set.
func (l *Lease) ask(n int64, allowed func(*waiter) bool) (*waiter, error) {
	s := l.from
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.ended {
		return nil, ErrNoRoom
	}
	if len(s.waiting) == 0 && s.fits(l, n) {
		s.give(l, n)
		return nil, nil
	}
	w := &waiter{lease: l, n: n, granted: make(chan struct{})}
	s.waiting = append(s.waiting, w)
	s.grant()
	switch {
	case w.isGranted():
		return nil, nil
	case !allowed(w):
		s.leaveQueue(w)
		return nil, ErrNoRoom
	}
	return w, nil
}

// await waits until w is granted or ctx ends.
func (s *Shares) await(ctx context.Context, w *waiter) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-w.granted:
			return nil
		case <-tick.C:
			s.lookAgain()
		case <-ctx.Done():
			s.mu.Lock()
			defer s.mu.Unlock()
			if w.isGranted() {
				return nil
			}
			s.leaveQueue(w)
			s.grant()
			return ErrNoRoom
		}
	}
}

// lookAgain grants what can be granted now, once for all waiting leases.
func (s *Shares) lookAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.looked) >= look {
		s.grant()
	}
}

func (w *waiter) isGranted() bool {
	select {
	case <-w.granted:
		return true
	default:
		return false
	}
}

func (s *Shares) leaveQueue(w *waiter) {
	s.waiting = slices.DeleteFunc(s.waiting, func(o *waiter) bool { return o == w })
}

// fits reports whether there is room. A lease that needs more than the total
// fits if there is no other.
func (s *Shares) fits(l *Lease, n int64) bool {
	return s.used+n <= s.total || s.used == l.held
}

func (s *Shares) give(l *Lease, n int64) {
	if l.held == 0 && n > 0 {
		l.client.leases++
	}
	s.granted++
	l.client.granted = s.granted
	l.held += n
	s.used += n
	if !l.ended {
		l.client.held += n
	}
}

func (s *Shares) release(l *Lease, n int64) {
	l.held -= n
	s.used -= n
	if !l.ended {
		l.client.held -= n
	}
	if l.held == 0 && n > 0 {
		l.client.leases--
	}
}

// grant grants waiting leases what there is room for. If one must wait on, the
// clients that owe it get nothing.
func (s *Shares) grant() {
	if len(s.waiting) == 0 {
		return
	}
	s.looked = time.Now()
	var blocked *waiter
	for _, w := range s.inOrder() {
		switch {
		case blocked != nil && s.owes(w.lease.client, blocked):
		case s.fits(w.lease, w.n):
			s.give(w.lease, w.n)
			s.leaveQueue(w)
			close(w.granted)
		case blocked == nil:
			blocked = w
		}
	}
	if blocked != nil {
		s.makeRoom(blocked)
	}
}

// inOrder returns the waiting leases in the order of their turns. Between two
// leases of a client come the first ones of the others.
func (s *Shares) inOrder() []*waiter {
	nth := make(map[*client]int64)
	rank := make(map[*waiter]int64)
	for _, w := range s.waiting {
		rank[w] = w.lease.client.held + nth[w.lease.client]
		nth[w.lease.client] += max(w.n, 1)
	}
	order := slices.Clone(s.waiting)
	slices.SortStableFunc(order, func(a, b *waiter) int {
		return cmp.Or(cmp.Compare(rank[a], rank[b]), cmp.Compare(a.lease.client.granted, b.lease.client.granted))
	})
	return order
}

// owes reports whether c holds more than w's client would, or that many more
// leases: then c has to make room. This lets a client with one large body in
// beside a client with many small ones.
func (s *Shares) owes(c *client, w *waiter) bool {
	mine := w.lease.client
	if c == mine || c.held <= mine.held {
		return false
	}
	leases := mine.leases
	if w.lease.held == 0 {
		leases++
	}
	return c.held > mine.held+w.n || c.leases > leases
}

func (s *Shares) isOwed(w *waiter) bool {
	for _, c := range s.clients {
		if s.owes(c, w) {
			return true
		}
	}
	return false
}

// makeRoom ends leases of the clients that hold most, the oldest first, until
// there will be room for w. Leases that were ended before and are still open
// are told again.
func (s *Shares) makeRoom(w *waiter) {
	room := s.total - s.used
	for l := range s.leases {
		if l.ended {
			room += l.held
			l.end()
		}
	}
	for room < w.n {
		l := s.worst(w)
		if l == nil {
			return
		}
		l.ended = true
		l.client.held -= l.held
		room += l.held
		l.end()
	}
}

// worst returns the lease to be ended next for w, or nil if there is none.
func (s *Shares) worst(w *waiter) *Lease {
	var worst *Lease
	for l := range s.leases {
		if l.ended || l.held == 0 || time.Since(l.since) < grace || !s.owes(l.client, w) {
			continue
		}
		if worst == nil || cmp.Or(cmp.Compare(worst.client.held, l.client.held), l.since.Compare(worst.since)) < 0 {
			worst = l
		}
	}
	return worst
}
