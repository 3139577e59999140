package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counted is a push that adds to a counter.
func counted(n int) string {
	return fmt.Sprintf("# TYPE mails_total counter\nmails_total{x=\"1\"} %d\n", n)
}

// add adds a body to the group of a job.
func (s *server) add(job, body string, want int, header ...string) answer {
	s.t.Helper()
	return s.want(want, http.MethodPost, "/metrics/job/"+job+"?merge=sum", body, header...)
}

// TestSum adds pushes up, and wants the sum.
func TestSum(t *testing.T) {
	s := start(t)
	gauges := []string{"# TYPE g gauge\ng{x=\"1\"} 3\n", "# TYPE g gauge\ng{x=\"1\"} -4\n"}
	for name, c := range map[string]struct {
		pushes []string
		gauges string
		want   []string
	}{
		"counter":   {pushes: []string{counted(3), counted(4)}, want: []string{`mails_total{x="1"} 7`}},
		"untyped":   {pushes: []string{"u{x=\"1\"} 0.5\n", "u{x=\"1\"} 0.25\n"}, want: []string{`u{x="1"} 0.75`}},
		"other":     {pushes: []string{counted(3), "u{x=\"1\"} 1\n"}, want: []string{`mails_total{x="1"} 3`, `u{x="1"} 1`}},
		"gauge":     {pushes: gauges, want: []string{`g{x="1"} -4`}},
		"gauge sum": {pushes: gauges, gauges: "sum", want: []string{`g{x="1"} -1`}},
		"gauge max": {pushes: gauges, gauges: "max", want: []string{`g{x="1"} 3`}},
		"gauge min": {pushes: gauges, gauges: "min", want: []string{`g{x="1"} -4`}},
		"summary": {
			pushes: []string{"# TYPE s summary\ns{x=\"1\",quantile=\"0.5\"} 1\ns_sum{x=\"1\"} 3\ns_count{x=\"1\"} 2\n", "# TYPE s summary\ns_sum{x=\"1\"} 4\ns_count{x=\"1\"} 1\n"},
			want:   []string{`s_sum{x="1"} 7`, `s_count{x="1"} 3`},
		},
		"histogram": {
			pushes: []string{
				"# TYPE h histogram\nh_bucket{x=\"1\",le=\"1\"} 1\nh_bucket{x=\"1\",le=\"2\"} 2\nh_bucket{x=\"1\",le=\"+Inf\"} 3\nh_sum{x=\"1\"} 9\nh_count{x=\"1\"} 3\n",
				"# TYPE h histogram\nh_bucket{x=\"1\",le=\"2\"} 1\nh_bucket{x=\"1\",le=\"4\"} 1\nh_bucket{x=\"1\",le=\"+Inf\"} 1\nh_sum{x=\"1\"} 2\nh_count{x=\"1\"} 1\n",
			},
			want: []string{`h_bucket{x="1",le="2"} 3`, `h_bucket{x="1",le="+Inf"} 4`, `h_sum{x="1"} 11`, `h_count{x="1"} 4`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := s.with(t)
			for _, body := range c.pushes {
				s.add("a", body, http.StatusOK, "X-Pushgateway-Gauges", c.gauges)
			}
			s.wantLines("a", c.want...)
			s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/a", "")
		})
	}
	s.wantSeries([]string{"pushgateway_sum_histograms_reconciled_total 1"}, nil)
}

// TestSumRefused pushes what cannot be added. Nothing of it may count.
func TestSumRefused(t *testing.T) {
	s := start(t)
	s.add("a", counted(3), http.StatusOK)
	for _, body := range []string{
		counted(-1), "# TYPE mails_total counter\nmails_total{x=\"1\"} NaN\n", "# TYPE mails_total counter\nmails_total{x=\"1\"} +Inf\n",
		"# TYPE mails_total gauge\nmails_total 1\n", "u 1\n" + counted(-1),
	} {
		s.add("a", body, http.StatusBadRequest)
	}
	s.want(http.StatusBadRequest, http.MethodPut, "/metrics/job/a?merge=sum", counted(1))
	s.want(http.StatusBadRequest, http.MethodPut, "/metrics/job/a", counted(1), "X-Pushgateway-Merge", "sum")
	s.want(http.StatusBadRequest, http.MethodPost, "/metrics/job/a", counted(1), "X-Pushgateway-Gauges", "sum")
	s.wantLines("a", `mails_total{x="1"} 3`)
}

