// Package httpapi serves the HTTP surface: pushing, scraping, asking and
// administration, with the paths and answers of Pushgateway 1.11 and what is
// new beside them.
package httpapi

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/pprof"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/route"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// Config says what is served and how. All fields are needed but those that
// say otherwise.
type Config struct {
	Gateway *gateway.Gateway
	Logger  *slog.Logger

	// Prefix comes before all paths, "" or like "/gw".
	Prefix string
	// Origins knows whose pages may change things; only the gateway's own, by
	// what requests say, if it is nil.
	Origins *http.CrossOriginProtection
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
	// vanishes when it is closed.
	Snapshot func(*gateway.View) (io.ReadSeekCloser, error)
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
	Format exposition.Format
	Bytes  int64 // before compression
	Took   time.Duration
	// LeftOut counts families, series and labels that are missing because in
	// this format they have the name of another, or are histograms that
	// contradict themselves.
	LeftOut int
}

// api is what the handlers share.
type api struct {
	Config
	bodies   bodies
	cache    *exposition.Cache
	runs     *exposition.Runs
	turns    *turns // of scrapes
	listings *turns // of all groups
	tables   *turns // of groups without metrics, and of their labels
	activity activity
	scrapers scrapers
	refusals refusals
	firstOwn string // name that none of the gateway's own families comes before
}

// maxCache bounds, in bytes, what is kept for formats and escapings that the
// stored blocks do not have ready.
const maxCache = 64 << 20

// maxRuns bounds, in bytes, what is kept joined for text scrapes, and the same
// for protobuf.
const maxRuns = 16 << 20

// New gives the handler of everything.
func New(c Config) http.Handler {
	if c.Origins == nil {
		c.Origins = http.NewCrossOriginProtection()
	}
	if c.Inflight == nil {
		c.Inflight = new(atomic.Int64)
	}
	if c.Grown == nil {
		c.Grown = func() {}
	}
	a := &api{Config: c, bodies: bodies{max: c.MaxBodyBytes, total: c.MaxInflightBytes, inflight: c.Inflight, grown: c.Grown}, cache: exposition.NewCache(maxCache), runs: exposition.NewRuns(maxRuns), turns: newTurns(writePlainError), listings: newTurns(writeError), tables: newTurns(writeError), refusals: newRefusals()}
	if len(c.Gateway.Reserved) > 0 {
		a.firstOwn = slices.Min(slices.Collect(maps.Keys(c.Gateway.Reserved)))
	}
	root := route.New()
	a.lifecycle(root)
	r := root
	if c.Prefix != "" {
		r = root.WithPrefix(c.Prefix)
		a.lifecycle(r)
	}
	a.routes(r)
	if c.EnablePprof {
		profiles(r)
	}
	return clean(c.Prefix+"/api/v1", absolute(root))
}

// clean redirects requests with unclean paths, like those with "//" or "..", as
// a ServeMux does. But that escapes what is escaped already once more, and so
// lets a push of the job "a b" become one of the job "a%20b". Dir is a path that
// is one without its slash at the end, too.
func clean(dir string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := r.URL.EscapedPath()
		if r.RequestURI == "*" {
			http.Error(w, "the path * is only for OPTIONS", http.StatusBadRequest)
			return
		}
		to := path.Clean("/" + given)
		if strings.HasSuffix(given, "/") && to != "/" || to == dir {
			to += "/"
		}
		if to == given || r.Method == http.MethodConnect {
			next.ServeHTTP(w, r)
			return
		}
		if !strings.Contains(to, "%") {
			to = (&url.URL{Path: to}).EscapedPath() // as a ServeMux writes it
		}
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		redirect(w, r, to)
	})
}

// redirect tells pushes and deletes, which many clients do not send again, that
// nothing has happened yet.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	fmt.Fprintf(w, "nothing was done: without empty and dotted parts the path would be %s; write an empty label value as /NAME@base64/=\n", to)
}

