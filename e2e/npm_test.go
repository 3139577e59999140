package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runNode runs a client in JavaScript with more environment. scripts/test-deps
// installs what it needs.
func runNode(t *testing.T, script string, env []string, args ...string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there are no clients from npm: node is missing")
	}
	if _, err := os.Stat("npm/node_modules/of-lock.json"); err != nil {
		t.Skip("there are no clients from npm: run scripts/test-deps")
	}
	cmd := exec.Command(node, append([]string{script}, args...)...)
	cmd.Env = append(append(os.Environ(), "NODE_PATH="+must(filepath.Abs("npm/node_modules"))), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestOTLPSDKJavaScript exports twice from a job in JavaScript, in both encodings
// and with both temporalities, and lets a real Prometheus scrape it.
func TestOTLPSDKJavaScript(t *testing.T) {
	t.Parallel() // mostly it waits
	s := start(t, "--web.enable-openmetrics", "--web.enable-admin-api")
	for _, c := range []struct{ encoding, temporality string }{{"json", "cumulative"}, {"proto", "cumulative"}, {"json", "delta"}, {"proto", "delta"}} {
		s.want(202, "PUT", "/api/v1/admin/wipe", "")
		runNode(t, "npm/otlp.js", nil, s.base+"/v1/metrics", c.encoding, c.temporality)
		s.wantSeries([]string{
			`js_requests_total{http_method="GET",instance="",job="shop/js"} 6`, `js_queue{instance="",job="shop/js"} -4`, `js_load_ratio{instance="",job="shop/js"} 0.5`,
			`js_took_seconds_bucket{instance="",job="shop/js",le="1"} 0`, `js_took_seconds_bucket{instance="",job="shop/js",le="5"} 2`, `js_took_seconds_sum{instance="",job="shop/js"} 8`,
			`js_size_bytes_count{instance="",job="shop/js"} 2`, `target_info{instance="",job="shop/js",process_pid="7",service_version="1.2"} 1`,
		}, nil)
		s.wantTogether("", "# HELP js_requests_total Requests with \"quotes\".\n# TYPE js_requests_total counter\n")
		open := s.get("/metrics", "Accept", openMetricsUTF8).body
		for _, want := range []string{"# UNIT js_took_seconds seconds\n", "js_requests_created{", "js_took_seconds_created{"} {
			if !strings.Contains(open, want) {
				t.Errorf("%v: OpenMetrics has no %q", c, want)
			}
		}
		if proto := s.scrape("Accept", compactAccept).body; !strings.Contains(proto, "schema:") {
			t.Errorf("%v: there is no native histogram", c)
		}
	}
	addr := startPrometheus(t, scrapeConfig(s))
	await(t, addr, `js_requests_total{job="shop/js",http_method="GET"}`, "6")
	await(t, addr, `js_took_seconds_count * on (job, instance) group_left(service_version) target_info`, "2")
}

// TestPromClientOpenMetrics pushes what prom-client writes in OpenMetrics, and lets
// a real Prometheus scrape it.
func TestPromClientOpenMetrics(t *testing.T) {
	t.Parallel() // mostly it waits
	s := start(t, "--web.enable-openmetrics")
	runNode(t, "npm/prom.js", nil, s.base+"/metrics/job/node")
	s.wantSeries([]string{
		`node_jobs_total{instance="",job="node",l="a\"b"} 2`, `node_size_bytes{instance="",job="node"} 5`, `node_took_seconds_bucket{instance="",job="node",le="1"} 1`,
		`node_wait{instance="",job="node",quantile="0.5"} 1`, `node_wait_count{instance="",job="node"} 1`,
	}, nil)
	s.wantTogether("", "# HELP node_jobs_total Jobs with \"quotes\".\n# TYPE node_jobs_total counter\n")
	open := s.get("/metrics", "Accept", openMetricsUTF8).body
	for _, want := range []string{`# {trace_id="x"} 2.0 `, `# {trace_id="y"} 0.5 `} {
		if !strings.Contains(open, want) {
			t.Errorf("OpenMetrics has no %q:\n%s", want, aboutJob(open))
		}
	}
	addr := startPrometheus(t, scrapeConfig(s))
	await(t, addr, `node_jobs_total{job="node",l="a\"b"}`, "2")
}