// TestSumRestart adds from many clients at once, and wants the sum, and the time
// of the first addition as its start, also after a restart.
func TestSumRestart(t *testing.T) {
	args := []string{"--persistence.file=" + filepath.Join(t.TempDir(), "data"), "--web.enable-openmetrics"}
	s := start(t, args...)
	began := time.Now()
	s.want(http.StatusOK, http.MethodPost, "/metrics/job/a", counted(1), "X-Pushgateway-Merge", "sum")
	first := time.Now()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { s.add("a", counted(2), http.StatusOK) })
	}
	all.Wait()
	want := func(s *server, sum string) {
		t.Helper()
		s.wantLines("a", `mails_total{x="1"} `+sum)
		if at := s.startOfMails(); at < seconds(began)-1 || at > seconds(first)+1 {
			t.Errorf("the sum began at %v, want from %v to %v", at, seconds(began), seconds(first))
		}
	}
	want(s, "41")
	s.proc.Stop()
	s = start(t, args...)
	s.add("a", counted(1), http.StatusOK)
	want(s, "42")
}

var mailsCreated = regexp.MustCompile(`(?m)^mails_created\{.*\} (.+)$`)

// TestSumSeriesExpire lets a series expire that nobody adds to. Another one, the
// unit and an exemplar stay.
func TestSumSeriesExpire(t *testing.T) {
	args := []string{"--persistence.file=" + filepath.Join(t.TempDir(), "data"), "--web.enable-openmetrics"}
	s := start(t, args...)
	openMetrics := "# TYPE mail_bytes counter\n# UNIT mail_bytes bytes\nmail_bytes_total 1 # {id=\"1\"} 1.0\n# EOF\n"
	s.add("a", openMetrics, http.StatusOK, "Content-Type", "application/openmetrics-text; version=1.0.0")
	s.add("a", "# TYPE mail_bytes_total counter\nmail_bytes_total 2\n", http.StatusOK)
	s.add("a", "u{x=\"1\"} 1\nu{x=\"2\"} 1\n", http.StatusOK, "X-Pushgateway-Series-TTL", "1s")
	s.add("a", "u{x=\"2\"} 1\n", http.StatusOK, "X-Pushgateway-Series-TTL", "1h")
	s.add("b", "u{x=\"2\"} 1\n", http.StatusOK, "X-Pushgateway-Series-TTL", "1s") // the group ends with it
	for _, header := range []string{"x", "-1s", "1", "200y", "1s,2s"} {
		s.add("a", "u{x=\"2\"} 1\n", http.StatusBadRequest, "X-Pushgateway-Series-TTL", header)
	}
	s.want(http.StatusBadRequest, http.MethodPost, "/metrics/job/a", "u 1\n", "X-Pushgateway-Series-TTL", "1h")
	s.want(http.StatusBadRequest, http.MethodPut, "/metrics/job/a", "u 1\n", "X-Pushgateway-Series-TTL", "1h")
	s.awaitGone("/metrics/job/b")
	gone := []string{`u{instance="",job="a",x="1"} 1`}
	s.wantSeries([]string{`u{instance="",job="a",x="2"} 2`, "pushgateway_series_expired_total 1"}, gone)
	s.proc.Stop()
	s = start(t, args...)
	s.wantSeries([]string{`u{instance="",job="a",x="2"} 2`}, gone)
	exposed := s.scrape("Accept", "application/openmetrics-text; version=1.0.0").body
	for _, want := range []string{"# UNIT mail_bytes bytes\n", "mail_bytes_total{instance=\"\",job=\"a\"} 3.0 # {id=\"1\"} 1.0\n"} {
		if !strings.Contains(exposed, want) {
			t.Errorf("scrapes lack %q", want)
		}
	}
}

