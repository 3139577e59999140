package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"pushgateway/internal/accesslog"
	"pushgateway/internal/guard"
)

const (
	// A client that reads an answer has pieceTimeout for each pieceSize bytes,
	// which is less than a request waits for its turn, and scrapeLimit for the
	// whole answer.
	pieceTimeout = 8 * time.Second
	pieceSize    = 512 << 10
	scrapeLimit  = 5 * time.Minute
)

// turns limits the concurrent answers of one kind, like scrapes. It is safe for
// concurrent use.
type turns struct {
	// refuse answers a client that gets no turn, in the form of these answers.
	refuse  func(w http.ResponseWriter, status int, err error)
	proxies guard.Proxies
	guard.Turns
}

// newTurns returns turns for this many concurrent answers of one kind.
func newTurns(c Config, most int, refuse func(w http.ResponseWriter, status int, err error)) *turns {
	return &turns{refuse: refuse, proxies: c.Proxies, Turns: guard.NewTurns(most)}
}

// await waits for a turn as long as the client does. The caller must return the
// turn. If the client cannot wait long enough, await answers and returns nil.
// An answer that is read slowly is cut off if its client has several turns and
// a client with fewer waits.
func (t *turns) await(w http.ResponseWriter, r *http.Request) (giveBack func()) {
	return t.awaitFor(w, r, cutting(w))
}

// cutting returns a function that cuts an answer off, whoever writes it.
func cutting(w http.ResponseWriter) func() {
	control := http.NewResponseController(w)
	return func() { _ = control.SetWriteDeadline(time.Unix(1, 0)) }
}

// awaitFor is await for an answer that cutOff cuts off.
func (t *turns) awaitFor(w http.ResponseWriter, r *http.Request, cutOff func()) (giveBack func()) {
	ctx, cancel := context.WithTimeout(r.Context(), scrapeTimeout(r))
	defer cancel()
	defer accesslog.Of(ctx).Waiting(accesslog.ForTurn)()
	if giveBack = t.Wait(ctx, t.proxies.Client(r), cutOff); giveBack != nil {
		return giveBack
	}
	if r.Context().Err() == nil {
		w.Header().Set("Retry-After", retryAfter)
		t.refuse(w, http.StatusServiceUnavailable, fmt.Errorf("%d such requests are in progress, the maximum; send fewer at once, or read the answers faster", t.Most()))
	}
	return nil
}

// steady is an answer that is cut off if the client does not read it steadily.
// The time to make the answer does not count.
type steady struct {
	w       http.ResponseWriter
	control *http.ResponseController
	end     time.Time     // of all of it
	left    time.Duration // for the rest of the piece
	piece   int           // bytes of the piece so far
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

// cutOff sets the deadline. A writer that cannot be slow has none.
func (s *steady) cutOff(at time.Time) {
	if at.After(s.end) {
		at = s.end
	}
	_ = s.control.SetWriteDeadline(at)
}
