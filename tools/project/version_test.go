// Package project holds what surrounds the program to its rules: the version,
// the changelog, the workflows, and pages in two languages.
package project

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../../"

var update = flag.Bool("update", false, "write the version into all that repeats it")

// repeats are the files that cannot do without the version, each with an
// expression that has it in its second group.
var repeats = map[string]*regexp.Regexp{
	"deploy/helm/pushgateway/Chart.yaml":           regexp.MustCompile(`(?m)^((?:version|appVersion): "?)(\d[\w.-]*)`),
	"deploy/bridges/alloy/compose.yaml":            regexp.MustCompile(`(PUSHGATEWAY_VERSION:-)(\d[\w.-]*)`),
	"deploy/bridges/prometheus-agent/compose.yaml": regexp.MustCompile(`(PUSHGATEWAY_VERSION:-)(\d[\w.-]*)`),
	"deploy/bridges/vmagent/compose.yaml":          regexp.MustCompile(`(PUSHGATEWAY_VERSION:-)(\d[\w.-]*)`),
	"deploy/compose/cluster/compose.yaml":          regexp.MustCompile(`(PUSHGATEWAY_VERSION:-)(\d[\w.-]*)`),
	"deploy/compose/compose.yaml":                  regexp.MustCompile(`(PUSHGATEWAY_VERSION:-)(\d[\w.-]*)`),
	"deploy/packer/pushgateway.pkr.hcl":            regexp.MustCompile(`(pushgateway-)(\d[\w.]*)-1\.aarch64`),
	"deploy/cloud-init/pushgateway.yaml":           regexp.MustCompile(`(pushgateway-)(\d[\w.]*)-1\.aarch64`),
	"deploy/kubernetes/pushgateway.yaml":           regexp.MustCompile(`(app.kubernetes.io/version: "?|image: "(?:[\w./-]+/)?pushgateway:)(\d[\w.-]*)`),
	"deploy/rfs/pushgateway.tf":                    regexp.MustCompile(`(pushgateway-)(\d[\w.]*)-1\.aarch64`),
	"docs/install.md":                              regexp.MustCompile(`(pushgateway[:-]|refs/tags/v)(\d+\.\d+\.\d+)`),
	"docs/huawei-cloud.md":                         regexp.MustCompile(`(pushgateway-)(\d+\.\d+\.\d+)`),
	"docs/huawei-cloud_ZH.md":                      regexp.MustCompile(`(pushgateway-)(\d+\.\d+\.\d+)`),
}

// version is what the sources say.
func version(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(read(t, "cmd/pushgateway/VERSION"))
}

func TestVersionIsTheSameEverywhere(t *testing.T) {
	want := version(t)
	if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(want) {
		t.Fatalf("cmd/pushgateway/VERSION: %q is no version", want)
	}
	for file, expression := range repeats {
		text := read(t, file)
		found := expression.FindAllStringSubmatch(text, -1)
		if len(found) == 0 {
			t.Errorf("%s does not say which version it is for", file)
		}
		for _, m := range found {
			if m[2] != want && !*update {
				t.Errorf("%s: %q, but cmd/pushgateway/VERSION says %s: go -C tools test ./project -update", file, m[0], want)
			}
		}
		if *update {
			replaced := expression.ReplaceAllStringFunc(text, func(s string) string {
				return strings.Replace(s, expression.FindStringSubmatch(s)[2], want, 1)
			})
			if err := os.WriteFile(filepath.Join(root, file), []byte(replaced), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// read gives a file of the repository.
func read(t *testing.T, file string) string {
	t.Helper()
	return readPath(t, filepath.Join(root, file))
}