// startOfMails returns the start time of the counter.
func (s *server) startOfMails() (at float64) {
	s.t.Helper()
	m := mailsCreated.FindStringSubmatch(s.scrape("Accept", "application/openmetrics-text; version=1.0.0").body)
	if m == nil {
		s.t.Fatal("the sum has no start time")
	}
	if _, err := fmt.Sscan(m[1], &at); err != nil {
		s.t.Fatal(err)
	}
	return at
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

// TestSumOnce sends pushes with keys again. Each counts once.
func TestSumOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data")
	s := start(t, "--persistence.file="+file)
	once := func(s *server, key string, n, want int, replayed string) {
		t.Helper()
		a := s.add("a", counted(n), want, "Idempotency-Key", key)
		if got := a.header.Get("Idempotency-Replayed"); got != replayed {
			t.Errorf("the push with the key %s is answered as replayed %q, want %q", key, got, replayed)
		}
	}
	once(s, `"k"`, 1, http.StatusOK, "")
	once(s, `"k"`, 1, http.StatusOK, "true")
	once(s, "k", 1, http.StatusOK, "true") // the same key, bare
	once(s, `"k"`, 2, http.StatusUnprocessableEntity, "")
	once(s, `"a \"b\" \\"`, 2, http.StatusOK, "")
	s.want(http.StatusOK, http.MethodPost, "/metrics/job/b?merge=sum", counted(1), "Idempotency-Key", "k") // another group
	once(s, "bad", -1, http.StatusBadRequest, "")
	once(s, "bad", 4, http.StatusOK, "") // a refusal is not remembered
	for _, key := range []string{"", `"`, `"k`, `k"`, `"k"x`, `"\x"`, "a b", "ü", `"ü"`, `""`, `"k";a=1`, strings.Repeat("x", 257)} {
		s.add("a", counted(1), http.StatusBadRequest, "Idempotency-Key", key)
	}
	s.wantLines("a", `mails_total{x="1"} 7`)
	s.wantSeries([]string{"pushgateway_idempotency_keys 4", `pushgateway_pushes_refused_total{reason="idempotency_key"} 1`}, nil)

	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/a", "")
	once(s, "k", 1, http.StatusOK, "true") // a retry after a reset
	s.wantLines("a")
	s.proc.Stop()
	s = start(t, "--persistence.file="+file)
	once(s, "k", 1, http.StatusOK, "true")
	once(s, "new", 1, http.StatusOK, "")
	s.wantLines("a", `mails_total{x="1"} 1`)

	for _, method := range []string{http.MethodPut, http.MethodPost} { // these can be repeated anyway
		for range 2 {
			if a := s.want(http.StatusOK, method, "/metrics/job/a", counted(1), "Idempotency-Key", "a b"); a.header.Get("Idempotency-Replayed") != "" {
				t.Errorf("%s: a push that does not add up was answered as replayed", method)
			}
		}
	}
}

// TestSumOnceManyGroups sends several groups in one body, with a key.
func TestSumOnceManyGroups(t *testing.T) {
	s := start(t)
	body := "# TYPE mails_total counter\nmails_total{job=\"a\",x=\"1\"} 1\nmails_total{job=\"b\",x=\"1\"} 2\n"
	for _, replayed := range []string{"", "true"} {
		a := s.want(http.StatusOK, http.MethodPost, "/api/v1/push?group_by=job&merge=sum", body, "Idempotency-Key", "k")
		if got := a.header.Get("Idempotency-Replayed"); got != replayed {
			t.Errorf("answered as replayed %q, want %q", got, replayed)
		}
	}
	s.wantLines("a", `mails_total{x="1"} 1`)
	s.wantLines("b", `mails_total{x="1"} 2`)
}

// TestSumOnceAtOnce sends the same push many times at once.
func TestSumOnceAtOnce(t *testing.T) {
	s := start(t, "--persistence.file="+filepath.Join(t.TempDir(), "data"))
	var replayed atomic.Int64
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			if a := s.add("a", counted(1), http.StatusOK, "Idempotency-Key", "k"); a.header.Get("Idempotency-Replayed") == "true" {
				replayed.Add(1)
			}
		})
	}
	all.Wait()
	if s.wantLines("a", `mails_total{x="1"} 1`); replayed.Load() != 29 {
		t.Errorf("%d were answered as replayed, want 29", replayed.Load())
	}
}

