package e2e

import (
	"bytes"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8"
	openMetricsUTF8 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"
	compactAccept   = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text"
)

// TestPushOpenMetrics pushes OpenMetrics, and wants these lines in scrapes. $ stands
// for the labels that the gateway adds.
func TestPushOpenMetrics(t *testing.T) {
	s := start(t, "--web.enable-openmetrics", "--push.enable-utf8-names")
	for name, c := range map[string]struct {
		body, text, open, proto string
	}{
		"counter": {
			"# HELP x_seconds A \\\"counter\\\"\\\\\n# TYPE x_seconds counter\n# UNIT x_seconds seconds\nx_seconds_total{a=\"1\"} 17.0 # {trace_id=\"abc\"} 0.5 1600000000.25\nx_seconds_created{a=\"1\"} 1600000000.123456789\n# EOF\n",
			"# HELP x_seconds_total A \"counter\"\\\\\n# TYPE x_seconds_total counter\nx_seconds_total{a=\"1\",$} 17\n",
			"# HELP x_seconds A \\\"counter\\\"\\\\\n# TYPE x_seconds counter\n# UNIT x_seconds seconds\nx_seconds_total{a=\"1\",$} 17.0 # {trace_id=\"abc\"} 0.5 1600000000.25\nx_seconds_created{a=\"1\",$} 1600000000.123456789\n",
			`exemplar:{label:{name:"trace_id" value:"abc"} value:0.5 timestamp:{seconds:1600000000 nanos:250000000}} created_timestamp:{seconds:1600000000 nanos:123456789}}}`,
		},
		"start time in front": {
			"# TYPE x counter\nx_created{a=\"1\"} 1.6e+09\nx_created{a=\"2\"} 5\nx_total{a=\"2\"} 2\nx_total{a=\"1\"} 1\n# EOF",
			"# TYPE x_total counter\nx_total{a=\"1\",$} 1\nx_total{a=\"2\",$} 2\n",
			"# TYPE x counter\nx_total{a=\"1\",$} 1.0\nx_created{a=\"1\",$} 1600000000\nx_total{a=\"2\",$} 2.0\nx_created{a=\"2\",$} 5\n",
			"created_timestamp:{seconds:1600000000 nanos:0}",
		},
		"no suffix": {
			"# TYPE x counter\nx 1\n# EOF\n",
			"# TYPE x counter\nx{$} 1\n",
			"# TYPE x counter\nx_total{$} 1.0\n",
			"counter:{value:1}",
		},
		"the suffix in the type": {
			"# TYPE x_total counter\nx_total 1\n# EOF\n",
			"# TYPE x_total counter\nx_total{$} 1\n",
			"# TYPE x counter\nx_total{$} 1.0\n",
			"counter:{value:1}",
		},
		"histogram": {
			"# TYPE h histogram\nh_bucket{le=\"0.5\"} 1 # {id=\"x\"} 0.3\nh_bucket{le=\"+Inf\"} 2\nh_count 2\nh_sum 3.5\nh_created 1.5\n# EOF\n",
			"# TYPE h histogram\nh_bucket{$,le=\"0.5\"} 1\nh_bucket{$,le=\"+Inf\"} 2\nh_sum{$} 3.5\nh_count{$} 2\n",
			"# TYPE h histogram\nh_bucket{$,le=\"0.5\"} 1 # {id=\"x\"} 0.3\nh_bucket{$,le=\"+Inf\"} 2\nh_sum{$} 3.5\nh_count{$} 2\nh_created{$} 1.5\n",
			"created_timestamp:{seconds:1 nanos:500000000}",
		},
		"histogram without count and sum": {
			"# TYPE h histogram\nh_bucket{a=\"1\",le=\"0.5\"} 1\nh_bucket{a=\"1\",le=\"+Inf\"} 2\nh_count{a=\"2\"} 0\nh_bucket{a=\"2\",le=\"+Inf\"} 0\nh_bucket{a=\"3\",le=\"0.5\"} 1\nh_bucket{a=\"4\",le=\"+Inf\"} 1.5\n# EOF\n",
			"h_sum{a=\"1\",$} 0\nh_count{a=\"1\",$} 2\nh_bucket{a=\"2\",$,le=\"+Inf\"} 0\nh_sum{a=\"2\",$} 0\nh_count{a=\"2\",$} 0\nh_bucket{a=\"3\",$,le=\"0.5\"} 1\nh_bucket{a=\"3\",$,le=\"+Inf\"} 0\nh_sum{a=\"3\",$} 0\nh_count{a=\"3\",$} 0\n",
			"h_bucket{a=\"1\",$,le=\"+Inf\"} 2\nh_sum{a=\"1\",$} 0.0\nh_count{a=\"1\",$} 2\n",
			"sample_count:2",
		},
		"gauge histogram": {
			"# TYPE h gaugehistogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_gcount 2\nh_gsum 3.5\n# EOF\n",
			"# TYPE h histogram\nh_bucket{$,le=\"0.5\"} 1\nh_bucket{$,le=\"+Inf\"} 2\nh_sum{$} 3.5\nh_count{$} 2\n",
			"# TYPE h gaugehistogram\nh_bucket{$,le=\"0.5\"} 1\nh_bucket{$,le=\"+Inf\"} 2\nh_gsum{$} 3.5\nh_gcount{$} 2\n",
			"type:GAUGE_HISTOGRAM",
		},
		"summary": {
			"# TYPE s summary\ns{quantile=\"0.5\"} 1.5\ns_count 2\ns_sum 3.5\ns_created 7\n# EOF\n",
			"# TYPE s summary\ns{$,quantile=\"0.5\"} 1.5\ns_sum{$} 3.5\ns_count{$} 2\n",
			"# TYPE s summary\ns{$,quantile=\"0.5\"} 1.5\ns_sum{$} 3.5\ns_count{$} 2\ns_created{$} 7\n",
			"created_timestamp:{seconds:7 nanos:0}",
		},
		"info": {
			"# TYPE i info\n# HELP i About.\ni_info{version=\"1\"} 1\n# EOF\n",
			"# HELP i_info About.\n# TYPE i_info gauge\ni_info{$,version=\"1\"} 1\n",
			"# HELP i_info About.\n# TYPE i_info gauge\ni_info{$,version=\"1\"} 1.0\n",
			"type:GAUGE",
		},
		"stateset": {
			"# TYPE e stateset\ne{e=\"a\"} 1\ne{e=\"b\"} 0\n# EOF\n",
			"# TYPE e gauge\ne{e=\"a\",$} 1\ne{e=\"b\",$} 0\n",
			"# TYPE e gauge\ne{e=\"a\",$} 1.0\ne{e=\"b\",$} 0.0\n",
			"type:GAUGE",
		},
		"unknown": {
			"# TYPE u unknown\nu{a=\"\\\\\\\"\\n\"} +Inf\n# EOF\n",
			"# TYPE u untyped\nu{a=\"\\\\\\\"\\n\",$} +Inf\n",
			"# TYPE u unknown\nu{a=\"\\\\\\\"\\n\",$} +Inf\n",
			"type:UNTYPED",
		},
		"quoted names": {
			"# TYPE \"my.requests\" counter\n{\"my.requests_total\",\"a.b\"=\"1\"} 1\n{\"my.requests_created\",\"a.b\"=\"1\"} 3\n# EOF\n",
			"# TYPE my_requests_total counter\nmy_requests_total{a_b=\"1\",$} 1\n",
			"# TYPE \"my.requests\" counter\n{\"my.requests_total\",\"a.b\"=\"1\",$} 1.0\n{\"my.requests_created\",\"a.b\"=\"1\",$} 3\n",
			"created_timestamp:{seconds:3 nanos:0}",
		},
		"another family with the name of start times": {
			"# TYPE x counter\nx_created 4\nx_total 1\n# TYPE y_created gauge\ny_created 3\n# TYPE y counter\ny_total 1\n# EOF\n",
			"# TYPE y_created gauge\ny_created{$} 3\n# TYPE y_total counter\ny_total{$} 1\n",
			"# TYPE x counter\nx_total{$} 1.0\nx_created{$} 4\n# TYPE y_created gauge\ny_created{$} 3.0\n# TYPE y counter\ny_total{$} 1.0\n",
			"created_timestamp:{seconds:4 nanos:0}",
		},
		"nothing": {"# EOF\n", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := s.with(t)
			for _, contentType := range []string{openMetricsType, "application/openmetrics-text", "Application/OpenMetrics-Text;charset=utf-8;version=0.0.1;q=0.5"} {
				s.want(http.StatusOK, http.MethodPut, "/metrics/job/a", c.body, "Content-Type", contentType)
				s.wantTogether("", c.text)
				s.wantTogether(openMetricsUTF8, c.open)
				if proto := s.scrape("Accept", compactAccept).body; !strings.Contains(proto, c.proto) {
					t.Errorf("protobuf has no %s:\n%s", c.proto, aboutJob(proto))
				}
			}
			open := s.get("/metrics", "Accept", openMetricsUTF8).body
			checkOpenMetrics(t, open)
		})
	}
}

