// Package chart tests the Helm chart, and the manifests that are rendered
// from it.
package chart

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
)

const (
	directory = "../../deploy/helm/pushgateway"
	manifests = "../../deploy/kubernetes/pushgateway.yaml"
)

var update = flag.Bool("update", false, "write the manifests anew")

// helm is the program, built once for all tests.
var helm string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "chart-test")
	if err != nil {
		panic(err)
	}
	helm = filepath.Join(dir, "helm")
	if out, err := exec.Command("go", "build", "-o", helm, "helm.sh/helm/v3/cmd/helm").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// render gives what the chart makes of settings like a=b.
func render(settings ...string) (string, error) {
	var args []string
	for _, s := range settings {
		args = append(args, "--set-json="+s)
	}
	return template(args...)
}

func template(args ...string) (string, error) {
	args = append([]string{"template", "pushgateway", directory, "--namespace=monitoring", "--kube-version=1.33.0"}, args...)
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(helm, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stderr.String(), err
	}
	return stdout.String(), nil
}

func TestLint(t *testing.T) {
	if out, err := exec.Command(helm, "lint", "--strict", directory).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestManifestsAreUpToDate(t *testing.T) {
	got, err := template("--skip-tests") // those are run by helm alone
	if err != nil {
		t.Fatal(got)
	}
	got = "# Rendered from deploy/helm/pushgateway: go -C tools test ./chart -update\n" + got
	if *update {
		if err := os.WriteFile(manifests, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(manifests)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is out of date: go -C tools test ./chart -update", manifests)
	}
}

// TestRendered has Kubernetes' own types read what the chart makes, strictly.
func TestRendered(t *testing.T) {
	for name, c := range map[string]struct {
		settings []string
		want     []string // lines, or parts of them
		not      []string
	}{
		"default":        {nil, []string{"readOnlyRootFilesystem: true", "volumeClaimTemplates:", "path: /-/ready", "helm.sh/hook: test", "--url=http://pushgateway:9091"}, []string{"ServiceMonitor", "NetworkPolicy"}},
		"flags":          {[]string{`extraArgs=["--push.ttl=7d"]`}, []string{`- "--push.ttl=7d"`}, nil},
		"web config":     {[]string{`webConfigSecret="web"`}, []string{"--web.config.file=/etc/pushgateway/web.yml", `secretName: "web"`, "tcpSocket:"}, []string{"httpGet", "helm.sh/hook"}},
		"in memory":      {[]string{`persistence.enabled=false`}, []string{"emptyDir: {}"}, []string{"--persistence.file", "volumeClaimTemplates"}},
		"existing claim": {[]string{`persistence.existingClaim="mine"`}, []string{`claimName: "mine"`}, []string{"volumeClaimTemplates"}},
		"monitored":      {[]string{`serviceMonitor.enabled=true`, `serviceMonitor.labels={"release":"prometheus"}`}, []string{"honorLabels: true", "release: prometheus"}, nil},
		"network policy": {[]string{`networkPolicy.enabled=true`, `networkPolicy.from=[{"podSelector":{"matchLabels":{"a":"b"}}}]`}, []string{"kind: NetworkPolicy", "a: b"}, nil},
		"placed": {[]string{`nodeSelector={"kubernetes.io/arch":"arm64"}`, `tolerations=[{"operator":"Exists"}]`, `podLabels={"x":"y"}`, `podAnnotations={"p":"q"}`,
			`imagePullSecrets=[{"name":"s"}]`, `service.annotations={"e":"f"}`, `affinity={"nodeAffinity":{}}`}, []string{"kubernetes.io/arch: arm64", "x: \"y\"", "p: q", "name: s"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := render(c.settings...)
			if err != nil {
				t.Fatal(got)
			}
			for _, s := range c.want {
				if !strings.Contains(got, s) {
					t.Errorf("%q is missing in\n%s", s, got)
				}
			}
			for _, s := range c.not {
				if strings.Contains(got, s) {
					t.Errorf("%q is in\n%s", s, got)
				}
			}
			decode(t, got)
		})
	}
}

// decode reads each document into its type. Of the operator's there is none
// among those of Kubernetes.
func decode(t *testing.T, rendered string) {
	t.Helper()
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for _, document := range strings.Split(rendered, "\n---\n") {
		if strings.Contains(document, "kind: ServiceMonitor") {
			continue
		}
		if _, _, err := strict.Decode([]byte(document), nil, nil); err != nil {
			t.Errorf("%v in\n%s", err, document)
		}
	}
}

func TestWrongValuesAreRefused(t *testing.T) {
	for _, s := range []string{`extraArgs=["push.ttl=7d"]`, `persistence.size="much"`, `replicas=2`, `service.port=0`, `image.repository=""`} {
		if got, err := render(s); err == nil || !strings.Contains(got, "specifications of the schema") {
			t.Errorf("%s is not refused for the schema:\n%s", s, got)
		}
	}
}