// TestSumOnceLimit uses up the keys.
func TestSumOnceLimit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.yml")
	if err := os.WriteFile(file, []byte("limits:\n  max_idempotency_keys: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--config.file="+file)
	s.add("a", counted(1), http.StatusOK, "Idempotency-Key", "1")
	s.add("b", counted(1), http.StatusOK, "Idempotency-Key", "2")
	a := s.add("a", counted(1), http.StatusTooManyRequests, "Idempotency-Key", "3")
	if !strings.Contains(a.body, "max_idempotency_keys in "+file+":2") || a.header.Get("Retry-After") == "" {
		t.Errorf("got %q, Retry-After %q", a.body, a.header.Get("Retry-After"))
	}
	s.add("a", counted(1), http.StatusOK, "Idempotency-Key", "1")
	s.add("a", counted(1), http.StatusOK)
	s.wantLines("a", `mails_total{x="1"} 2`)
}

// TestSumOnceMoved moves groups with keys to other files: by a backup, by an export
// that a start imports, and by an import on demand. Their keys are known.
func TestSumOnceMoved(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(binary, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	s := start(t, "--web.enable-admin-api", "--persistence.file="+data)
	s.add("a", counted(1), http.StatusOK, "Idempotency-Key", "k")
	s.add("gone", counted(1), http.StatusOK, "Idempotency-Key", "k")
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/gone", "")
	copied, exported := filepath.Join(dir, "copy"), filepath.Join(dir, "exported.gob")
	run("backup", "--url="+s.base, copied)
	s.proc.Stop()
	run("export", "--format=gob", "--output="+exported, data)
	again := filepath.Join(dir, "again.gob")
	run("export", "--format=gob", "--output="+again, exported)
	run("import", again)
	for _, file := range []string{copied, exported, again} {
		s := start(t, "--persistence.file="+file)
		for _, job := range []string{"a", "gone"} {
			if a := s.add(job, counted(1), http.StatusOK, "Idempotency-Key", "k"); a.header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("%s: a push to %s counts twice", filepath.Base(file), job)
			}
		}
		s.wantLines("a", `mails_total{x="1"} 1`)
		s.wantLines("gone")
		s.proc.Stop()
	}
}

// TestPushCommandSums loses the first answers to a push of the command, which then
// sends it again. The push counts once.
func TestPushCommandSums(t *testing.T) {
	s := start(t)
	to, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(to)
	var pushes atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || pushes.Add(1) > 2 {
			forward.ServeHTTP(w, r)
			return
		}
		forward.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}))
	defer proxy.Close()
	file := filepath.Join(t.TempDir(), "counts.prom")
	if err := os.WriteFile(file, []byte(counted(3)+"# TYPE g gauge\ng{x=\"1\"} 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, gateway := range []string{proxy.URL, s.base} {
		cmd := exec.Command(binary, "push", "--url="+gateway, "--retry=30s", "--job=a", "--merge=sum", "--gauges=max", file)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if s.wantLines("a", `mails_total{x="1"} 6`, `g{x="1"} 2`); pushes.Load() != 3 {
		t.Errorf("the command sent %d pushes through the proxy, want 3", pushes.Load())
	}
}

// TestPushCommandHangs lets the first try of the command hang. The second comes while
// there is time, and the push counts once.
func TestPushCommandHangs(t *testing.T) {
	t.Parallel() // it waits for the first try
	s := start(t)
	to, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(to)
	var pushes atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if pushes.Add(1) > 1 {
			forward.ServeHTTP(w, r)
			return
		}
		forward.ServeHTTP(httptest.NewRecorder(), r)
		<-r.Context().Done()
	}))
	defer proxy.Close()
	cmd := exec.Command(binary, "push", "--url="+proxy.URL, "--retry=3s", "--timeout=10m", "--job=a", "--merge=sum")
	cmd.Stdin = strings.NewReader(counted(3))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if s.wantLines("a", `mails_total{x="1"} 3`); pushes.Load() != 2 {
		t.Errorf("the command sent %d pushes, want 2", pushes.Load())
	}
}