// wantTogether wants lines in a scrape, one directly after the other.
func (s *server) wantTogether(accept, lines string) {
	s.t.Helper()
	lines = strings.ReplaceAll(lines, "$", `instance="",job="a"`)
	if got := s.get("/metrics", "Accept", accept).body; !strings.Contains("\n"+got, "\n"+lines) {
		s.t.Errorf("%q: the scrape has no\n%s\nbut\n%s", accept, lines, aboutJob(got))
	}
}

// aboutJob returns the lines about the job a.
func aboutJob(scrape string) (about string) {
	for line := range strings.Lines(scrape) {
		if strings.Contains(line, `job`) {
			about += line
		}
	}
	return about
}

// checkOpenMetrics reads a scrape as Prometheus does.
func checkOpenMetrics(t *testing.T, body string) {
	t.Helper()
	f := scrapeFormat{media: "application/openmetrics-text;version=1.0.0", escaping: noEscaping}
	r := &scrapeReader{format: f, types: make(map[string]model.MetricType), owners: make(map[string]string), seen: make(map[string]bool)}
	if err := r.read([]byte(body), openMetricsType); err != nil {
		t.Error(err)
	}
}

// TestOpenMetricsRefused wants refusals that help.
func TestOpenMetricsRefused(t *testing.T) {
	s := start(t)
	for name, c := range map[string]struct{ body, says string }{
		"content after the end":  {"m 1\n# EOF\nm 2\n", "line 3: found 'm' after # EOF"},
		"a line after the end":   {"m 1\n# EOF\n\n", "line 3: found '\\n' after # EOF"},
		"a timestamp":            {"m 1 1600000000.5\n# EOF\n", "family \"m\": pushed metrics must not have timestamps"},
		"a comment":              {"# a\nm 1\n# EOF\n", "line 1: found the comment \"# a\""},
		"an empty line":          {"m 1\n\n# EOF\n", "line 2: found an empty line"},
		"two spaces":             {"m  1\n# EOF\n", "line 1: expected a number as value, found ' '; write one space"},
		"spaces in braces":       {"m{a=\"1\", b=\"2\"} 1\n# EOF\n", "line 1: expected a label name or '}', found ' '; OpenMetrics has no spaces"},
		"a type of text":         {"# TYPE m untyped\nm 1\n# EOF\n", "line 1: unknown metric type \"untyped\"; OpenMetrics calls it unknown"},
		"a unit not in the name": {"# UNIT m seconds\nm 1\n# EOF\n", "line 1: the name \"m\" does not end with its unit"},
		"a start time alone":     {"# TYPE m counter\nm_created 1\n# EOF\n", "line 1: family \"m\": the series m has a start time (_created), but no value"},
		"a lone exemplar":        {"# TYPE m gauge\nm 1 # {a=\"b\"} 1\n# EOF\n", "line 2: the line \"m\" has an exemplar, but only counters"},
		"CRLF":                   {"m 1\r\n# EOF\r\n", "line 1: the line ends with CRLF"},
		"a dotted name":          {"{\"a.b\"} 1\n# EOF\n", "line 1: the metric name \"a.b\" needs a gateway with --push.enable-utf8-names"},
		"twice":                  {"m 1\nm 2\n# EOF\n", "family \"m\": the series m occurs twice in the push"},
		"a name twice":           {"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 1\n# TYPE h_gcount gauge\nh_gcount 1\n# TYPE h_count gauge\n# EOF\n", "line 7: TYPE line"},
		"a reserved label":       {"m{__a=\"1\"} 1\n# EOF\n", "family \"m\": the label name \"__a\" is reserved"},
		"a type of our own":      {"# TYPE pushgateway_groups counter\npushgateway_groups_total 1\n# EOF\n", ""},
		"JSON":                   {"{\"a\": 1}\n# EOF\n", "the body is JSON"},
	} {
		a := s.do(http.MethodPost, "/metrics/job/a", c.body, "Content-Type", openMetricsType)
		want := http.StatusBadRequest
		if c.says == "" {
			want = http.StatusOK
		}
		if a.status != want || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: got %d %s, want %s", name, a.status, a.body, c.says)
		}
	}
}

