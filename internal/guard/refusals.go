package guard

import (
	"container/list"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"pushgateway/internal/excerpt"
)

const (
	// Log lines about refused pushes: this many at once, and one more per
	// refusalLogEvery. The rest needs --log.level=debug.
	refusalLogBurst = 10
	refusalLogEvery = 10 * time.Second
	// maxRefusalText bounds the stored part of a message, in bytes.
	maxRefusalText = 1000
)

// maxRefusedKey bounds the keys that are remembered, in bytes.
const maxRefusedKey = 2000

// Refusals remembers and logs refused requests, latest first. A group
// shows only some of them, and none with an unreadable body. When there are too
// many, it forgets the oldest of the client that has most. It is safe for
// concurrent use.
type Refusals struct {
	logger *slog.Logger
	few    *rate.Limiter // bounds the warnings that clients cause
	most   int           // refusals that are remembered

	mu    sync.Mutex
	order list.List // of *Refusal, latest first
	known map[refusalID]*list.Element
	held  map[string]int // by client
}

// Refusal is the latest refusal of one client for one path or key, and reason.
type Refusal struct {
	Client    string    `json:"client"`         // address of the client
	User      string    `json:"user,omitempty"` // who sent it, if there are users
	UserAgent string    `json:"user_agent"`
	Time      time.Time `json:"time"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Reason    string    `json:"reason"`
	Error     string    `json:"error"`
	Times     int       `json:"times"` // how often so far, while it was remembered
	// Key is the key of the group, or "" if it is unknown or long.
	Key string `json:"-"`

	id refusalID
}

// refusalID tells refusals apart.
type refusalID struct{ client, path, key, reason string }

// NewRefusals returns an empty Refusals that logs to logger.
func NewRefusals(l RememberLimits, logger *slog.Logger) *Refusals {
	return &Refusals{
		most: l.WithDefaults().Refusals, logger: logger, few: rate.NewLimiter(rate.Every(refusalLogEvery), refusalLogBurst),
		known: make(map[refusalID]*list.Element), held: make(map[string]int),
	}
}

// Refused is why a request was refused.
type Refused struct {
	Client string // address of the client
	Key    string // of the group, or "" if it is unknown
	User   string // name of the user, or "" if there are no users
	Reason string
	Err    error
	// Stranger means that the client has not shown who it is. Then all its refusals
	// with this reason are one: what strangers send must not push out the others.
	Stranger bool
}

// Note remembers and logs why a request was refused. It bounds the number of
// warnings, so that a client that fails in a loop does not fill the log.
func (s *Refusals) Note(r *http.Request, why Refused) {
	n := Refusal{
		Key: why.Key, Client: why.Client, User: why.User, UserAgent: excerpt.Line(r.UserAgent(), excerpt.Most), Time: time.Now(),
		Method: r.Method, Path: excerpt.Line(r.URL.EscapedPath(), excerpt.Most), Reason: why.Reason, Error: excerpt.Line(why.Err.Error(), maxRefusalText),
	}
	s.note(n, why.Stranger)
	level := slog.LevelDebug
	if s.few.Allow() {
		level = slog.LevelWarn
	}
	args := []any{"client", n.Client, "user_agent", n.UserAgent, "method", n.Method, "path", n.Path, "reason", n.Reason, "err", n.Error}
	if n.User != "" {
		args = append(args, "user", n.User)
	}
	s.logger.Log(r.Context(), level, "Refused", args...)
}

// Warn logs another message that a client has caused, unless there were too many
// warnings.
func (s *Refusals) Warn(message string, args ...any) {
	if s.few.Allow() {
		s.logger.Warn(message, args...)
	}
}

func (s *Refusals) note(latest Refusal, stranger bool) {
	if len(latest.Key) > maxRefusedKey {
		latest.Key = ""
	}
	latest.id = refusalID{latest.Client, latest.Path, latest.Key, latest.Reason}
	if stranger {
		latest.id.path, latest.id.key = "", ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	latest.Times = 1
	if before := s.known[latest.id]; before != nil {
		latest.Times += s.forget(before).Times
	}
	s.known[latest.id] = s.order.PushFront(&latest)
	s.held[latest.Client]++
	if s.order.Len() > s.most {
		s.forget(s.oldestOf(s.largest()))
	}
}

// forget removes a refusal.
func (s *Refusals) forget(e *list.Element) *Refusal {
	r := s.order.Remove(e).(*Refusal)
	delete(s.known, r.id)
	if s.held[r.Client]--; s.held[r.Client] == 0 {
		delete(s.held, r.Client)
	}
	return r
}

// largest returns the client that has most refusals.
func (s *Refusals) largest() (client string) {
	for c, n := range s.held {
		if n > s.held[client] {
			client = c
		}
	}
	return client
}

func (s *Refusals) oldestOf(client string) *list.Element {
	e := s.order.Back()
	for e.Value.(*Refusal).Client != client {
		e = e.Prev()
	}
	return e
}

// Latest returns the latest of the remembered refusals, at most this many.
func (s *Refusals) Latest(most int) []Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Refusal, 0, min(s.order.Len(), most))
	for e := s.order.Front(); e != nil && len(all) < most; e = e.Next() {
		all = append(all, *e.Value.(*Refusal))
	}
	return all
}
