package e2e

import (
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
	"github.com/prometheus/common/expfmt"
)

// wantSeries looks for lines in the exposition, and for others not being
// there.
func (s *server) wantSeries(present, absent []string) {
	s.t.Helper()
	lines := strings.Split(s.scrape().body, "\n")
	for _, line := range present {
		if !slices.Contains(lines, line) {
			s.t.Errorf("%s is not exposed", line)
		}
	}
	for _, line := range absent {
		if slices.Contains(lines, line) {
			s.t.Errorf("%s is exposed", line)
		}
	}
}

// jobMetrics are what a job has to say.
func jobMetrics(value float64) []prometheus.Collector {
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "job_records", Help: "Records."})
	gauge.Set(value)
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "job_seconds", Buckets: []float64{1}, NativeHistogramBucketFactor: 1.1})
	histogram.Observe(0.5)
	summary := prometheus.NewSummary(prometheus.SummaryOpts{Name: "job_bytes", Objectives: map[float64]float64{0.5: 0.1}})
	summary.Observe(7)
	return []prometheus.Collector{gauge, histogram, summary}
}

func TestClientGolang(t *testing.T) {
	for name, format := range map[string]expfmt.Format{
		"protobuf": expfmt.NewFormat(expfmt.TypeProtoDelim),
		"text":     expfmt.NewFormat(expfmt.TypeTextPlain),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			pusher := push.New(s.base, "my/job").Grouping("path", "/var/tmp").Grouping("empty", "").Format(format)
			for _, c := range jobMetrics(5) {
				pusher.Collector(c)
			}
			if err := pusher.Push(); err != nil {
				t.Fatal(err)
			}
			all := []string{
				`job_records{empty="",instance="",job="my/job",path="/var/tmp"} 5`,
				`job_seconds_bucket{empty="",instance="",job="my/job",path="/var/tmp",le="1"} 1`,
				`job_bytes_count{empty="",instance="",job="my/job",path="/var/tmp"} 1`,
			}
			s.wantSeries(all, nil)
			// In protobuf a help text that is not given is sent as an empty one.
			if got := slices.Contains(strings.Split(s.scrape().body, "\n"), "# HELP job_seconds "); got != (name == "protobuf") {
				t.Errorf("that there is a help text for job_seconds is %t", got)
			}

			one := push.New(s.base, "my/job").Grouping("path", "/var/tmp").Grouping("empty", "").Format(format).Collector(jobMetrics(6)[0])
			if err := one.Add(); err != nil {
				t.Fatal(err)
			}
			records := `job_records{empty="",instance="",job="my/job",path="/var/tmp"} 6`
			s.wantSeries(append(slices.Clone(all[1:]), records), all[:1])
			if err := one.Push(); err != nil {
				t.Fatal(err)
			}
			s.wantSeries([]string{records}, all)
			if err := one.Delete(); err != nil {
				t.Fatal(err)
			}
			s.wantSeries(nil, append(all, records))
		})
	}
}

// TestClientGolangRefused wants a client to get to know why.
func TestClientGolangRefused(t *testing.T) {
	s := start(t)
	s.push("/metrics/job/other", "# TYPE job_records counter\njob_records 1\n", http.StatusOK)
	err := push.New(s.base, "job").Collector(jobMetrics(1)[0]).Push()
	if err == nil || !strings.Contains(err.Error(), `group {job="other"}`) {
		t.Errorf("got %v", err)
	}
}

const pythonClient = `
import sys
from prometheus_client import CollectorRegistry, Gauge, Histogram, push_to_gateway, pushadd_to_gateway, delete_from_gateway
at = sys.argv[1]
def registry(name, value):
    r = CollectorRegistry()
    Gauge(name, 'Help with "quotes".', ['l'], registry=r).labels('a/b').set(value)
    Histogram(name + '_seconds', 'Seconds.', registry=r).observe(0.3)
    return r
key = {'instance': 'i/1', 'empty': ''}
if sys.argv[2] == 'push':
    push_to_gateway(at, job='py', grouping_key=key, registry=registry('py_one', 1))
    pushadd_to_gateway(at, job='py', grouping_key=key, registry=registry('py_two', 2))
else:
    delete_from_gateway(at, job='py', grouping_key=key)
`

func TestPythonClient(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import prometheus_client").Run(); err != nil {
		t.Skipf("python3-prometheus-client is missing: %v", err)
	}
	s := start(t)
	run := func(what string) {
		t.Helper()
		if out, err := exec.Command(python, "-c", pythonClient, s.addr, what).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	pushed := []string{
		`py_one{empty="",instance="i/1",job="py",l="a/b"} 1`,
		`py_two{empty="",instance="i/1",job="py",l="a/b"} 2`,
		`py_two_seconds_count{empty="",instance="i/1",job="py"} 1`,
	}
	run("push")
	s.wantSeries(pushed, nil)
	run("delete")
	s.wantSeries(nil, pushed)
}

func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is missing")
	}
	s := start(t)
	cmd := exec.Command(curl, "-sS", "-m", "20", "--fail-with-body", "--data-binary", "@-", s.base+"/metrics/job/some_job/instance/some_instance")
	cmd.Stdin = strings.NewReader("# TYPE some_metric counter\nsome_metric{label=\"val1\"} 42\nanother_metric 2398.283\n")
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v %s", err, out)
	}
	s.wantSeries([]string{
		`some_metric{instance="some_instance",job="some_job",label="val1"} 42`,
		`another_metric{instance="some_instance",job="some_job"} 2398.283`,
	}, nil)
}
