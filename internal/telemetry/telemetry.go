// Package telemetry holds the gateway's metrics about itself, on a registry of
// its own, and converts them to the form of pushed metrics for scrapes.
package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"

	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
)

// Metrics are the gateway's metrics about itself. It is safe for concurrent
// use.
type Metrics struct {
	registry *prometheus.Registry
	reserved map[string]metric.Type

	requests      *prometheus.CounterVec
	pushSize      *prometheus.SummaryVec
	pushDuration  *prometheus.SummaryVec
	refused       *prometheus.CounterVec
	refusedUsers  *prometheus.CounterVec
	duplicates    prometheus.Counter
	readAsText    prometheus.Counter
	lastScrape    prometheus.Gauge
	scrapeSeconds *prometheus.SummaryVec
	scrapeBytes   *prometheus.SummaryVec
	escapedOut    *prometheus.GaugeVec
}

// State holds numbers that change without a call to Metrics.
type State struct {
	Groups, Series, LeftOut, TooLong, Taken, HelpDiffers, Reconciled, IdempotencyKeys, HistoryBytes, HistoryMaxBytes, Expired, SeriesExpired, NextExpiry float64
}

// quantiles of summaries, with their allowed errors, as in Pushgateway 1.11.
var quantiles = map[float64]float64{0.1: 0.01, 0.5: 0.05, 0.9: 0.01}

// New creates all metrics. reasons are those for which a push can be refused.
func New(reasons []string) (*Metrics, error) {
	m := &Metrics{registry: prometheus.NewRegistry(), reserved: make(map[string]metric.Type)}
	m.requests = m.counters("pushgateway_http_requests_total", "Total HTTP requests processed by the Pushgateway, excluding scrapes.", "code", "handler", "method")
	m.pushSize = m.summaries("pushgateway_http_push_size_bytes", "HTTP request size for pushes to the Pushgateway.", "method")
	m.pushDuration = m.summaries("pushgateway_http_push_duration_seconds", "HTTP request duration for pushes to the Pushgateway.", "method")
	m.refused = m.counters("pushgateway_pushes_refused_total", "Refused pushes and deletes, by reason.", "reason")
	for _, reason := range reasons {
		m.refused.WithLabelValues(reason)
	}
	m.refusedUsers = m.counters("pushgateway_requests_refused_total", "Refused requests, by user of the configuration and reason; the user is anonymous for clients that are not known.", "user", "reason")
	m.duplicates = m.counters("pushgateway_duplicate_series_total", "Series left out because they occurred twice in a push; with the consistency check such a push is refused.").WithLabelValues()
	m.readAsText = m.counters("pushgateway_openmetrics_read_as_text_total", "Pushes whose Content-Type says OpenMetrics, but that were read as text, because they lack the line # EOF or have another version than 1.0.0 and 0.0.1.").WithLabelValues()
	m.lastScrape = m.gauge("pushgateway_last_scrape_timestamp_seconds", "Unix time of the last scrape that the client read to the end, 0 if there was none.")
	m.scrapeSeconds = m.summaries("pushgateway_scrape_duration_seconds", "Duration of scrapes until the last byte was sent.", "format")
	m.scrapeBytes = m.summaries("pushgateway_scrape_size_bytes", "Size of scrapes before compression.", "format")
	m.escapedOut = m.gauges("pushgateway_escaping_left_out", "Pushed families, series and labels missing from the last scrape with this format and escaping, because another one has the same name there, or because they are histograms with contradictory values.", "format", "escaping")
	m.registry.MustRegister(
		versioncollector.NewCollector("pushgateway"),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m, m.reserveGathered()
}

// states are the families of a State.
var states = []struct {
	name, help string
	typ        metric.Type
	value      func(*State) float64
}{
	{"pushgateway_groups", "Stored groups.", metric.Gauge, func(s *State) float64 { return s.Groups }},
	{"pushgateway_series", "Stored series of all groups; a histogram or summary counts as one.", metric.Gauge, func(s *State) float64 { return s.Series }},
	{"pushgateway_families_left_out", "Families of groups that are stored but not exposed, because an older push of another group, or one that took the name, contradicts them.", metric.Gauge, func(s *State) float64 { return s.LeftOut }},
	{"pushgateway_series_left_out", "Series that are stored but not exposed, because their names or labels are so long that they would crash Prometheus.", metric.Gauge, func(s *State) float64 { return s.TooLong }},
	{"pushgateway_names_taken_total", "Names that pushes have taken from groups that nobody had pushed to for long, counted for each family of a push.", metric.Counter, func(s *State) float64 { return s.Taken }},
	{"pushgateway_families_differing_help_total", "Families for which groups have pushed different help texts.", metric.Counter, func(s *State) float64 { return s.HelpDiffers }},
	{"pushgateway_sum_histograms_reconciled_total", "Histograms that lost buckets when a push was added to them, because the buckets differed.", metric.Counter, func(s *State) float64 { return s.Reconciled }},
	{"pushgateway_idempotency_keys", "Keys of pushes that are remembered, so that they count once.", metric.Gauge, func(s *State) float64 { return s.IdempotencyKeys }},
	{"pushgateway_jobs_history_bytes", "Size of the last runs of all jobs, as they are stored.", metric.Gauge, func(s *State) float64 { return s.HistoryBytes }},
	{"pushgateway_jobs_history_max_bytes", "Size of the last runs of all jobs beyond which no job keeps more than it has; 0 if none are kept.", metric.Gauge, func(s *State) float64 { return s.HistoryMaxBytes }},
	{"pushgateway_groups_expired_total", "Groups that have expired.", metric.Counter, func(s *State) float64 { return s.Expired }},
	{"pushgateway_series_expired_total", "Series of groups that add up that have expired, without those of expired groups.", metric.Counter, func(s *State) float64 { return s.SeriesExpired }},
	{"pushgateway_next_group_expiry_timestamp_seconds", "Unix time when the next group expires, 0 if none does.", metric.Gauge, func(s *State) float64 { return s.NextExpiry }},
}

// Gather implements prometheus.Gatherer.
func (s *State) Gather() ([]*dto.MetricFamily, error) {
	all := make([]*dto.MetricFamily, len(states))
	for i, f := range states {
		m, value := new(dto.Metric), f.value(s)
		if f.typ == metric.Counter {
			m.Counter = &dto.Counter{Value: &value}
		} else {
			m.Gauge = &dto.Gauge{Value: &value}
		}
		all[i] = &dto.MetricFamily{Name: &f.name, Help: &f.help, Type: dto.MetricType(f.typ).Enum(), Metric: []*dto.Metric{m}}
	}
	return all, nil
}

// Reserved returns the names and types of all families, including those without
// series.
func (m *Metrics) Reserved() map[string]metric.Type {
	all := maps.Clone(m.reserved)
	maps.Copy(all, journalFamilies)
	maps.Copy(all, configFamilies)
	maps.Copy(all, limitFamilies)
	for _, f := range states {
		all[f.name] = f.typ
	}
	for _, f := range clusterFamilies {
		all[f.name] = f.typ
	}
	return all
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.add(name, metric.Counter, v)
	return v
}

func (m *Metrics) summaries(name, help string, labels ...string) *prometheus.SummaryVec {
	v := prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: name, Help: help, Objectives: quantiles}, labels)
	m.add(name, metric.Summary, v)
	return v
}

