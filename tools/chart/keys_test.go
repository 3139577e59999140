package chart

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// assertion is a first line of a value file: what a path finds in the object of
// a kind, or whether there is such an object. "Workload" is the Deployment, and
// the StatefulSet when there is one.
type assertion struct{ kind, path, want string }

var assertionLine = regexp.MustCompile(`(?m)^# (\S+)(?: (\{.*\}))?: (.*)$`)

func (a assertion) holds(t *testing.T, values map[string]any) (string, bool) {
	t.Helper()
	all := objects(t, values)
	kind := a.kind
	if kind == "Workload" {
		kind = "Deployment"
		if values["runAsStatefulSet"] == true {
			kind = "StatefulSet"
		}
	}
	found := find(all, kind)
	if a.path == "" && found != nil {
		return "present", a.want == "present"
	}
	got := at(t, found, a.path)
	return got, got == a.want
}

// leaves are the keys of values that have no keys below them.
func leaves(values map[string]any, prefix string) []string {
	var all []string
	for key, value := range values {
		if below, ok := value.(map[string]any); ok && len(below) > 0 {
			all = append(all, leaves(below, prefix+key+".")...)
			continue
		}
		all = append(all, prefix+key)
	}
	slices.Sort(all)
	return all
}

// without is a copy of values that lacks a key, like service.port.
func without(values map[string]any, key string) map[string]any {
	first, rest, deeper := strings.Cut(key, ".")
	c := maps.Clone(values)
	if below, ok := c[first].(map[string]any); ok && deeper {
		c[first] = without(below, rest)
		return c
	}
	delete(c, first)
	return c
}

func has(values map[string]any, key string) bool {
	first, rest, deeper := strings.Cut(key, ".")
	value, ok := values[first]
	if !deeper {
		return ok
	}
	below, _ := value.(map[string]any)
	return has(below, rest)
}

// TestKeys has a value file for every key of the chart. Its first lines say what
// the key makes; they must not hold without it.
func TestKeys(t *testing.T) {
	keys := leaves(readValues(t, directory+"/values.yaml"), "")
	for _, key := range keys {
		t.Run(key, func(t *testing.T) {
			path := filepath.Join("testdata/keys", strings.ReplaceAll(key, "/", "_")+".yaml")
			values := readValues(t, path)
			if !has(values, key) {
				t.Fatalf("%s does not set %s", path, key)
			}
			lines := assertionLine.FindAllStringSubmatch(readFile(t, path), -1)
			if len(lines) == 0 {
				t.Fatalf("%s asserts nothing; begin it with # Kind {path}: text", path)
			}
			for _, l := range lines {
				holdKey(t, assertion{l[1], l[2], l[3]}, key, values)
			}
		})
	}
	files, err := os.ReadDir("testdata/keys")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(keys) {
		t.Errorf("%d value files for %d keys: one is of no key", len(files), len(keys))
	}
}

// holdKey wants an assertion to hold because of a key, and for a StatefulSet as
// for a Deployment.
func holdKey(t *testing.T, a assertion, key string, values map[string]any) {
	t.Helper()
	if got, ok := a.holds(t, values); !ok {
		t.Errorf("%s %s: got %q, want %q", a.kind, a.path, got, a.want)
	}
	if _, ok := a.holds(t, without(values, key)); ok {
		t.Errorf("%s %s: %q without the key, too", a.kind, a.path, a.want)
	}
	if a.kind != "Workload" || has(values, "runAsStatefulSet") {
		return
	}
	set := maps.Clone(values)
	set["runAsStatefulSet"] = true
	if got, ok := a.holds(t, set); !ok {
		t.Errorf("%s %s of a StatefulSet: got %q, want %q", a.kind, a.path, got, a.want)
	}
}
