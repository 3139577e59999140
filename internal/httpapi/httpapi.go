// Package httpapi serves the HTTP surface: pushes, scrapes, queries and
// administration, with the paths and answers of Pushgateway 1.11 and new ones
// beside them.
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
	// Keys decodes grouping keys from paths.
	Keys grouping.Decoder

	MaxBodyBytes     int64 // of one push, uncompressed
	MaxInflightBytes int64 // that all pushes in progress may take
	// Inflight counts the bytes that they take. It may be nil.
	Inflight *atomic.Int64
	// Grown is called each time that they take 16 MiB more. It may be nil.
	Grown func()
	// Limits bound the names, labels and help texts of pushes.
	Limits exposition.Limits

	// TTL says how long groups live without a push.
	TTL TTL
	// StripTimestamps accepts pushes with timestamps and removes these. Otherwise
	// such pushes are refused.
	StripTimestamps bool
	// ReservedNames matches the names that pushes must not use. Nil matches none.
	ReservedNames *labels.FastRegexMatcher
	// LenientNewlines accepts text with CRLF, or without a newline at the end.
	LenientNewlines bool

	EnableAdmin       bool
	EnablePprof       bool
	EnableOpenMetrics bool
	// Quit makes the process quit. If it is nil, requests to quit are forbidden.
	Quit func()

	// Info is what /api/v1/status shows.
	Info Status
	// Own returns the gateway's own families for a scrape, sorted by name. The
	// gateway has reserved all of them.
	Own func() ([]exposition.Exposed, error)
	// Snapshot writes the state of a view into a persistence file, which is
	// removed when it is closed. It fails when the context ends.
	Snapshot func(context.Context, *gateway.View) (io.ReadSeekCloser, error)
	// Storage is the persistence file. It is nil if there is none.
	Storage Storage
	// UI serves /, /status and /static/.
	UI http.Handler

	// Instrument wraps a handler to count its requests. name is the value of a
	// label.
	Instrument func(name string, h http.HandlerFunc) http.HandlerFunc
	// Refused is called for each refused push with one of few reasons.
	Refused func(reason string)
	// Duplicate is called for each series that a push had twice, if the check is
	// off.
	Duplicate func()
	// Pushed is called for each push with its method, size on the wire and
	// duration. The size is negative if the body was not read to its end.
	Pushed func(method string, bytes int64, took time.Duration)
	// Scraped is called for each scrape.
	Scraped func(Scrape)
}

// Scrape describes one answered scrape.
type Scrape struct {
	Format         exposition.Format
	scrape.Written               // before compression
	Took           time.Duration // from its arrival to the end of the answer
}

// api is the state that the handlers share.
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
	// comparing bounds how many groups are compared with missing ones.
	comparing *rate.Limiter
}

// New returns the handler of everything.
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
