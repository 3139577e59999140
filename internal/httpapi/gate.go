package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"pushgateway/internal/excerpt"
)

// Gate stands in front of everything else while the journal is replayed. The
// process is healthy then, but not ready. Scrapes wait, since they must not
// show a part of the state as if it were all.
type Gate struct {
	prefix, telemetryPath string

	reads     string                // what is replayed
	done, all atomic.Int64          // groups replayed
	waits     atomic.Pointer[error] // what replaying waits for, or nil
	opened    chan struct{}         // closed once next is set
	ended     chan struct{}         // closed if next will never be set
	next      *Surface
}

// NewGate returns a closed gate for paths below prefix.
func NewGate(prefix, telemetryPath string) *Gate {
	return &Gate{prefix: prefix, telemetryPath: telemetryPath, reads: "persistence file", opened: make(chan struct{}), ended: make(chan struct{})}
}

// Progress records how many of all groups are replayed.
func (g *Gate) Progress(done, all int) {
	g.done.Store(int64(done))
	g.all.Store(int64(all))
}

// Reads sets what is replayed, if that is not a persistence file. Call it before
// the gate serves.
func (g *Gate) Reads(what string) { g.reads = what }

// Waiting records what replaying waits for, or that it goes on.
func (g *Gate) Waiting(err error) {
	if g.waits.Store(&err); err == nil {
		g.waits.Store(nil)
	}
}

// Open lets all requests through to next, including those that wait. Call it
// once.
func (g *Gate) Open(next *Surface) {
	g.next = next
	close(g.opened)
}

// Close ends the wait of all requests. Call it once.
func (g *Gate) Close() { close(g.ended) }

// At returns the handler of a door.
func (g *Gate) At(d Door) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serve(d, w, r) })
}

// serve passes the request on, or answers it while the gate is closed.
func (g *Gate) serve(d Door, w http.ResponseWriter, r *http.Request) {
	select {
	case <-g.opened:
		g.next.At(d).ServeHTTP(w, r)
		return
	default:
	}
	path := strings.TrimPrefix(r.URL.Path, g.prefix)
	switch {
	case d == Main:
		g.notYet(w)
	case path == "/-/healthy":
		_, _ = io.WriteString(w, "OK")
	case path == g.telemetryPath && reads(r.Method):
		g.wait(d, w, r)
	default:
		g.notYet(w)
	}
}

// wait delays a scrape for as long as Prometheus waits for it.
func (g *Gate) wait(d Door, w http.ResponseWriter, r *http.Request) {
	timeout := time.NewTimer(scrapeTimeout(r))
	defer timeout.Stop()
	select {
	case <-g.opened:
		g.next.At(d).ServeHTTP(w, r)
	case <-timeout.C:
		g.notYet(w)
	case <-g.ended:
		g.notYet(w)
	case <-r.Context().Done():
	}
}

// scrapeTimeout returns how long a scrape may wait: a little less than its own
// timeout, or than Prometheus' default, so that it gets an answer.
func scrapeTimeout(r *http.Request) time.Duration {
	const usual = 10 // seconds
	seconds, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err != nil || !(seconds > 0 && seconds < 3600) {
		seconds = usual
	}
	return time.Duration(seconds * 0.95 * float64(time.Second))
}

func (g *Gate) notYet(w http.ResponseWriter) {
	w.Header().Set("Retry-After", retryAfter)
	progress := "it is reading the " + g.reads
	if all := g.all.Load(); all > 0 {
		progress = fmt.Sprintf("it has read %d of %d groups from the %s", g.done.Load(), all, g.reads)
	}
	if err := g.waits.Load(); err != nil {
		progress = "it waits: " + excerpt.Message(*err)
	}
	http.Error(w, "The gateway is starting: "+progress+".", http.StatusServiceUnavailable)
}
