package httpapi

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"pushgateway/internal/excerpt"
)

const (
	// maxRefusals bounds the refused pushes that are remembered.
	maxRefusals = 20
	// Log lines about refused pushes: this many at once, and one more per
	// refusalLogEvery. The rest needs --log.level=debug.
	refusalLogBurst = 10
	refusalLogEvery = 10 * time.Second
	// maxRefusalText bounds the stored part of a message, in bytes.
	maxRefusalText = 1000
)

// refusals remembers refused pushes and deletes, latest first. A group shows
// only some of them, and none with an unreadable body. It is safe for
// concurrent use.
type refusals struct {
	log *rate.Limiter

	mu   sync.Mutex
	list []refusal
}

// refusal is the latest refusal of one client for one path and reason.
type refusal struct {
	Client    string    `json:"client"` // address of the client
	UserAgent string    `json:"user_agent"`
	Time      time.Time `json:"time"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Reason    string    `json:"reason"`
	Error     string    `json:"error"`
	Times     int       `json:"times"` // how often so far, while it was remembered
}

func newRefusals() refusals {
	return refusals{log: rate.NewLimiter(rate.Every(refusalLogEvery), refusalLogBurst)}
}

func refusalOf(client string, r *http.Request, reason string, err error, now time.Time) refusal {
	return refusal{
		Client: client, UserAgent: excerpt.Line(r.UserAgent(), excerpt.Most), Time: now,
		Method: r.Method, Path: excerpt.Line(r.URL.EscapedPath(), excerpt.Most), Reason: reason, Error: excerpt.Line(err.Error(), maxRefusalText),
	}
}

func (s *refusals) note(latest refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	latest.Times = 1
	s.list = slices.DeleteFunc(s.list, func(o refusal) bool {
		same := o.Client == latest.Client && o.Path == latest.Path && o.Reason == latest.Reason
		if same {
			latest.Times += o.Times
		}
		return same
	})
	s.list = slices.Insert(s.list, 0, latest)
	s.list = s.list[:min(len(s.list), maxRefusals)]
}

func (s *refusals) latest() []refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]refusal{}, s.list...)
}
