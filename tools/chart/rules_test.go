package chart

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestPrometheusRule has promtool try the alerts of a release, whose scrape job
// is not called "pushgateway".
func TestPrometheusRule(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	rules := find(objects(t, parse(t, "prometheusRule: {enabled: true}")), "PrometheusRule")
	text, err := yaml.Marshal(rules.Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rules.yml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	test := readFile(t, "testdata/rules.test.yml")
	if err := os.WriteFile(filepath.Join(dir, "rules.test.yml"), []byte(test), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "rules", "--lint-fatal", "rules.yml"}, {"test", "rules", "rules.test.yml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// TestDashboard has the dashboard stay JSON, and ask for the release's job alone.
func TestDashboard(t *testing.T) {
	for values, want := range map[string]string{
		`{dashboard: {enabled: true}}`:                                                 `pushgateway_groups{job="demo-pushgateway",`,
		`{dashboard: {enabled: true}, metricsSelector: 'job=~"a\\.b",cluster="c"'}`:    `pushgateway_groups{job=~"a\\.b",cluster="c",`,
		`{dashboard: {enabled: true}, metricsSelector: 'job=~"<.*>", cluster!~"&.*"'}`: `pushgateway_groups{job=~"<.*>", cluster!~"&.*",`,
	} {
		text := at(t, find(objects(t, parse(t, values)), "ConfigMap"), `{.data.demo-pushgateway\.json}`)
		var dashboard struct {
			UID    string
			Panels []struct{ Targets []struct{ Expr string } }
		}
		if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
			t.Fatalf("%s: %v in\n%s", values, err, text)
		}
		var asked strings.Builder
		for _, p := range dashboard.Panels {
			for _, target := range p.Targets {
				asked.WriteString(target.Expr + "\n")
			}
		}
		if all := asked.String(); !strings.Contains(all, want) || strings.Contains(all, `job="pushgateway"`) {
			t.Errorf("%s: %s is missing, or another job is not, in\n%s", values, want, all)
		}
		if dashboard.UID != "demo-pushgateway" {
			t.Errorf("the dashboard's identifier is %q", dashboard.UID)
		}
	}
}
