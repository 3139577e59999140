package httpapi_test

import (
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/guard"
	"pushgateway/internal/httpapi"
	"pushgateway/internal/intake"
	"pushgateway/internal/record"
)

var refillRounds = flag.Int("refill.rounds", 300, "rounds of TestRefill")

// refillMode is what makes a difference to how pushes are read.
type refillMode struct{ unchecked, strip, lenient bool }

// twin is one of two gateways to which the same is pushed.
type twin struct {
	gateway *gateway.Gateway
	handler http.Handler
	mu      sync.Mutex
	counts  map[string]int // pushes refused, by reason, and duplicates
}

func (w *twin) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[what]++
}

func newTwin(t *testing.T, m refillMode, now func() time.Time) *twin {
	t.Helper()
	g, err := gateway.Open(t.Context(), gateway.Config{Journal: new(gateway.Memory), Unchecked: m.unchecked, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &twin{gateway: g, counts: make(map[string]int)}
	limits := guard.Limits{Body: guard.BodyLimits{Bytes: 1 << 20, Inflight: 1 << 20}}
	w.handler = httpapi.New(httpapi.Config{
		Limits:  limits,
		Gateway: g, Logger: slog.New(slog.DiscardHandler), TelemetryPath: "/metrics", EnableOpenMetrics: true,
		Own: func(*gateway.View) ([]exposition.Exposed, error) { return nil, nil }, UI: http.NotFoundHandler(), EnableAdmin: true,
		Instrument: func(_ string, h http.HandlerFunc) http.HandlerFunc { return h },
		Refused:    w.count,
		Intake: intake.New(g, intake.Config{
			UTF8Names: true, Limits: limits,
			StripTimestamps: m.strip, LenientNewlines: m.lenient, OpenMetrics: true, Duplicate: func() { w.count("duplicate") },
		}),
		Pushed: func(string, int64, time.Duration) {}, Scraped: func(httpapi.Scrape) {},
	})
	return w
}

// ask gives the status and the body of an answer.
func (w *twin) ask(method, path, body, accept string) string {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Accept", accept)
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, r)
	return fmt.Sprintf("%d %s", answer.Code, answer.Body)
}

// state is all that can be seen of the gateway, and what a journal would have.
func (w *twin) state(accept string) string {
	all := fmt.Sprintf("%v\n%s\n%s\n", w.counts, accept, w.ask(http.MethodGet, "/metrics", "", accept))
	for g := range w.gateway.View().EachGroup("") {
		all += fmt.Sprintf("%q\n", record.Encode(g))
	}
	return all
}

// refillBodies are what jobs push: all kinds of families, and what stands
// between them.
var refillBodies = []string{
	"a 1\nb{x=\"1\"} 2\nb{x=\"2\",} 3\n",
	"# HELP a Help of \\\\ and \\n.\n# TYPE a counter\na{y=\"q\\\"\\n\\\\\",job=\"other\"} 17\n\n# a comment\n# TYPE b gauge\nb -0\n",
	"# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 4.5\nh_count 3\n" +
		"# TYPE s summary\ns{quantile=\"0.5\"} 0.25\ns{quantile=\"0.9\"} NaN\ns_count 7\ns_sum 12.75\n",
	"# TYPE h histogram\nh_bucket{x=\"1\",le=\"1\"} 2\nh_bucket{le=\"+Inf\",x=\"1\"} 2\nh_count{x=\"1\"} 2\nh_sum{x=\"1\"} 1e3\n" +
		"h_bucket{x=\"2\",le=\"1\"} 0\nh_bucket{x=\"2\",le=\"+Inf\"} 5\nh_sum{x=\"2\"} 3\nh_count{x=\"2\"} 5\na 1\n",
	"{\"q.q\",\"u.v\"=\"1\"} 5\n{\"q.q\",\"u.v\"=\"2\"} 6\n# TYPE \"r.r\" gauge\n{\"r.r\"} 1\n",
	"a 1\npush_time_seconds 5\npush_failure_time_seconds{x=\"1\"} 6\nb 2\n",
	"# TYPE s summary\ns_sum{job=\"a\"} 1\ns_count{job=\"a\"} 1\ns_sum{job=\"b\"} 2\ns_count{job=\"b\"} 1\na 5\n",
	"a 1 1700000000000\nb 2\n",
	"a{x=\"1\"} 1\nb 2\na{x=\"2\"} 3\n",
}

var refillValues = []string{"0", "-0", "1", "-1", "+1", "1.50", "1e3", ".5", "1.", "00", "0x1p3", "1_0", "NaN", "-Inf", "inf", "1e400",
	"999999", "1000000", "2147483648", "9007199254740993", "18446744073709551616", "0.1", "0.00001", "1.7976931348623157e308", "", "x", "1 1", "1\r"}

// valueAt is where the value of a line begins, -1 if it has none.
func valueAt(line string) int {
	if line == "" || line[0] == '#' {
		return -1
	}
	return strings.LastIndexAny(line, " }") + 1
}

// revalue gives lines other values, most of them such as jobs push. Counts of
// one histogram only grow.
func revalue(r *rand.Rand, lines []string) []string {
	lines = slices.Clone(lines)
	count := 0
	for i, line := range lines {
		at := valueAt(line)
		if at < 0 {
			continue
		}
		value := strconv.Itoa(r.IntN(3000))
		switch {
		case strings.HasPrefix(line, "h_bucket"):
			count += r.IntN(3)
			value = strconv.Itoa(count)
		case strings.HasPrefix(line, "h_count") && r.IntN(10) > 0:
			value = strconv.Itoa(count)
		case r.IntN(40) == 0:
			value = refillValues[r.IntN(len(refillValues))]
		case r.IntN(4) == 0:
			value = strconv.FormatFloat(r.NormFloat64(), 'g', -1, 64)
		}
		lines[i] = line[:at] + value
	}
	return lines
}

// reshape changes one thing about lines beside their values.
func reshape(r *rand.Rand, lines []string) []string {
	lines = slices.Clone(lines)
	i, j := r.IntN(len(lines)), r.IntN(len(lines))
	switch r.IntN(8) {
	case 0:
		lines[i], lines[j] = lines[j], lines[i]
	case 1:
		return slices.Delete(lines, i, i+1)
	case 2:
		return slices.Insert(lines, j, lines[i])
	case 3:
		return slices.Insert(lines, i, []string{"", "# x", "# TYPE a gauge", "# HELP b late", "push_time_seconds 1"}[r.IntN(5)])
	case 4:
		lines[i] = strings.Replace(lines[i], " ", []string{"  ", "\t", ""}[r.IntN(3)], 1)
	case 5:
		lines[i] += []string{" ", "\r", " 123", "x"}[r.IntN(4)]
	case 6:
		lines[i] = strings.Replace(lines[i], `"1"`, `"2"`, 1)
	case 7:
		if at := r.IntN(len(lines[i]) + 1); at > 0 {
			lines[i] = lines[i][:at-1] + string("\x00\x01\t {}\"\\\n1_\xff"[r.IntN(12)]) + lines[i][at:]
		}
	}
	return lines
}

var refillAccepts = []string{
	"text/plain;version=0.0.4", "text/plain;version=1.0.0;escaping=allow-utf-8", "text/plain;version=1.0.0;escaping=values",
	"application/openmetrics-text;version=1.0.0",
	"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
	"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text;escaping=dots",
}

// TestRefill pushes the same to two gateways, one of which always reads it
// anew: a comment makes each of its bodies unlike the one before. Whatever
// comes, both answer, count, expose and store the same.
func TestRefill(t *testing.T) {
	for round := range *refillRounds {
		r := rand.New(rand.NewPCG(uint64(round), 1))
		m := refillMode{unchecked: r.IntN(3) == 0, strip: r.IntN(3) == 0, lenient: r.IntN(3) == 0}
		var now atomic.Int64
		now.Store(1_700_000_000)
		clock := func() time.Time { return time.Unix(now.Load(), 0) }
		filled, read := newTwin(t, m, clock), newTwin(t, m, clock)
		jobs, history := make(map[string][]string), new(strings.Builder)
		for n := range 30 {
			now.Add(1)
			method, path, body := nextPush(r, jobs)
			fmt.Fprintf(history, "%s %s %q\n", method, path, body)
			got := filled.ask(method, path, "#        \n"+body, "")
			want := read.ask(method, path, fmt.Sprintf("#%8d\n%s", n, body), "")
			if got == want {
				accept := refillAccepts[r.IntN(len(refillAccepts))]
				got, want = filled.state(accept), read.state(accept)
			}
			if got != want {
				t.Fatalf("round %d, %+v: it gives\n%s\nwant\n%s\nafter\n%s", round, m, got, want, history)
			}
		}
	}
}

// nextPush makes a push that is mostly like the last one of the same group,
// which jobs has.
func nextPush(r *rand.Rand, jobs map[string][]string) (method, path, body string) {
	path = "/metrics/job/a" + []string{"", "/x/1"}[r.IntN(2)]
	if jobs[path] == nil || r.IntN(15) == 0 {
		jobs[path] = strings.Split(strings.TrimSuffix(refillBodies[r.IntN(len(refillBodies))], "\n"), "\n")
	}
	lines := revalue(r, jobs[path])
	if r.IntN(6) == 0 {
		lines = reshape(r, lines)
	}
	method = []string{http.MethodPut, http.MethodPost}[r.IntN(2)]
	return method, path, strings.Join(lines, "\n") + []string{"\n", "\n", "\n", "\n\n", ""}[r.IntN(5)]
}
