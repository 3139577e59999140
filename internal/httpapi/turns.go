package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"pushgateway/internal/guard"
)

const (
	// Who reads an answer has pieceTimeout for each pieceSize bytes, which is
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
	proxies guard.Proxies
	guard.Turns
}

// newTurns has a place for each answer of a kind that may be given at once.
func newTurns(c Config, refuse func(w http.ResponseWriter, status int, err error)) *turns {
	return &turns{refuse: refuse, proxies: c.Proxies, Turns: guard.NewTurns(c.Limits.Turns.Answers)}
}

// await waits for a turn, to be given back, for as long as the client does. If
// that is not long enough it answers, and gives nil. An answer that is read
// slowly is cut off if its client has several turns, and somebody waits who has
// fewer.
func (t *turns) await(w http.ResponseWriter, r *http.Request) (giveBack func()) {
	ctx, cancel := context.WithTimeout(r.Context(), scrapeTimeout(r))
	defer cancel()
	control := http.NewResponseController(w)
	if giveBack = t.Wait(ctx, t.proxies.Client(r), func() { _ = control.SetWriteDeadline(time.Unix(1, 0)) }); giveBack != nil {
		return giveBack
	}
	if r.Context().Err() == nil {
		w.Header().Set("Retry-After", retryAfter)
		t.refuse(w, http.StatusServiceUnavailable, fmt.Errorf("%d answers to this are under way, as many as may be at once; ask less often, or read them faster", t.Most()))
	}
	return nil
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