// TestOpenMetricsAsText wants text to be read where 1.11 reads text, and to
// count that.
func TestOpenMetricsAsText(t *testing.T) {
	s := start(t)
	for _, c := range []struct{ body, contentType string }{
		{"# TYPE x counter\nx_total 1\n", openMetricsType},
		{"# a comment\n\nx_total  1 \n", "application/openmetrics-text"},
		{"# TYPE x counter\nx_total 1\n# EOF\n", "application/openmetrics-text; version=2.0.0"},
	} {
		s.want(http.StatusOK, http.MethodPut, "/metrics/job/a", strings.Replace(c.body, " \n", "\n", 1), "Content-Type", c.contentType)
		s.wantTogether("", "# TYPE x_total untyped\nx_total{$} 1\n")
	}
	s.want(http.StatusOK, http.MethodPut, "/metrics/job/a", "# TYPE x counter\nx_total 1\n# EOF\n")
	s.wantTogether("", "# TYPE x_total untyped\nx_total{$} 1\n")
	s.wantTogether("", "pushgateway_openmetrics_read_as_text_total 3\n")
	s.eventually("a warning", func() bool {
		return strings.Contains(s.log.String(), "Read as text what ends like OpenMetrics; if it is that, push it with Content-Type: application/openmetrics-text")
	})
	s.want(http.StatusOK, http.MethodPut, "/metrics/job/a", "# TYPE x counter\nx_total 1\n# EOF\n", "Content-Type", openMetricsType)
	s.wantTogether("", "# TYPE x_total counter\nx_total{$} 1\n")
}