func (m *Metrics) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	m.add(name, metric.Gauge, v)
	return v
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	return m.gauges(name, help).WithLabelValues()
}

func (m *Metrics) add(name string, t metric.Type, c prometheus.Collector) {
	m.reserved[name] = t
	m.registry.MustRegister(c)
}

// reserveGathered reserves the families of other collectors.
func (m *Metrics) reserveGathered() error {
	families, err := m.registry.Gather()
	for _, f := range families {
		m.reserved[f.GetName()] = metric.Type(f.GetType())
	}
	if err != nil {
		return fmt.Errorf("gathering the gateway's own metrics: %w", err)
	}
	return nil
}

// Exposed returns the present families, with those of a state, sorted by name. If it
// returns an error, it still returns the families that could be gathered.
func (m *Metrics) Exposed(s State) ([]exposition.Exposed, error) {
	families, gathered := prometheus.Gatherers{m.registry, &s}.Gather()
	var buf bytes.Buffer
	for _, f := range families {
		if _, err := protodelim.MarshalTo(&buf, f); err != nil {
			return nil, errors.Join(gathered, err)
		}
	}
	p := exposition.GetParser()
	defer p.Release()
	parsed, err := p.ParseProto(buf.Bytes())
	if err != nil {
		return nil, errors.Join(gathered, err)
	}
	blocks, err := exposition.Render(parsed, exposition.Options{Bare: true})
	if err != nil {
		return nil, errors.Join(gathered, err)
	}
	out := make([]exposition.Exposed, len(blocks))
	for i, b := range blocks {
		out[i] = exposition.ExposeBlock(b)
		out[i].Passing = true
		out[i].Untimed = true // in OpenMetrics each would be one more series
	}
	return out, gathered
}

// Instrument counts the requests to a handler. The handler's ResponseWriter
// reaches the server's one through http.ResponseController.
func (m *Metrics) Instrument(name string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a := answer{ResponseWriter: w, status: http.StatusOK}
		h(&a, r)
		m.requests.WithLabelValues(strconv.Itoa(a.status), name, strings.ToLower(r.Method)).Inc()
	}
}

// answer remembers the status of an answer. promhttp can count requests too, but
// takes five times as long, which a small push would notice.
type answer struct {
	http.ResponseWriter
	status int
	given  bool
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if !a.given && status >= http.StatusOK { // others are informational
		a.status, a.given = status, true
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.given = true
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Refused counts a refused push.
func (m *Metrics) Refused(reason string) { m.refused.WithLabelValues(reason).Inc() }

// RefusedUser counts a refused request of a user.
func (m *Metrics) RefusedUser(user, reason string) {
	m.refusedUsers.WithLabelValues(user, reason).Inc()
}

// Duplicate counts a series that was left out because its push had it twice.
func (m *Metrics) Duplicate() { m.duplicates.Inc() }

// NotOpenMetrics counts a push that says OpenMetrics and was read as text.
func (m *Metrics) NotOpenMetrics() { m.readAsText.Inc() }

// Pushed records the size on the wire and the duration of a push. A negative
// size means that the body was not read to its end.
func (m *Metrics) Pushed(method string, bytes int64, took time.Duration) {
	if bytes >= 0 {
		m.pushSize.WithLabelValues(method).Observe(float64(bytes))
	}
	m.pushDuration.WithLabelValues(method).Observe(took.Seconds())
}

// Scraped records a scrape that was read to its end.
func (m *Metrics) Scraped(format string, escaping metric.Escaping, bytes int64, took time.Duration, leftOut int) {
	m.lastScrape.SetToCurrentTime()
	m.scrapeSeconds.WithLabelValues(format).Observe(took.Seconds())
	m.scrapeBytes.WithLabelValues(format).Observe(float64(bytes))
	m.escapedOut.WithLabelValues(format, escaping.String()).Set(float64(leftOut))
}
