// Package accesslog logs requests: all of them, or those that take long. It
// writes lines in the background, so that no request waits for the log.
package accesslog

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"pushgateway/internal/excerpt"
)

const (
	// maxWaiting is how many lines may wait to be written. Further ones are left
	// out, and counted.
	maxWaiting = 4096
	// Slow requests: this many lines at once, and one more per slowEvery.
	slowBurst = 10
	slowEvery = 10 * time.Second
	// closeTimeout bounds how long Close waits for a log that nobody reads.
	closeTimeout = 2 * time.Second
)

// Config configures a Log.
type Config struct {
	Logger *slog.Logger
	// All logs every request.
	All bool
	// Slow logs requests that take longer, at a limited rate. 0 logs none.
	Slow time.Duration
	// Client returns the address of the client that sent a request.
	Client func(*http.Request) string
}

// Log logs requests. It is safe for concurrent use. Close it after the last
// request; those that end later are not logged.
type Log struct {
	Config
	few     *rate.Limiter // bounds the lines about slow requests
	lines   chan line
	closing chan struct{}
	written chan struct{} // closed when all lines are
	once    sync.Once
	lost    atomic.Int64 // lines that found no room
	held    atomic.Int64 // slow requests that were too many
}

// line is one request to be logged.
type line struct {
	level   slog.Level
	message string
	attrs   []slog.Attr
}

// New starts a log. It returns nil if there is nothing to log.
func New(c Config) *Log {
	if !c.All && c.Slow <= 0 {
		return nil
	}
	l := &Log{Config: c, few: rate.NewLimiter(rate.Every(slowEvery), slowBurst), lines: make(chan line, maxWaiting), closing: make(chan struct{}), written: make(chan struct{})}
	go l.write()
	return l
}

// Handler logs the requests to next. A nil Log returns next itself.
func (l *Log) Handler(next http.Handler) http.Handler {
	if l == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.serve(next, w, r) })
}

func (l *Log) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	n := &Note{}
	answer := &answer{ResponseWriter: w}
	body := &body{ReadCloser: r.Body}
	r = r.WithContext(context.WithValue(r.Context(), noteKey{}, n))
	if r.Body != http.NoBody {
		r.Body = body
	}
	panics := true
	defer func() { l.note(r, n, answer, body, panics, time.Since(start)) }()
	next.ServeHTTP(answer, r)
	panics = false
}

// note logs a request that has been answered, or whose client has left.
func (l *Log) note(r *http.Request, n *Note, a *answer, b *body, panics bool, took time.Duration) {
	left := r.Context().Err() != nil
	if l.All {
		l.add(line{slog.LevelInfo, "Request", l.attrs(r, n, a, b, panics || left, took)})
	}
	if l.Slow <= 0 || took <= l.Slow {
		return
	}
	if !l.few.Allow() {
		l.held.Add(1)
		return
	}
	attrs := append(l.attrs(r, n, a, b, panics || left, took), waits(n, a, b)...)
	if held := l.held.Swap(0); held > 0 {
		attrs = append(attrs, slog.Int64("not_logged", held))
	}
	l.add(line{slog.LevelWarn, "Slow request", attrs})
}

// add leaves out a line rather than wait.
func (l *Log) add(n line) {
	select {
	case l.lines <- n:
	default:
		l.lost.Add(1)
	}
}

func (l *Log) attrs(r *http.Request, n *Note, a *answer, b *body, aborted bool, took time.Duration) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("method", excerpt.Line(r.Method, excerpt.Most)),
		slog.String("path", excerpt.Line(r.URL.EscapedPath(), excerpt.Most)),
		slog.String("route", n.route),
		slog.Int("status", a.code(aborted)),
		slog.Int64("received", b.bytes.Load()),
		slog.Int64("sent", a.bytes),
		slog.Float64("seconds", seconds(took)),
		slog.String("client", l.Client(r)),
		slog.String("user_agent", excerpt.Line(r.UserAgent(), excerpt.Most)),
		slog.String("proto", r.Proto),
	}
	if n.principal != "" {
		attrs = append(attrs, slog.String("principal", excerpt.Line(n.principal, excerpt.Most)))
	}
	if aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	return attrs
}

// waits returns what a request has waited for.
func waits(n *Note, a *answer, b *body) (attrs []slog.Attr) {
	for _, w := range []struct {
		name string
		took time.Duration
	}{
		{"waited_for_body", time.Duration(b.took.Load())},
		{"waited_for_turn", n.waited[ForTurn]},
		{"waited_for_group", n.waited[ForGroup]},
		{"waited_for_journal", n.waited[ForJournal]},
		{"waited_for_reader", a.took},
	} {
		if w.took >= time.Millisecond {
			attrs = append(attrs, slog.Float64(w.name, seconds(w.took)))
		}
	}
	return attrs
}

// seconds rounds to microseconds.
func seconds(d time.Duration) float64 { return d.Round(time.Microsecond).Seconds() }

// write writes lines until the log is closed, and then those that wait.
func (l *Log) write() {
	defer close(l.written)
	for {
		select {
		case n := <-l.lines:
			l.writeLine(n)
			continue
		case <-l.closing:
		}
		for len(l.lines) > 0 {
			l.writeLine(<-l.lines)
		}
		return
	}
}

func (l *Log) writeLine(n line) {
	l.Logger.LogAttrs(context.Background(), n.level, n.message, n.attrs...)
	if lost := l.lost.Swap(0); lost > 0 {
		l.Logger.Warn("Left lines out of the log of requests, which is read too slowly", "lines", lost)
	}
}

// Close writes the lines that wait, and may be called twice.
func (l *Log) Close() {
	if l == nil {
		return
	}
	l.once.Do(func() { close(l.closing) })
	select {
	case <-l.written:
	case <-time.After(closeTimeout):
	}
}
