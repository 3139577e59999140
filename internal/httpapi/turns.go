package httpapi

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// maxTurns is how many scrapes are answered at once, and maxOfClient how
	// many of them come from one address, so that no client takes all; others
	// wait. Each holds some MiB of buffers, and the view that it began with. The
	// same goes for lists of all groups, which have places of their own.
	maxTurns    = 32
	maxOfClient = 8
	// Who reads such an answer has pieceTimeout for each pieceSize bytes, which is
	// less than one waits for its turn, and scrapeLimit for all of it.
	pieceTimeout = 8 * time.Second
	pieceSize    = 512 << 10
	scrapeLimit  = 5 * time.Minute
)

// turns are the answers of one kind, like scrapes, that are being given. It is
// safe for concurrent use.
type turns struct {
	// refuse answers who gets no turn, in the form of these answers.
	refuse  func(w http.ResponseWriter, status int, err error)
	places  chan struct{} // one is taken by each of them
	mu      sync.Mutex
	clients map[string]*clientTurns // by their addresses
}

// clientTurns are those of one client. It is forgotten with its last user.
type clientTurns struct {
	places chan struct{}
	users  int // requests that wait or are being answered
}

func newTurns(refuse func(w http.ResponseWriter, status int, err error)) *turns {
	return &turns{refuse: refuse, places: make(chan struct{}, maxTurns), clients: make(map[string]*clientTurns)}
}

// await waits for a turn, to be given back, for as long as the client does. If
// that is not long enough it answers, and gives nil.
func (t *turns) await(w http.ResponseWriter, r *http.Request) (giveBack func()) {
	timeout := time.NewTimer(scrapeTimeout(r))
	defer timeout.Stop()
	client := clientOf(r)
	var taken []chan struct{}
	giveBack = func() {
		for _, places := range taken {
			<-places
		}
		t.leave(client)
	}
	for _, places := range []chan struct{}{t.enter(client), t.places} {
		select {
		case places <- struct{}{}:
			taken = append(taken, places)
			continue
		case <-timeout.C:
			w.Header().Set("Retry-After", retryAfter)
			t.refuse(w, http.StatusServiceUnavailable, fmt.Errorf("%d answers to this are under way, as many as may be at once; ask less often, or read them faster", cap(places)))
		case <-r.Context().Done():
		}
		giveBack()
		return nil
	}
	return giveBack
}

// enter gives the places of a client, which is to leave in the end.
func (t *turns) enter(client string) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.clients[client]
	if c == nil {
		c = &clientTurns{places: make(chan struct{}, maxOfClient)}
		t.clients[client] = c
	}
	c.users++
	return c.places
}

func (t *turns) leave(client string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.clients[client]
	if c.users--; c.users == 0 {
		delete(t.clients, client)
	}
}

// steady is an answer that is cut off if it is not read steadily. What it takes
// to make the answer does not count.
type steady struct {
	w       http.ResponseWriter
	control *http.ResponseController
	end     time.Time     // of all of it
	left    time.Duration // for the rest of the piece
	piece   int           // bytes of it so far
}

func newSteady(w http.ResponseWriter) *steady {
	return &steady{w: w, control: http.NewResponseController(w), end: time.Now().Add(scrapeLimit), left: pieceTimeout}
}

func (s *steady) Write(b []byte) (int, error) {
	if s.piece >= pieceSize {
		s.left, s.piece = pieceTimeout, 0
	}
	start := time.Now()
	s.cutOff(start.Add(s.left))
	n, err := s.w.Write(b)
	s.cutOff(s.end)
	s.left -= time.Since(start)
	s.piece += n
	return n, err
}

// cutOff sets when to give up. What goes nowhere that can be slow has no such
// time.
func (s *steady) cutOff(at time.Time) {
	if at.After(s.end) {
		at = s.end
	}
	_ = s.control.SetWriteDeadline(at)
}
