package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(groups:\n.*?)```")

// TestAlertsInDocs has Prometheus check every rule that the documentation
// offers.
func TestAlertsInDocs(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range yamlBlock.FindAllStringSubmatch(string(b), -1) {
			found++
			file := filepath.Join(t.TempDir(), "rules.yml")
			if err := os.WriteFile(file, []byte(m[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(promtool, "check", "rules", "--lint-fatal", file).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", page, err, out)
			}
		}
	}
	if found == 0 {
		t.Error("there are no rules in the documentation")
	}
}

// lifecycleCases are series as the gateway exposes them, and the alerts of
// docs/lifecycle.md that they must raise.
const lifecycleCases = `
rule_files: [rules.yml]
evaluation_interval: 10m
tests:
  - name: pushed every day, with time enough to live
    interval: 10m
    input_series:
      - series: push_time_seconds{job="backup"}
        values: 0+0x140 86400+0x140
      - series: push_expiry_time_seconds{job="backup"}
        values: 172800+0x140 259200+0x140
    alert_rule_test:
      - {eval_time: 23h, alertname: JobNotPushed}
      - {eval_time: 23h, alertname: GroupEndsSoon}
      - {eval_time: 23h, alertname: TimeToLiveTooShort}
      - {eval_time: 23h, alertname: JobGone}
  - name: not pushed again, and then gone
    interval: 10m
    input_series:
      - series: push_time_seconds{job="backup"}
        values: 0+0x287 stale
      - series: push_expiry_time_seconds{job="backup"}
        values: 172800+0x287 stale
    alert_rule_test:
      - eval_time: 26h
        alertname: JobNotPushed
        exp_alerts: [{exp_labels: {job: backup}, exp_annotations: {summary: "backup has not pushed for 1d 2h 0m 0s."}}]
      - eval_time: 26h
        alertname: GroupEndsSoon
        exp_alerts: [{exp_labels: {job: backup}, exp_annotations: {summary: "backup has not pushed for long; its metrics vanish in 22h 0m 0s."}}]
      - {eval_time: 50h, alertname: JobNotPushed}
      - eval_time: 50h
        alertname: JobGone
        exp_alerts: [{exp_labels: {job: backup}, exp_annotations: {summary: "There is no group of the job backup: it has never pushed, was deleted, or its time to live is over."}}]
  - name: a time to live that silences the alert
    interval: 10m
    input_series:
      - series: push_time_seconds{job="backup"}
        values: 0+0x12
      - series: push_expiry_time_seconds{job="backup"}
        values: 7200+0x12
    alert_rule_test:
      - eval_time: 30m
        alertname: TimeToLiveTooShort
        exp_alerts: [{exp_labels: {job: backup}, exp_annotations: {summary: "backup pushes with a time to live of 2h 0m 0s, which silences JobNotPushed."}}]
`

func TestLifecycleAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	page, err := os.ReadFile("../docs/lifecycle.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rules := yamlBlock.FindStringSubmatch(string(page))
	if rules == nil {
		t.Fatal("docs/lifecycle.md has no rules")
	}
	for name, content := range map[string]string{"rules.yml": rules[1], "cases.yml": strings.TrimSpace(lifecycleCases)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(promtool, "test", "rules", "cases.yml")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
