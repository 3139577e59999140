package httpapi

import (
	"fmt"
	"net/http"
	"time"
)

const (
	// maxScrapes is how many scrapes are answered at once; others wait. Each
	// holds some MiB of buffers, and the view that it began with.
	maxScrapes = 32
	// Who reads a scrape has pieceTimeout for each pieceSize bytes, which is less
	// than a scrape waits for its turn, and scrapeLimit for all of it.
	pieceTimeout = 8 * time.Second
	pieceSize    = 512 << 10
	scrapeLimit  = 5 * time.Minute
)

// turns are the scrapes that are being answered.
type turns chan struct{}

// await waits for a turn, to be given back, for as long as the client does. If
// that is not long enough it answers, and gives false.
func (t turns) await(w http.ResponseWriter, r *http.Request) bool {
	timeout := time.NewTimer(scrapeTimeout(r))
	defer timeout.Stop()
	select {
	case t <- struct{}{}:
		return true
	case <-timeout.C:
		w.Header().Set("Retry-After", retryAfter)
		http.Error(w, fmt.Sprintf("%d scrapes are under way, as many as may be at once; scrape less often, or read answers faster", cap(t)), http.StatusServiceUnavailable)
	case <-r.Context().Done():
	}
	return false
}

func (t turns) giveBack() { <-t }

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