// TestAggregate pushes as clients of prom-aggregation-gateway do.
func TestAggregate(t *testing.T) {
	s := start(t, "--push.aggregate=zapier", "--web.cors.origin=https://shop\\.example")
	body := counted(1) + "# TYPE g gauge\ng{x=\"1\"} 2\n"
	for _, path := range []string{"/metrics", "/metrics/", "/metrics/job/aggregate", "//metrics/job/aggregate", "/metrics/job/aggregate/"} {
		s.want(http.StatusAccepted, http.MethodPost, path, body)
		s.want(http.StatusAccepted, http.MethodPut, path, body)
	}
	s.wantLines("aggregate", `mails_total{x="1"} 10`, `g{x="1"} 20`)
	for range 2 {
		s.want(http.StatusAccepted, http.MethodPost, "/metrics/instance/nginx-1/domain/example.com", body, "Idempotency-Key", "k")
	}
	s.wantSeries([]string{`mails_total{domain="example.com",instance="nginx-1",job="aggregate",x="1"} 1`}, nil)
	s.want(http.StatusBadRequest, http.MethodPost, "/metrics", counted(-1))
	for _, path := range []string{"/metrics/domain", "/metrics/job", "/metrics/x/1/job", "/metrics/x/1/job/"} {
		s.want(http.StatusBadRequest, http.MethodPost, path, body)
	}
	for _, path := range []string{"/metrics/x/1/job/late/y/2", "/metrics/x/1/y/2/job@base64/bGF0ZQ", "/metrics/job/late/x/1/y/2"} {
		s.want(http.StatusAccepted, http.MethodPost, path, counted(1))
	}
	s.wantSeries([]string{`mails_total{instance="",job="late",x="1",y="2"} 3`}, nil)
	a := s.want(http.StatusOK, http.MethodOptions, "/metrics/domain/x", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST")
	if got := a.header.Get("Access-Control-Allow-Origin"); got != "https://shop.example" {
		t.Errorf("a page may not push: got %q", got)
	}
	s.want(http.StatusAccepted, http.MethodPost, "/metrics", body, "Origin", "https://shop.example")
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/aggregate", "")
	s.wantSeries([]string{`mails_total{domain="example.com",instance="nginx-1",job="aggregate",x="1"} 1`}, []string{`mails_total{instance="",job="aggregate",x="1"} 11`})
}

// TestAggregateByLabel pushes as clients of Gravel Gateway do.
func TestAggregateByLabel(t *testing.T) {
	s := start(t, "--push.aggregate=gravel", "--push.aggregate-job=a")
	for i := range 2 {
		s.want(http.StatusAccepted, http.MethodPost, "/metrics", fmt.Sprintf(`# TYPE value_total counter
value_total{x="1"} %d
value_total{x="2",clearmode="replace"} %[1]d
# TYPE value2 gauge
value2{x="1",clearmode="aggregate"} 1
value2{x="2",clearmode="sum"} 1
value2{x="3"} %[1]d
# TYPE version gauge
version{version="0.0.%[1]d",clearmode="family"} 1
# TYPE other gauge
other{clearmode="info",version="0.0.%[1]d"} 1
`, i+1))
	}
	want := []string{`value_total{x="1"} 3`, `value_total{x="2"} 2`, `value2{x="1"} 2`, `value2{x="2"} 2`, `value2{x="3"} 2`, `version{version="0.0.2"} 1`, `other{version="0.0.2"} 1`}
	s.wantLines("a", slices.Clone(want)...)
	for _, body := range []string{"# TYPE g gauge\ng{clearmode=\"mean5m\"} 1\n", "# TYPE g gauge\ng{clearmode=\"sum\"} 1\ng{clearmode=\"replace\"} 1\n"} {
		s.want(http.StatusBadRequest, http.MethodPost, "/metrics", body)
	}
	s.wantLines("a", slices.Clone(want)...)
	const one = "# TYPE value2 gauge\nvalue2{x=\"1\"} 1\nvalue2{x=\"2\",clearmode=\"replace\"} 5\n"
	for _, path := range []string{"/metrics/clearmode/sum", "/metrics/clearmode@base64/c3Vt", "/metrics/job/a/clearmode/aggregate/"} {
		s.want(http.StatusAccepted, http.MethodPut, path, one)
	}
	want[2], want[3] = `value2{x="1"} 5`, `value2{x="2"} 5`
	s.wantLines("a", slices.Clone(want)...)
	if a := s.want(http.StatusBadRequest, http.MethodPost, "/metrics/clearmode/mean5m", one); !strings.Contains(a.body, "clearmode=\"mean5m\"") {
		t.Errorf("got %q", a.body)
	}
	s.wantLines("a", want...)
}

// TestAggregateConflict adds a series that another group has. What its label says
// of adding does not count.
func TestAggregateConflict(t *testing.T) {
	s := start(t, "--push.aggregate=gravel", "--push.aggregate-job=a")
	const series = "# TYPE value2 gauge\nvalue2{%s} 1\n"
	s.want(http.StatusAccepted, http.MethodPut, "/metrics/job/a/instance/x", fmt.Sprintf(series, ""))
	for _, path := range []string{"/metrics/job/a", "/metrics/job/a/clearmode/sum", "/metrics/job/a/clearmode/family"} {
		for _, labels := range []string{`instance="x"`, `instance="x",clearmode="sum"`, `instance="x",clearmode="replace"`, `clearmode="family",instance="x"`} {
			if a := s.want(http.StatusBadRequest, http.MethodPost, path, fmt.Sprintf(series, labels)); !strings.Contains(a.body, `value2{instance="x"`) {
				t.Errorf("%s %s: got %q", path, labels, a.body)
			}
		}
	}
	s.wantSeries([]string{`value2{instance="x",job="a"} 1`}, nil)
}

// TestClearModeGroups divides series into groups by the label that they lose. That
// would make a series that another group can have, too.
func TestClearModeGroups(t *testing.T) {
	s := start(t)
	const series = "# TYPE m gauge\nm{job=\"a\",clearmode=\"sum\"} 1\n"
	for _, by := range []string{"job,clearmode", "clearmode,job,x"} {
		path := "/api/v1/push?merge=sum&group_by=" + by
		if a := s.want(http.StatusBadRequest, http.MethodPost, path, series, "X-Pushgateway-Gauges", "clearmode"); !strings.Contains(a.body, "group_by must not include clearmode") {
			t.Errorf("%s: got %q", by, a.body)
		}
		s.want(http.StatusOK, http.MethodPost, path, series)
	}
	s.want(http.StatusOK, http.MethodPost, "/api/v1/push?merge=sum&group_by=job", series, "X-Pushgateway-Gauges", "clearmode")
	s.wantSeries([]string{`m{clearmode="sum",instance="",job="a"} 1`, `m{instance="",job="a"} 1`}, nil)
}

// TestAggregateWithinLimit replaces all series of a family at the limit of a group.
// What goes makes room for what comes.
func TestAggregateWithinLimit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.yml")
	if err := os.WriteFile(file, []byte("limits:\n  max_series_per_sum_group: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--push.aggregate=gravel", "--push.aggregate-job=a", "--config.file="+file)
	versions := func(run int) string {
		return fmt.Sprintf("# TYPE version gauge\nversion{v=\"%d\",clearmode=\"family\"} 1\nversion{v=\"%d\",clearmode=\"family\"} 1\n", 2*run, 2*run+1)
	}
	s.want(http.StatusAccepted, http.MethodPost, "/metrics", "# TYPE value_total counter\nvalue_total{x=\"1\"} 1\n"+versions(0))
	for run := range 3 {
		s.want(http.StatusAccepted, http.MethodPost, "/metrics", versions(run))
	}
	s.wantLines("a", `value_total{x="1"} 1`, `version{v="4"} 1`, `version{v="5"} 1`)
	if a := s.want(http.StatusRequestEntityTooLarge, http.MethodPost, "/metrics", "# TYPE more gauge\nmore 1\n"); !strings.Contains(a.body, "would have 4 series") {
		t.Errorf("got %q", a.body)
	}
}

// TestSumOnceForms sends keys in all forms, with all methods, and with bodies that
// are packed. The body counts after it is unpacked.
func TestSumOnceForms(t *testing.T) {
	s := start(t)
	longest := strings.Repeat("k", 256)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(counted(1)))
	_ = z.Close()
	const key = "Idempotency-Key"
	for i, tt := range []struct {
		method, path, body string
		header             []string
		want               int
		replayed           string
	}{
		{"POST", "/metrics/job/a?merge=sum", counted(1), []string{key, longest}, 200, ""},
		{"POST", "/metrics/job/a?merge=sum", counted(1), []string{key, `"` + longest + `"`}, 200, "true"},
		{"POST", "/metrics/job/a", counted(1), []string{key, longest, "X-Pushgateway-Merge", "sum"}, 200, "true"},
		{"POST", "/metrics/job/a?merge=sum", packed.String(), []string{key, longest, "Content-Encoding", "gzip"}, 200, "true"},
		{"POST", "/metrics/job/a?merge=sum", counted(2), []string{key, longest}, 422, ""},
		{"POST", "/metrics/job/a?merge=sum", counted(1), []string{key, longest + "k"}, 400, ""},
		{"POST", "/metrics/job/a?merge=sum", counted(1), []string{key, ""}, 400, ""},
		{"POST", "/metrics/job/a?merge=sum", counted(1), []string{key, `""`}, 400, ""},
		{"POST", "/metrics/job/a?merge=sum", counted(1), []string{key, "a b"}, 400, ""},
		{"POST", "/metrics/job/a?merge=sum", counted(1), []string{key, `"a b"`}, 200, ""},
		{"PUT", "/metrics/job/a?merge=sum", counted(1), []string{key, "put"}, 400, ""},
		{"POST", "/api/v1/push?merge=sum&group_by=job", "# TYPE mails_total counter\nmails_total{job=\"a\",x=\"1\"} 1\n", []string{key, "many"}, 200, ""},
		{"POST", "/api/v1/push?merge=sum&group_by=job", "# TYPE mails_total counter\nmails_total{job=\"a\",x=\"1\"} 1\n", []string{key, "many"}, 200, "true"},
		{"POST", "/metrics/job/a?merge=sum", counted(1), []string{key, "many"}, 422, ""},
		{"DELETE", "/metrics/job/a", "", []string{key, longest}, 202, ""},
		{"POST", "/metrics/job/a?merge=sum", counted(1), []string{key, longest}, 200, "true"},
		{"POST", "/metrics/job/a", counted(7), []string{key, longest}, 200, ""},
		{"PUT", "/metrics/job/a", counted(7), []string{key, longest}, 200, ""},
		{"POST", "/metrics/job/a?merge=sum", counted(1), []string{key, longest}, 200, "true"},
	} {
		if a := s.want(tt.want, tt.method, tt.path, tt.body, tt.header...); a.header.Get("Idempotency-Replayed") != tt.replayed {
			t.Errorf("%d: got Idempotency-Replayed %q, want %q", i, a.header.Get("Idempotency-Replayed"), tt.replayed)
		}
	}
	s.wantLines("a", `mails_total{x="1"} 7`)
}

