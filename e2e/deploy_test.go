package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// queries are those of the dashboard, by the title of their panel, with
// everything chosen.
func queries(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../deploy/compose/grafana/dashboards/pushgateway.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Templating struct{ List []struct{ Name string } }
		Panels     []struct {
			Title   string
			Targets []struct{ RefID, Expr string }
		}
	}
	if err := json.Unmarshal(b, &dashboard); err != nil {
		t.Fatal(err)
	}
	var choices []string
	for _, v := range dashboard.Templating.List {
		choices = append(choices, "$"+v.Name+`"`, `.*"`)
	}
	chosen := strings.NewReplacer(choices...)
	all := make(map[string]string)
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all[p.Title+" "+target.RefID] = chosen.Replace(target.Expr)
		}
	}
	return all
}

// TestDashboard has a real Prometheus answer the queries of the dashboard.
func TestDashboard(t *testing.T) {
	t.Parallel() // mostly it waits
	s := start(t, "--persistence.file="+filepath.Join(t.TempDir(), "metrics.db"))
	s.push("/metrics/job/backup", "size 42\n", http.StatusOK, "X-Pushgateway-TTL", "1h")
	s.push("/metrics/job/broken", "size 42 1\n", http.StatusBadRequest)
	s.run(1, "--job=failing", "--", "false")
	s.run(0, "--job=stale", "--expect=1s", "--", "true")
	running := exec.Command(binary, "run", "--url="+s.base, "--job=running", "--", "sleep", "600")
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = running.Process.Signal(os.Interrupt)
		_ = running.Wait() // it ends as sleep does
	})
	addr := startPrometheus(t, scrapeConfig(s))
	all := queries(t)
	if len(all) < 10 {
		t.Fatalf("the dashboard has only %d queries", len(all))
	}
	for panel, query := range all {
		t.Run(panel, func(t *testing.T) {
			await(t, addr, "count(("+query+") > -Inf or ("+query+") != ("+query+")) > bool 0", "1")
		})
	}
}

// TestDownWhateverTheJobIsCalled has a real Prometheus scrape a gateway under a
// name that says nothing.
func TestDownWhateverTheJobIsCalled(t *testing.T) {
	t.Parallel() // mostly it waits
	rules, err := filepath.Abs("../deploy/prometheus/pushgateway.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	s.push("/metrics/job/backup", "size 42\n", http.StatusOK)
	config := strings.Replace(scrapeConfig(s), "job_name: pushgateway", "job_name: batch/metrics", 1)
	addr := startPrometheus(t, "rule_files: ['"+rules+"']\n"+config)
	await(t, addr, `count(job:push_age_seconds:max)`, "1") // rules are evaluated, and the gateway is scraped
	await(t, addr, `count(ALERTS) or vector(0)`, "0")
	s.proc.Stop()
	await(t, addr, `count(ALERTS{alertname="PushgatewayDown",job="batch/metrics",instance="`+s.addr+`"})`, "1")
}

// TestRules has Prometheus check and try the rules that are shipped.
func TestRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	for _, args := range [][]string{
		{"check", "rules", "--lint-fatal", "pushgateway.rules.yml", "jobs.rules.yml"},
		{"test", "rules", "pushgateway.rules.test.yml", "jobs.rules.test.yml"},
	} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = "../deploy/prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// TestTemplates has the programs that read the templates check them.
func TestTemplates(t *testing.T) {
	for _, args := range [][]string{
		{"promtool", "check", "config", "--syntax-only", "../deploy/compose/prometheus.yml"},
		{"cloud-init", "schema", "--config-file", "../deploy/cloud-init/pushgateway.yaml"},
	} {
		t.Run(args[0], func(t *testing.T) {
			if _, err := exec.LookPath(args[0]); err != nil {
				t.Skipf("%s is missing", args[0])
			}
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
