// Package chart tests the Helm chart, and the manifests that are rendered
// from it.
package chart

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

const (
	directory = "../../deploy/helm/pushgateway"
	manifests = "../../deploy/kubernetes/pushgateway.yaml"
)

var update = flag.Bool("update", false, "write the manifests anew")

func TestLint(t *testing.T) {
	found := lint.AllWithKubeVersion(directory, nil, "monitoring", kubernetes(t)).Messages
	for _, m := range found {
		if m.Severity > support.InfoSev {
			t.Error(m)
		}
	}
}

// helmOnly are labels that say that Helm has made an object.
var helmOnly = regexp.MustCompile(`(?m)^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n`)

func TestManifestsAreUpToDate(t *testing.T) {
	made := mustRender(t, "pushgateway", "monitoring", readValues(t, "../../deploy/kubernetes/values.yaml"))
	got := "# Rendered from deploy/helm/pushgateway with values.yaml: go -C tools test ./chart -update\n" + helmOnly.ReplaceAllString(made.Manifest, "")
	sameFile(t, manifests, got)
}

// sameFile wants the file to hold got. With -update it writes it.
func sameFile(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got != readFile(t, path) {
		t.Errorf("%s is out of date: go -C tools test ./chart -update", path)
	}
}

func TestWrongValuesAreRefused(t *testing.T) {
	for values, want := range map[string]string{
		"replicas: 2":                               "replicas",
		"persistentVolume: {enable: true}":          "enable",
		"persistentVolume: {size: much}":            "size",
		"persistentVolume: {mountPath: data}":       "mountPath",
		"service: {port: 0}":                        "port",
		"service: {targetPort: Web UI}":             "targetPort",
		`image: {repository: ""}`:                   "repository",
		"extraArgs: --push.ttl=7d":                  "extraArgs",
		"extraArgs: [{push.ttl: 7d}]":               "extraArgs",
		"podAntiAffinity: medium":                   "podAntiAffinity",
		"serviceMonitor: {interval: often}":         "interval",
		"route: {main: {hostname: a.example.org}}":  "hostname",
		"networkPolicy: {enabled: true}":            "enabled",
		"webConfiguration: {existingSecret: mine}":  "existingSecret",
		"prometheusRule: {selector: 'job=\"p\"'}":   "selector",
		"podDisruptionBudget: {maxUnavailible: 10}": "maxUnavailible",
	} {
		_, err := render("demo", "default", parse(t, values))
		if err == nil || !strings.Contains(err.Error(), "specifications of the schema") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error of the schema about %s", values, err, want)
		}
	}
}

// TestNull has null take every default away that may be absent.
func TestNull(t *testing.T) {
	needed := map[string]bool{"image": true, "service": true, "serviceAccount": true, "persistentVolume": true, "serviceMonitor": true,
		"automountServiceAccountToken": true, "replicaCount": true}
	for key := range readValues(t, directory+"/values.yaml") {
		if needed[key] {
			continue
		}
		if _, err := render("demo", "default", map[string]any{key: nil}); err != nil {
			t.Errorf("%s: null: %v", key, err)
		}
	}
}