// TestSumLargeCounts adds counts beyond what floats hold. A restart does not change
// them, and neither they nor sums become infinite.
func TestSumLargeCounts(t *testing.T) {
	args := []string{"--persistence.file=" + filepath.Join(t.TempDir(), "data")}
	s := start(t, args...)
	histogram := func(n string) string {
		return "# TYPE h histogram\nh_bucket{le=\"1\"} " + n + "\nh_bucket{le=\"+Inf\"} " + n + "\nh_sum 1\nh_count " + n + "\n"
	}
	s.add("a", histogram("9007199254740992"), http.StatusOK)
	for range 3 {
		s.add("a", histogram("1"), http.StatusOK)
	}
	lines := func() []string {
		return slices.DeleteFunc(strings.Split(s.want(http.StatusOK, http.MethodGet, "/metrics", "").body, "\n"), func(line string) bool { return !strings.HasPrefix(line, "h_") })
	}
	before := lines()
	if s.proc.Stop(); len(before) != 4 {
		t.Errorf("got %q", before)
	}
	s = start(t, args...)
	if after := lines(); !slices.Equal(after, before) {
		t.Errorf("a restart makes %q of %q", after, before)
	}
	s.add("a", histogram("1"), http.StatusOK)
	s.add("a", histogram("1.8446744073709550e+19"), http.StatusBadRequest)
	s.add("b", "# TYPE c counter\nc{x=\"1\"} 1.7e308\n", http.StatusOK)
	s.add("b", "# TYPE c counter\nc{x=\"1\"} 1.7e308\n", http.StatusBadRequest)
	s.wantLines("b", `c{x="1"} 1.7e+308`)
}

// TestSumOfSimilarSeries adds to two series whose labels are the same text, if NUL
// were to end each of them.
func TestSumOfSimilarSeries(t *testing.T) {
	s := start(t)
	for range 2 {
		s.want(http.StatusOK, http.MethodPost, "/metrics/job/a?merge=sum", "m{a=\"x\",b=\"y\"} 1\nm{a=\"x\x00b\x00y\"} 10\n")
	}
	s.wantSeries([]string{`m{a="x",b="y",instance="",job="a"} 2`, "m{a=\"x\x00b\x00y\",instance=\"\",job=\"a\"} 20"}, nil)
}