// TestOpenMetricsStripped removes timestamps if a flag says so, and keeps what
// else a restart must keep.
func TestOpenMetricsStripped(t *testing.T) {
	file := t.TempDir() + "/file"
	args := []string{"--web.enable-openmetrics", "--push.timestamps=strip", "--push.lenient-newlines", "--persistence.file=" + file}
	s := start(t, args...)
	const body = "# TYPE x_bytes counter\r\n# UNIT x_bytes bytes\r\nx_bytes_total 1 1600000000.5\r\nx_bytes_created 2\r\n# TYPE y_bytes gauge\r\n# UNIT y_bytes bytes\r\ny_bytes 1\r\n# EOF\r\n"
	s.want(http.StatusOK, http.MethodPut, "/metrics/job/a", body, "Content-Type", openMetricsType)
	const lines = "# TYPE x_bytes counter\n# UNIT x_bytes bytes\nx_bytes_total{$} 1.0\nx_bytes_created{$} 2\n# TYPE y_bytes gauge\n# UNIT y_bytes bytes\ny_bytes{$} 1.0\n"
	s.wantTogether(openMetricsUTF8, lines)
	s.proc.Stop()
	s = start(t, args...)
	s.wantTogether(openMetricsUTF8, lines)
	s.want(http.StatusOK, http.MethodPost, "/metrics/job/a?merge=series", "# TYPE x_bytes_total counter\nx_bytes_total{n=\"2\"} 3\n")
	s.wantTogether(openMetricsUTF8, "# TYPE x_bytes counter\n# UNIT x_bytes bytes\nx_bytes_total{$} 1.0\nx_bytes_created{$} 2\nx_bytes_total{$,n=\"2\"} 3.0\n")
}

const pythonOpenMetrics = `
import sys, urllib.request
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
r = CollectorRegistry()
Counter('py_jobs', 'Jobs with "quotes".', ['l'], registry=r).labels('a"b').inc(2, exemplar={'trace_id': 'x'})
Gauge('py_size', 'Size.', unit='bytes', registry=r).set(5)
Histogram('py_took', 'Took.', unit='seconds', buckets=[1], registry=r).observe(0.5, {'trace_id': 'y'})
Summary('py_wait', 'Wait.', registry=r).observe(1)
Info('py_build', 'Build.', registry=r).info({'version': '1'})
Enum('py_state', 'State.', states=['up', 'down'], registry=r).state('up')
req = urllib.request.Request('http://%s/metrics/job/a' % sys.argv[1], data=generate_latest(r), method='PUT', headers={'Content-Type': CONTENT_TYPE_LATEST})
assert urllib.request.urlopen(req).status == 200
`

