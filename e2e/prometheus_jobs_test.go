package e2e

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPrometheusJobs has a real Prometheus with the alerts for all jobs look at
// jobs that `pushgateway run` has run.
func TestPrometheusJobs(t *testing.T) {
	t.Parallel() // mostly it waits
	rules, err := filepath.Abs("../deploy/prometheus/jobs.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	s.run(0, "--job=good", "--expect=24h", "--", "true")
	s.run(1, "--job=failing", "--expect=24h", "--", "false")
	s.run(0, "--job=missing", "--expect=1s", "--", "true") // and never again

	addr := startPrometheus(t, "rule_files: ['"+rules+"']\n"+scrapeConfig(s))
	await(t, addr, `ALERTS{alertname="JobFailed",alertstate="firing",job="failing"}`, "1")
	await(t, addr, `ALERTS{alertname="JobMissing",alertstate="firing",job="missing"}`, "1")
	await(t, addr, `count(ALERTS{job="good"}) or vector(0)`, "0")

	s.run(0, "--job=failing", "--expect=24h", "--", "true")
	await(t, addr, `count(ALERTS{job="failing"}) or vector(0)`, "0")
}

// run runs a job that tells the gateway how it went.
func (s *server) run(want int, args ...string) {
	s.t.Helper()
	if code, _, errs := command(s.t, append([]string{"run", "--url=" + s.base}, args...)...); code != want || errs != "" {
		s.t.Fatalf("run %v: exit code %d, %q", args, code, errs)
	}
}

// TestPrometheusLife has a real Prometheus see a native histogram, and a group
// that ends at its time.
func TestPrometheusLife(t *testing.T) {
	t.Parallel() // mostly it waits
	s := start(t)
	s.push("/metrics/job/native", protoBody(nativeHistogram(`name:"n"`, ``, ``)), http.StatusOK, "Content-Type", protobufAccept)
	s.push("/metrics/job/mortal?ttl=1h", "m 1\n", http.StatusOK)

	addr := startPrometheus(t, scrapeConfig(s), "--enable-feature=native-histograms")
	await(t, addr, `histogram_count(n{job="native"})`, "3")
	await(t, addr, `histogram_sum(n{job="native"})`, "4.5")
	await(t, addr, `m{job="mortal"}`, "1")
	s.push("/metrics/job/mortal?ttl=1ms", "m 2\n", http.StatusOK)
	await(t, addr, `count(m) or vector(0)`, "0")
	await(t, addr, `pushgateway_groups_expired_total`, "1")
}

// TestExpositionIsClean has promtool look at what the gateway tells of itself.
func TestExpositionIsClean(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	s := start(t, "--persistence.file="+filepath.Join(t.TempDir(), "journal"))
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(s.scrape().body)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