// absolute lets the router redirect to absolute addresses, as 1.11 does.
func absolute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Host = r.Host
		r.URL.Scheme = "http"
		if r.TLS != nil {
			r.URL.Scheme = "https"
		}
		next.ServeHTTP(w, r)
	})
}

func (a *api) routes(r *route.Router) {
	r.Get("/-/healthy", a.Instrument("healthy", a.healthy))
	r.Get("/-/ready", a.Instrument("ready", a.ready))

	r.Get(a.TelemetryPath, a.scrape)
	for _, job := range []string{"job", "job@base64"} {
		path := "/metrics/" + job + "/:job"
		for _, path := range []string{path, path + "/*labels"} {
			r.Put(path, a.Instrument("push", a.push(job, true)))
			r.Post(path, a.Instrument("push", a.push(job, false)))
			r.Del(path, a.Instrument("delete", a.delete(job)))
		}
	}
	a.questions(r)
	r.Get("/", a.Instrument("status", a.UI.ServeHTTP))
	r.Get("/status", a.Instrument("status", a.UI.ServeHTTP))
	r.Get("/static/*filepath", a.Instrument("static", a.UI.ServeHTTP))
}

// questions are the paths that are new here, or answer in JSON.
func (a *api) questions(r *route.Router) {
	r.Options("/api/v1/*path", a.Instrument("api/v1/options", crossOrigin(ok)))
	r.Get("/api/v1/status", a.Instrument("api/v1/status", crossOrigin(a.status)))
	r.Get("/api/v1/metrics", a.Instrument("api/v1/metrics", crossOrigin(a.metrics)))
	r.Put("/api/v1/push", a.Instrument("api/v1/push", a.pushMany(true)))
	r.Post("/api/v1/push", a.Instrument("api/v1/push", a.pushMany(false)))
	r.Get("/api/v1/groups", a.Instrument("api/v1/groups", crossOrigin(a.groups)))
	r.Get("/api/v1/overview", a.Instrument("api/v1/overview", crossOrigin(a.overview)))
	r.Get("/api/v1/labels", a.Instrument("api/v1/labels", crossOrigin(a.labelNames)))
	r.Get("/api/v1/label/:name/values", a.Instrument("api/v1/label", crossOrigin(a.labelValues)))
	for _, job := range []string{"job", "job@base64"} {
		path := "/api/v1/group/" + job + "/:job"
		r.Get(path, a.Instrument("api/v1/group", crossOrigin(a.group(job))))
		r.Get(path+"/*labels", a.Instrument("api/v1/group", crossOrigin(a.group(job))))
	}
	r.Post("/api/v1/admin/delete_groups", a.Instrument("api/v1/admin/delete_groups", a.admin(a.deleteGroups)))
	r.Get("/api/v1/admin/snapshot", a.Instrument("api/v1/admin/snapshot", a.admin(a.snapshot)))
	r.Put("/api/v1/admin/wipe", a.Instrument("wipe", a.admin(a.wipe)))
}

// lifecycle stands both with and without the prefix, as in 1.11.
func (a *api) lifecycle(r *route.Router) {
	r.Put("/-/quit", a.Instrument("quit", a.ownOrigin(a.quit)))
	r.Post("/-/quit", a.Instrument("quit", a.ownOrigin(a.quit)))
}

func profiles(r *route.Router) {
	r.Get("/debug/pprof/", pprof.Index)
	r.Get("/debug/pprof/cmdline", pprof.Cmdline)
	r.Get("/debug/pprof/profile", pprof.Profile)
	r.Get("/debug/pprof/symbol", pprof.Symbol)
	r.Get("/debug/pprof/trace", pprof.Trace)
	for _, name := range []string{"allocs", "block", "goroutine", "heap", "mutex", "threadcreate"} {
		r.Get("/debug/pprof/"+name, pprof.Handler(name).ServeHTTP)
	}
}

func ok(http.ResponseWriter, *http.Request) {}

// crossOrigin lets pages of other origins ask.
func crossOrigin(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Origin")
		h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "Date")
		h.Set("Cache-Control", "no-cache, no-store, must-revalidate")
		next(w, r)
	}
}
