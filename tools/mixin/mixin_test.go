// Package mixin renders the alerts, rules and dashboard of deploy/mixin, and
// holds what is rendered to the documentation.
package mixin

import (
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-jsonnet"
	"github.com/google/go-jsonnet/formatter"
	"github.com/google/go-jsonnet/linter"
	"sigs.k8s.io/yaml"
)

const (
	source     = "../../deploy/mixin/"
	prometheus = "../../deploy/prometheus/"
	grafana    = "../../deploy/compose/grafana/dashboards/"
	chart      = "../../deploy/helm/pushgateway/files/"
	docs       = "../../docs/"
)

// chartConfig has a selector that the chart replaces by that of the release.
const chartConfig = `pushgatewaySelector: 'job="pushgateway"'`

// committed are the rendered files that are part of the repository: what they
// are rendered with, and their names in render.libsonnet.
var committed = map[string]struct{ config, name string }{
	prometheus + "pushgateway.rules.yml": {"", "pushgateway.rules.yml"},
	prometheus + "jobs.rules.yml":        {"", "jobs.rules.yml"},
	grafana + "pushgateway.json":         {"", "pushgateway.json"},
	chart + "pushgateway.rules.yml":      {chartConfig, "pushgateway.rules.yml"},
	chart + "jobs.rules.yml":             {chartConfig, "jobs.rules.yml"},
	chart + "dashboard.json":             {chartConfig, "pushgateway.json"},
}

var update = flag.Bool("update", false, "write the rendered files anew, and format the sources")

// render gives the files of the mixin with fields of _config replaced, by name.
func render(t *testing.T, config string) map[string]string {
	t.Helper()
	vm := jsonnet.MakeVM()
	vm.StringOutput = true
	vm.Importer(&jsonnet.FileImporter{JPaths: []string{source}})
	files, err := vm.EvaluateAnonymousSnippetMulti("test.jsonnet",
		`(import "render.libsonnet")((import "mixin.libsonnet") { _config+:: {`+config+`} })`)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRenderedFilesAreUpToDate(t *testing.T) {
	for file, of := range committed {
		content := render(t, of.config)[of.name]
		if *update {
			if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if read(t, file) != content {
			t.Errorf("%s is out of date: go -C tools test ./mixin -update", file)
		}
	}
}

// TestChartCanReplaceTheSelector puts another selector in place, as the chart's
// templates do, and looks for every metric of the gateway.
func TestChartCanReplaceTheSelector(t *testing.T) {
	own := regexp.MustCompile(`\b(?:up|scrape_duration_seconds|pushgateway_[a-z_]+[a-z])\b(\{namespace="a"[,}])?`)
	found := 0
	for _, r := range parse(t, strings.ReplaceAll(read(t, chart+"pushgateway.rules.yml"), `job="pushgateway"`, `namespace="a"`)) {
		for _, m := range own.FindAllStringSubmatch(r.Expr, -1) {
			if found++; m[1] == "" {
				t.Errorf("%s in %s is not selected", m[0], r.Expr)
			}
		}
	}
	if found < 14 {
		t.Errorf("only %d metrics were found", found)
	}
}

// TestSources has jsonnet's own linter and formatter look at the sources.
func TestSources(t *testing.T) {
	files, err := fs.Glob(os.DirFS(source), "*.libsonnet")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		content := read(t, source+name)
		formatted, err := formatter.Format(name, content, formatter.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(source+name, []byte(formatted), 0o644); err != nil {
				t.Fatal(err)
			}
			content = formatted
		}
		if content != formatted {
			t.Errorf("%s is not formatted: go -C tools test ./mixin -update", name)
		}
		vm := jsonnet.MakeVM()
		vm.Importer(&jsonnet.FileImporter{JPaths: []string{source}})
		var complaints strings.Builder
		if linter.LintSnippet(vm, &complaints, []linter.Snippet{{FileName: source + name, Code: content}}) {
			t.Errorf("%s: %s", name, &complaints)
		}
	}
}

// TestSelectors has promtool try the rules with gateways chosen in several
// ways. The cases of each way are in a file of its own.
func TestSelectors(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is missing: apt-get install prometheus")
	}
	for cases, config := range map[string]string{
		"any-job.yml":  ``,
		"one-job.yml":  `pushgatewaySelector: 'job="monitoring/pgw"'`,
		"clusters.yml": `pushgatewaySelector: 'cluster="eu"', pushedSelector: 'team="a"', serviceLabels: ['cluster', 'job'], docsURL: 'https://example.org/docs'`,
	} {
		t.Run(cases, func(t *testing.T) {
			dir := t.TempDir()
			files := render(t, config)
			files[cases] = read(t, source+"tests/"+cases)
			for name, content := range files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for _, args := range [][]string{
				{"check", "rules", "--lint-fatal", "pushgateway.rules.yml", "jobs.rules.yml"},
				{"test", "rules", cases},
			} {
				cmd := exec.Command(promtool, args...)
				cmd.Dir = dir
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			}
		})
	}
}

// rule is an alert or a recording rule.
type rule struct {
	Alert, Record, Expr string
	Labels, Annotations map[string]string
}

// parse gives the rules of a file.
func parse(t *testing.T, text string) []rule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// rules are those that are committed, of the gateway and of jobs.
func rules(t *testing.T) []rule {
	t.Helper()
	return append(parse(t, read(t, prometheus+"pushgateway.rules.yml")), parse(t, read(t, prometheus+"jobs.rules.yml"))...)
}
