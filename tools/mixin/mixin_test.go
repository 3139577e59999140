// Package mixin renders the alerts, rules and dashboard of deploy/mixin, and
// holds what is rendered to the documentation.
package mixin

import (
	"flag"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	docs       = "../../docs/"
)

// targets are where the rendered files belong.
var targets = map[string]string{
	"pushgateway.rules.yml": prometheus,
	"jobs.rules.yml":        prometheus,
	"pushgateway.json":      "../../deploy/compose/grafana/dashboards/",
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
	files := render(t, "")
	if got, want := slices.Sorted(maps.Keys(files)), slices.Sorted(maps.Keys(targets)); !slices.Equal(got, want) {
		t.Fatalf("rendered %v, want %v", got, want)
	}
	for name, content := range files {
		file := targets[name] + name
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

func rules(t *testing.T) []rule {
	t.Helper()
	var all []rule
	for name, content := range render(t, "") {
		if !strings.HasSuffix(name, ".yml") {
			continue
		}
		var file struct{ Groups []struct{ Rules []rule } }
		if err := yaml.Unmarshal([]byte(content), &file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, g := range file.Groups {
			all = append(all, g.Rules...)
		}
	}
	return all
}
