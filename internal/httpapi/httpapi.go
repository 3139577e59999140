// Package httpapi serves the HTTP surface: pushing, scraping, asking and
// administration, with the paths and answers of Pushgateway 1.11 and what is
// new beside them.
package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/guard"
	"pushgateway/internal/intake"
	"pushgateway/internal/scrape"
)

// Config says what is served and how. All fields are needed but those that
// say otherwise.
type Config struct {
	Gateway *gateway.Gateway
	Logger  *slog.Logger

	// Prefix comes before all paths, "" or like "/gw".
	Prefix string
	// Origins knows which pages in browsers may use the gateway.
	Origins Origins
	// Proxies are those that say for whom they ask. None if it is nil.
	Proxies guard.Proxies
	// TelemetryPath is where Prometheus scrapes, like "/metrics".
	TelemetryPath string
	// Intake takes pushes.
	Intake *intake.Intake
	// Limits bound what requests may ask for.
	Limits guard.Limits
	// Refusals remembers what was not taken. It may be nil.
	Refusals *guard.Refusals

	EnableAdmin       bool
	EnablePprof       bool
	EnableOpenMetrics bool
	// Quit asks the process to end. If it is nil, asking for it is forbidden.
	Quit func()

	// Info is what /api/v1/status tells.
	Info Status
	// Own gives the gateway's own families for a scrape, sorted by name. All are
	// among those that the gateway has reserved.
	Own func() ([]exposition.Exposed, error)
	// Snapshot writes the state of a view into a persistence file, which
	// vanishes when it is closed. It fails when the context ends.
	Snapshot func(context.Context, *gateway.View) (io.ReadSeekCloser, error)
	// Storage is the persistence file. It is nil if there is none.
	Storage Storage
	// UI serves / and /status and /static/.
	UI http.Handler

	// Instrument wraps a handler to count its requests; name is for a label.
	Instrument func(name string, h http.HandlerFunc) http.HandlerFunc
	// Refused is told of each push that was not taken, with a reason that is
	// one of few.
	Refused func(reason string)
	// Pushed is told of each push: its method, size on the wire and duration. The
	// size is negative if the body was not read to its end.
	Pushed func(method string, bytes int64, took time.Duration)
	// Scraped is told of each scrape.
	Scraped func(Scrape)
}

// Scrape is what there is to know of one scrape that has been answered.
type Scrape struct {
	Format         exposition.Format
	scrape.Written               // before compression
	Took           time.Duration // from its arrival to the end of the answer
}

// api is what the handlers share.
type api struct {
	Config
	scraper  *scrape.Scraper
	turns    *turns // of scrapes
	listings *turns // of all groups
	tables   *turns // of groups without metrics, of their labels, and of numbers
	details  *turns // of one group with its metrics
	copies   *turns // of snapshots
	surveys  surveys
	activity activity
	scrapers scrapers
	// comparing bounds how often groups are looked for that come close to one
	// that is not there.
	comparing *rate.Limiter
}

// New gives the handler of everything.
func New(c Config) http.Handler {
	if c.Refusals == nil {
		c.Refusals = guard.NewRefusals(c.Logger)
	}
	c.Limits = c.Limits.WithDefaults()
	a := &api{
		Config: c,
		turns:  newTurns(c, writePlainError), listings: newTurns(c, writeError), tables: newTurns(c, writeError), details: newTurns(c, writeError),
		copies: newCopies(c), surveys: newSurveys(), comparing: newComparing(),
	}
	a.scraper = scrape.New(c.Gateway.Reserved, a.own)
	routes := a.routes()
	for i, r := range routes {
		routes[i] = a.guarded(r)
	}
	return a.Origins.guard(newRouter(c.Prefix, routes, a.lost))
}
