// Package httpapi serves the HTTP surface: pushes, scrapes, queries and
// administration, with the paths and answers of Pushgateway 1.11 and new ones
// beside them.
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
	"pushgateway/internal/live"
	"pushgateway/internal/scrape"
	"pushgateway/internal/trouble"
)

// Config configures the HTTP surface. All fields are required unless they say
// otherwise.
type Config struct {
	Gateway *gateway.Gateway
	Logger  *slog.Logger

	// Prefix precedes all paths: "" or like "/gw".
	Prefix string
	// Origins says which pages in browsers may use the gateway.
	Origins Origins
	// Proxies are the proxies whose X-Forwarded-For header is believed. Nil means
	// none.
	Proxies guard.Proxies
	// TelemetryPath is where Prometheus scrapes, like "/metrics".
	TelemetryPath string
	// AggregateJob makes the paths of an aggregating gateway work, where all pushes
	// add up. It is the job of those that name none. "" switches that off.
	AggregateJob string
	// AggregateGauges is what then becomes of gauges, as sums.ParseGauges takes it.
	AggregateGauges string
	// Addresses returns those of the doors, for messages. It may be nil.
	Addresses func() Addresses
	// Intake accepts pushes.
	Intake *intake.Intake
	// Limits bound what requests may ask for, and what is answered at once. They
	// do not change.
	Limits guard.Limits
	// Settings are those that requests go by. Nil means fixed ones, with Limits.
	Settings *live.Current
	// Refusals remembers refused requests. It may be nil.
	Refusals *guard.Refusals

	EnableAdmin       bool
	EnablePprof       bool
	EnableOpenMetrics bool
	// Quit makes the process quit. If it is nil, requests to quit are forbidden.
	Quit func()
	// Reload reads the settings again. Unless they could all change, note says what
	// waits for a restart. It must be set if Quit is.
	Reload func() (note string, err error)

	// Info is what /api/v1/status shows.
	Info Status
	// Own returns the gateway's own families for a scrape of a view, sorted by name.
	// The gateway has reserved all of them.
	Own func(*gateway.View) ([]exposition.Exposed, error)
	// Snapshot writes the state of a view into a persistence file, which is
	// removed when it is closed. It fails when the context ends.
	Snapshot func(context.Context, *gateway.View) (io.ReadSeekCloser, error)
	// Storage is the persistence file or the stream. It is nil if there is neither.
	Storage Storage
	// Troubles returns what is and what was wrong. It may be nil.
	Troubles func() []trouble.Trouble
	// Shared tells about the state that several gateways share. Nil means that
	// there is one gateway.
	Shared Shared
	// UI serves /, /status and /static/.
	UI http.Handler

	// Instrument wraps a handler to count its requests. name is the value of a
	// label.
	Instrument func(name string, h http.HandlerFunc) http.HandlerFunc
	// Refused is called for each refused push with one of few reasons.
	Refused func(reason string)
	// Unstored is called for each push or delete that could not be stored. It may be
	// nil.
	Unstored func(error)
	// RefusedUser is called for each refused request of a user, or of anonymous, if
	// there are users.
	RefusedUser func(user, reason string)
	// Pushed is called for each push with its method, size on the wire and
	// duration. The size is negative if the body was not read to its end.
	Pushed func(method string, bytes int64, took time.Duration)
	// Scraped is called for each scrape.
	Scraped func(Scrape)
}

// Addresses are the addresses of the doors Main and Telemetry, as users write
// them.
type Addresses struct{ Main, Telemetry []string }

// Scrape describes one answered scrape.
type Scrape struct {
	Format         exposition.Format
	scrape.Written               // before compression
	Took           time.Duration // from its arrival to the end of the answer
	By             string        // who scraped: program, address, and path
}

// api is the state that the handlers share.
type api struct {
	Config
	scraper  *scrape.Scraper
	turns    *turns        // of scrapes
	escaped  *turns        // of scrapes that escape the names of many series
	listings *turns        // of all groups
	tables   *turns        // of groups without metrics, of their labels, and of numbers
	details  *turns        // of one group with its metrics
	copies   *turns        // of snapshots
	searches *guard.Shares // turns of looking through groups
	surveys  surveys[overview]
	judged   surveys[*judged]
	lists    lists
	activity activity
	scrapers scrapers
	// comparing bounds how many groups are compared with missing ones.
	comparing *rate.Limiter
}

// New returns the handlers of everything.
func New(c Config) *Surface {
	if c.Refusals == nil {
		c.Refusals = guard.NewRefusals(c.Limits.Remember, c.Logger)
	}
	if c.Addresses == nil {
		c.Addresses = func() Addresses { return Addresses{} }
	}
	if c.Troubles == nil {
		c.Troubles = func() []trouble.Trouble { return nil }
	}
	if c.Unstored == nil {
		c.Unstored = func(error) {}
	}
	if c.Shared == nil {
		c.Shared = alone{}
	}
	c.Limits = c.Limits.WithDefaults()
	if c.Settings == nil {
		c.Settings = live.Fixed(&live.Settings{Limits: c.Limits})
	}
	most := c.Limits.Turns
	a := &api{
		Config: c,
		turns:  newTurns(c, most.Answers, writePlainError), escaped: newTurns(c, most.Escaped, writePlainError),
		listings: newTurns(c, most.Answers, writeError), tables: newTurns(c, most.Answers, writeError), details: newTurns(c, most.Answers, writeError),
		copies: newTurns(c, most.Copies, writePlainError), comparing: newComparing(), searches: newSearchTurns(),
		surveys: newSurveys(func(v *gateway.View, now time.Time) overview { return *look(c.Gateway, v, now) }),
	}
	a.judged = newSurveys(a.judging())
	a.scraper = scrape.New(c.Gateway.Reserved(), a.own)
	a.scraper.Busy = c.Intake.Busy
	routes := a.routes()
	for i, r := range routes {
		routes[i] = a.guarded(r)
	}
	return a.surface(routes)
}
