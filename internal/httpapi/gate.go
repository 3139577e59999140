package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Gate stands before everything else while the journal is replayed at start.
// The process is healthy then, but not ready; scrapes wait, since a part of
// the state must not be taken for all of it.
type Gate struct {
	prefix, telemetryPath string

	done, all atomic.Int64  // groups replayed
	opened    chan struct{} // closed once next is set
	ended     chan struct{} // closed if that will not be
	next      http.Handler
}

// NewGate makes a closed gate for what is served under these paths.
func NewGate(prefix, telemetryPath string) *Gate {
	return &Gate{prefix: prefix, telemetryPath: telemetryPath, opened: make(chan struct{}), ended: make(chan struct{})}
}

// Progress notes how many of all groups have been replayed.
func (g *Gate) Progress(done, all int) {
	g.done.Store(int64(done))
	g.all.Store(int64(all))
}

// Open lets all requests through to next, those included that wait. It is to
// be called once.
func (g *Gate) Open(next http.Handler) {
	g.next = next
	close(g.opened)
}

// Close lets nobody wait any longer. It is to be called once.
func (g *Gate) Close() { close(g.ended) }

// ServeHTTP passes the request on, or answers it as long as the gate is
// closed.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-g.opened:
		g.next.ServeHTTP(w, r)
		return
	default:
	}
	path := strings.TrimPrefix(r.URL.Path, g.prefix)
	switch {
	case path == "/-/healthy":
		_, _ = io.WriteString(w, "OK")
	case path == g.telemetryPath && reads(r.Method):
		g.wait(w, r)
	default:
		g.notYet(w)
	}
}

// wait holds a scrape back for as long as Prometheus will wait for it.
func (g *Gate) wait(w http.ResponseWriter, r *http.Request) {
	timeout := time.NewTimer(scrapeTimeout(r))
	defer timeout.Stop()
	select {
	case <-g.opened:
		g.next.ServeHTTP(w, r)
	case <-timeout.C:
		g.notYet(w)
	case <-g.ended:
		g.notYet(w)
	case <-r.Context().Done():
	}
}

// scrapeTimeout is how long a scrape may be made to wait: a little less than
// it says, so that it gets an answer, or than Prometheus' default.
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
	progress := "it is reading the persistence file"
	if all := g.all.Load(); all > 0 {
		progress = fmt.Sprintf("it has read %d of %d groups from the persistence file", g.done.Load(), all)
	}
	http.Error(w, "The gateway is starting: "+progress+".", http.StatusServiceUnavailable)
}
