package jobstest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// alertOf is the alert of each state that has one.
var alertOf = []struct{ state, alert string }{
	{"failing", "JobFailed"}, {"late", "JobMissing"}, {"running_too_long", "JobRunsLong"}, {"push_refused", "PushRefused"}, {"stale", "JobStale"},
}

// AlertsAgree evaluates the alerts in the directory rules for what a scrape has. For
// each job the alert of its state must fire, and no worse one. promtool begins at
// the Unix time 0, so all times are moved.
func AlertsAgree(t testing.TB, rules, scrape string, states map[string]string) {
	t.Helper()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("promtool is not installed: scripts/test-deps installs it")
		return
	}
	const evaluated = 100 // days
	moved := float64(time.Now().Unix() - evaluated*86400)
	type test map[string]any
	var series, checks []test
	for name, value := range pushedSeries(t, scrape) {
		if value > moved && value < 2*moved {
			value -= moved
		}
		text := strconv.FormatFloat(value, 'f', -1, 64)
		series = append(series, test{"series": name, "values": "_x" + strconv.Itoa(evaluated) + " " + text})
	}
	for job, state := range states {
		var worse []string
		for _, a := range alertOf {
			if a.state == state {
				checks = append(checks, countOf(job, a.alert, evaluated, 1))
				break
			}
			worse = append(worse, a.alert)
		}
		checks = append(checks, countOf(job, strings.Join(worse, "|"), evaluated, 0))
	}
	var files []string
	for _, name := range []string{"jobs.rules.yml", "pushgateway.rules.yml"} {
		path, err := filepath.Abs(filepath.Join(rules, name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	file := filepath.Join(t.TempDir(), "test.yml")
	content, err := json.Marshal(test{
		"rule_files": files, "evaluation_interval": "1d",
		"tests": []test{{"interval": "1d", "input_series": series, "promql_expr_test": checks}},
	})
	if err == nil {
		err = os.WriteFile(file, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("the alerts do not agree: %v\n%s", err, out)
	}
}

// countOf is a test of promtool that this many of the alerts fire for a job.
func countOf(job, alerts string, day int, want int) map[string]any {
	return map[string]any{
		"expr":        fmt.Sprintf(`(count(count by (alertname) (ALERTS{alertstate="firing",job=%q,alertname=~%q})) or vector(0))`, job, alerts),
		"eval_time":   fmt.Sprintf("%dd", day),
		"exp_samples": []map[string]any{{"value": want}},
	}
}

// pushedSeries is what a scrape has of jobs, and of pushes to them.
func pushedSeries(t testing.TB, scrape string) map[string]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(scrape))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]float64)
	for name, f := range families {
		if !strings.HasPrefix(name, "job_") && !strings.HasPrefix(name, "push_") {
			continue
		}
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			value := m.GetGauge().GetValue() + m.GetUntyped().GetValue()
			all[name+"{"+strings.Join(labels, ",")+"}"] = value
		}
	}
	return all
}
