package trouble

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// missed is how many intervals may pass without a scrape.
	missed = 5
	// shortest and longest bound how long that may take.
	shortest, longest = 5 * time.Second, time.Hour
	// unscraped is how long a gateway may run before its first scrape.
	unscraped = 5 * time.Minute
	// regular is how many scrapes show how often a client scrapes.
	regular = 3
	// maxClients is how many clients are remembered.
	maxClients = 20
)

// Rhythm knows how often clients scrape, and so when a scrape is missing. It is
// safe for concurrent use.
type Rhythm struct {
	mu      sync.Mutex
	clients []rhythm // the latest first
}

// rhythm is how a client scrapes.
type rhythm struct {
	client   string
	scrapes  int
	last     time.Time
	interval time.Duration // between the last scrapes; the longest of few
	before   time.Duration // the interval before that
}

// Note notes a scrape of a client.
func (r *Rhythm) Note(client string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := rhythm{client: client}
	if i := slices.IndexFunc(r.clients, func(c rhythm) bool { return c.client == client }); i >= 0 {
		next = r.clients[i]
		r.clients = slices.Delete(r.clients, i, i+1)
		next.before, next.interval = next.interval, now.Sub(next.last)
	}
	next.last, next.scrapes = now, next.scrapes+1
	r.clients = slices.Insert(r.clients, 0, next)
	r.clients = r.clients[:min(len(r.clients), maxClients)]
}

// deadline is when the next scrapes of a client are overdue.
func (c *rhythm) deadline() time.Time {
	return c.last.Add(min(max(missed*c.usual(), shortest), longest))
}

// usual is how often the client scrapes. A pause that is over does not count.
func (c *rhythm) usual() time.Duration {
	if c.before == 0 {
		return c.interval
	}
	return min(c.interval, c.before)
}

// Check reports that everybody who scraped regularly has stopped: Prometheus may
// have another address by now, or there may be two of it. Without any scrape it
// reports that nobody scrapes what is stored since start.
func (r *Rhythm) Check(start time.Time, stored func() bool) Check {
	return func(now time.Time) *Finding {
		latest, known := r.latest()
		switch {
		case known && now.After(latest.deadline()):
			return stopped(latest)
		case known || r.any() || now.Sub(start) < unscraped || !stored():
			return nil
		}
		return &Finding{
			Kind: Scrapes, Since: start,
			Summary: "Nobody has scraped this gateway since it started.", Past: "Nobody had scraped this gateway since it started.",
			Advice: "Prometheus does not see what is pushed here. Check that it runs, and that its configuration names this gateway: the view Status shows the lines.",
		}
	}
}

func stopped(c *rhythm) *Finding {
	every := max(c.usual(), time.Second).Round(time.Second)
	return &Finding{
		Kind: Scrapes, Since: c.last,
		Summary: fmt.Sprintf("Nobody scrapes this gateway any more: %s did every %s.", c.client, every),
		Past:    fmt.Sprintf("Nobody scraped this gateway: %s did every %s before.", c.client, every),
		Advice:  "Prometheus does not see what is pushed since. Check that it runs, and look for this gateway on its page Targets.",
	}
}

// latest returns the client that scrapes regularly and whose next scrapes have
// the latest deadline.
func (r *Rhythm) latest() (found *rhythm, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.clients {
		if c.scrapes >= regular && (found == nil || c.deadline().After(found.deadline())) {
			found = &c
		}
	}
	return found, found != nil
}

func (r *Rhythm) any() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.clients) > 0
}
