// Package httpapi serves the HTTP surface: pushing, scraping, asking and
// administration, with the paths and answers of Pushgateway 1.11 and what is
// new beside them.
package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/time/rate"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
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
	// Keys reads grouping keys from paths.
	Keys grouping.Decoder

	MaxBodyBytes     int64 // of one push, after unpacking
	MaxInflightBytes int64 // that all pushes being worked on may take
	// Inflight counts what they take. It may be nil.
	Inflight *atomic.Int64
	// Grown is called each time that they take 16 MiB more. It may be nil.
	Grown func()
	// Limits bound the names, labels and help texts of pushes.
	Limits exposition.Limits

	// TTL says how long groups live without a push.
	TTL TTL
	// StripTimestamps takes pushes with timestamps, without these. Otherwise
	// they are refused.
	StripTimestamps bool
	// ReservedNames are those that pushes must not use; none if it is nil.
	ReservedNames *labels.FastRegexMatcher
	// LenientNewlines takes text with CRLF, or without a newline at its end.
	LenientNewlines bool

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
	// Duplicate is told of each series that a push had twice, where the check
	// is off.
	Duplicate func()
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
	bodies   bodies
	scraper  *scrape.Scraper
	turns    *turns // of scrapes
	listings *turns // of all groups
	tables   *turns // of groups without metrics, of their labels, and of numbers
	details  *turns // of one group with its metrics
	copies   *turns // of snapshots
	surveys  surveys
	activity activity
	scrapers scrapers
	refusals refusals
	// comparing bounds how often groups are looked for that come close to one
	// that is not there.
	comparing *rate.Limiter
}

// New gives the handler of everything.
func New(c Config) http.Handler {
	if c.Inflight == nil {
		c.Inflight = new(atomic.Int64)
	}
	if c.Grown == nil {
		c.Grown = func() {}
	}
	a := &api{
		Config: c, bodies: bodies{max: c.MaxBodyBytes, shares: guard.NewShares(c.MaxInflightBytes), inflight: c.Inflight, grown: c.Grown},
		turns: newTurns(c.Proxies, writePlainError), listings: newTurns(c.Proxies, writeError), tables: newTurns(c.Proxies, writeError), details: newTurns(c.Proxies, writeError),
		copies: newCopies(c.Proxies), surveys: newSurveys(), refusals: newRefusals(), comparing: newComparing(),
	}
	a.scraper = scrape.New(c.Gateway.Reserved, a.own)
	return a.Origins.guard(newRouter(c.Prefix, append(a.routes(), a.lifecycle()...), a.lifecycle(), a.lost))
}