// TestPythonOpenMetrics pushes what Python's client writes, and lets a real
// Prometheus scrape it.
func TestPythonOpenMetrics(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import prometheus_client").Run(); err != nil {
		t.Skipf("python3-prometheus-client is missing: %v", err)
	}
	t.Parallel() // mostly it waits
	s := start(t, "--web.enable-openmetrics")
	if out, err := exec.Command(python, "-c", pythonOpenMetrics, s.addr).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.wantSeries([]string{
		`py_jobs_total{instance="",job="a",l="a\"b"} 2`, `py_size_bytes{instance="",job="a"} 5`, `py_took_seconds_bucket{instance="",job="a",le="1"} 1`,
		`py_wait_count{instance="",job="a"} 1`, `py_build_info{instance="",job="a",version="1"} 1`, `py_state{instance="",job="a",py_state="down"} 0`,
	}, nil)
	s.wantTogether("", "# HELP py_jobs_total Jobs with \"quotes\".\n# TYPE py_jobs_total counter\n")
	open := s.get("/metrics", "Accept", openMetricsUTF8).body
	for _, want := range []string{"# UNIT py_took_seconds seconds\n", "py_jobs_created{", "py_wait_created{", "py_took_seconds_created{", `# {trace_id="x"} 2.0 `, `# {trace_id="y"} 0.5 `} {
		if !strings.Contains(open, want) {
			t.Errorf("OpenMetrics has no %q:\n%s", want, open)
		}
	}
	addr := startPrometheus(t, scrapeConfig(s))
	await(t, addr, `py_jobs_total{job="a",l="a\"b"}`, "2")
	await(t, addr, `py_took_seconds_bucket{le="1.0"} or py_took_seconds_bucket{le="1"}`, "1")
	await(t, addr, `up{job="pushgateway"}`, "1")
}

// TestClientGolangOpenMetrics pushes what expfmt writes, with start times.
func TestClientGolangOpenMetrics(t *testing.T) {
	began := time.Unix(1_600_000_000, 0)
	r := prometheus.NewRegistry()
	for _, c := range []prometheus.Metric{
		must(prometheus.NewConstMetricWithCreatedTimestamp(prometheus.NewDesc("go_jobs_total", "Jobs.", nil, nil), prometheus.CounterValue, 3, began)),
		must(prometheus.NewConstHistogramWithCreatedTimestamp(prometheus.NewDesc("go_took_seconds", "Took.", nil, nil), 2, 3, map[float64]uint64{1: 1}, began)),
		must(prometheus.NewConstSummaryWithCreatedTimestamp(prometheus.NewDesc("go_wait_seconds", "Wait.", nil, nil), 2, 3, map[float64]float64{0.5: 1}, began)),
	} {
		r.MustRegister(constant{c})
	}
	var body bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeOpenMetrics)
	enc := expfmt.NewEncoder(&body, format, expfmt.WithCreatedLines())
	for _, f := range must(r.Gather()) {
		if err := enc.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := enc.(expfmt.Closer).Close(); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--web.enable-openmetrics")
	s.want(http.StatusOK, http.MethodPut, "/metrics/job/a", body.String(), "Content-Type", string(format))
	s.wantTogether(openMetricsUTF8, "# TYPE go_jobs counter\ngo_jobs_total{$} 3.0\ngo_jobs_created{$} 1600000000\n")
	s.wantTogether(openMetricsUTF8, "go_took_seconds_count{$} 2\ngo_took_seconds_created{$} 1600000000\n")
	s.wantTogether(openMetricsUTF8, "go_wait_seconds_count{$} 2\ngo_wait_seconds_created{$} 1600000000\n")
	if n := strings.Count(s.scrape("Accept", compactAccept).body, "created_timestamp:{seconds:1600000000 nanos:0}"); n != 3 {
		t.Errorf("protobuf has %d start times", n)
	}
}

// constant collects one metric.
type constant struct{ prometheus.Metric }

func (c constant) Describe(ch chan<- *prometheus.Desc) { ch <- c.Desc() }
func (c constant) Collect(ch chan<- prometheus.Metric) { ch <- c.Metric }
