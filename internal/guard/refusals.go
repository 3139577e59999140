package guard

import (
	"log/slog"
	"net/http"
	"slices"
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

// Refusals remembers and logs refused requests, latest first. A group
// shows only some of them, and none with an unreadable body. It is safe for
// concurrent use.
type Refusals struct {
	logger *slog.Logger
	few    *rate.Limiter // bounds the warnings that clients cause
	most   int           // refusals that are remembered

	mu   sync.Mutex
	list []Refusal
}

// Refusal is the latest refusal of one client for one path and reason.
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
}

// NewRefusals returns an empty Refusals that logs to logger.
func NewRefusals(l RememberLimits, logger *slog.Logger) *Refusals {
	return &Refusals{most: l.WithDefaults().Refusals, logger: logger, few: rate.NewLimiter(rate.Every(refusalLogEvery), refusalLogBurst)}
}

// Refused is why a request was refused.
type Refused struct {
	Client string // address of the client
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
		Client: why.Client, User: why.User, UserAgent: excerpt.Line(r.UserAgent(), excerpt.Most), Time: time.Now(),
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
	s.mu.Lock()
	defer s.mu.Unlock()
	latest.Times = 1
	s.list = slices.DeleteFunc(s.list, func(o Refusal) bool {
		same := o.Client == latest.Client && (o.Path == latest.Path || stranger) && o.Reason == latest.Reason
		if same {
			latest.Times += o.Times
		}
		return same
	})
	s.list = slices.Insert(s.list, 0, latest)
	s.list = s.list[:min(len(s.list), s.most)]
}

// Latest returns the remembered refusals.
func (s *Refusals) Latest() []Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Refusal{}, s.list...)
}
