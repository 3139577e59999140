package chart

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/yaml"
)

func kubernetes(t *testing.T) *chartutil.KubeVersion {
	t.Helper()
	version, err := chartutil.ParseKubeVersion("v1.33.0")
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// render does what "helm template" does.
func render(name, namespace string, values map[string]any) (*release.Release, error) {
	chart, err := loader.Load(directory)
	if err != nil {
		return nil, err
	}
	install := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	install.ReleaseName, install.Namespace = name, namespace
	install.ClientOnly, install.DryRun = true, true
	if install.KubeVersion, err = chartutil.ParseKubeVersion("v1.33.0"); err != nil {
		return nil, err
	}
	return install.Run(chart, values)
}

func mustRender(t *testing.T, name, namespace string, values map[string]any) *release.Release {
	t.Helper()
	made, err := render(name, namespace, values)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func readValues(t *testing.T, path string) map[string]any {
	t.Helper()
	return parse(t, readFile(t, path))
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	values := make(map[string]any)
	if err := yaml.Unmarshal([]byte(text), &values); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return values
}

// objects are what the chart makes of values for the release "demo", without
// the pod of helm test. Kubernetes' own types have read them, strictly.
func objects(t *testing.T, values map[string]any) []object {
	t.Helper()
	manifest := mustRender(t, "demo", "default", values).Manifest
	return split(t, manifest)
}

// object is one that Kubernetes would be given.
type object struct{ unstructured.Unstructured }

// split reads the documents of a manifest.
func split(t *testing.T, manifest string) []object {
	t.Helper()
	var all []object
	documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifest)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		var o object
		if err := yaml.UnmarshalStrict(document, &o.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if o.Object == nil {
			continue
		}
		decode(t, document)
		all = append(all, o)
	}
}

// strict reads documents into Kubernetes' own types, and refuses unknown fields.
var strict = serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

// decode reads a document into its type, if it is one of Kubernetes' own.
func decode(t *testing.T, document []byte) {
	t.Helper()
	if _, _, err := strict.Decode(document, nil, nil); err != nil && !runtime.IsNotRegisteredError(err) {
		t.Errorf("%v in\n%s", err, document)
	}
}

// find gives the object of a kind, or of "Kind/name"; nil if there is none.
func find(all []object, which string) *object {
	kind, name, named := strings.Cut(which, "/")
	for i, o := range all {
		if o.GetKind() == kind && (!named || o.GetName() == name) {
			return &all[i]
		}
	}
	return nil
}

// at is what a JSONPath finds in an object, as one line of text; "absent" if
// there is no object.
func at(t *testing.T, o *object, path string) string {
	t.Helper()
	if o == nil {
		return "absent"
	}
	p := jsonpath.New("").AllowMissingKeys(true)
	if err := p.Parse(path); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := p.Execute(&text, o.Object); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(text.String()), " ")
}
