package chart

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// community is where the community's chart for Pushgateway is found as data: its
// example values, and what it renders from them.
const community = "../../../shared/helm-community"

func needCommunity(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(community); err != nil {
		t.Skipf("the community's chart is not found as data: %v", err)
	}
}

// renamed are values with what makes names those of the community's chart.
func renamed(values map[string]any) map[string]any {
	c := maps.Clone(values)
	c["nameOverride"] = "prometheus-pushgateway"
	return c
}

// facts are what an upgrade in place must find unchanged, by object.
func facts(all []object) map[string]any {
	found := make(map[string]any)
	for _, o := range all {
		found[o.GetKind()+" "+o.GetNamespace()+"/"+o.GetName()] = factsOf(o)
	}
	return found
}

func factsOf(o object) any {
	spec, _ := o.Object["spec"].(map[string]any)
	switch o.GetKind() {
	case "Deployment", "StatefulSet":
		return workloadFacts(spec)
	case "Secret":
		return slices.Sorted(maps.Keys(asMap(o.Object["data"])))
	case "ConfigMap":
		return o.Object["data"]
	}
	return spec // of a Service, a claim, a ServiceMonitor, a route: all of it
}

func asMap(value any) map[string]any {
	m, _ := value.(map[string]any)
	return m
}

func asList(value any) []any {
	l, _ := value.([]any)
	return l
}

// workloadFacts are the fields of a Deployment or StatefulSet that cannot change,
// and the ports, volumes and mounts of its pods.
func workloadFacts(spec map[string]any) map[string]any {
	pod := asMap(asMap(spec["template"])["spec"])
	known := map[string]any{
		"replicas":  spec["replicas"],
		"selector":  spec["selector"],
		"service":   spec["serviceName"],
		"templates": spec["volumeClaimTemplates"],
		"policy":    spec["podManagementPolicy"],
		"account":   pod["serviceAccountName"],
		"volumes":   append([]any{}, asList(pod["volumes"])...),
	}
	for _, c := range asList(pod["containers"]) {
		container := asMap(c)
		name := container["name"].(string)
		known[name+" ports"] = container["ports"]
		for _, m := range asList(container["volumeMounts"]) {
			mount := asMap(m)
			known[fmt.Sprint(name, " mount ", mount["mountPath"])] = mount["name"]
		}
	}
	return known
}

// flat is a fact as text, with its keys in order.
func flat(t *testing.T, fact any) string {
	t.Helper()
	b, err := json.MarshalIndent(fact, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestUpgradeFromCommunityChart holds what this chart makes of the community's
// example values to what that chart has made of them.
func TestUpgradeFromCommunityChart(t *testing.T) {
	needCommunity(t)
	files, err := filepath.Glob(community + "/*-values.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no example values in %s: %v", community, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), "-values.yaml")
		t.Run(name, func(t *testing.T) {
			theirs := facts(split(t, readFile(t, filepath.Join(community, "rendered", name+".yaml"))))
			ours := facts(objects(t, renamed(readValues(t, file))))
			for _, object := range slices.Sorted(maps.Keys(theirs)) {
				if _, ok := ours[object]; !ok {
					t.Errorf("%s is missing", object)
				} else if got, want := flat(t, ours[object]), flat(t, theirs[object]); got != want {
					t.Errorf("%s: an upgrade would change\n%s\nto\n%s", object, want, got)
				}
				delete(ours, object)
			}
			for object := range ours {
				t.Errorf("%s is new", object)
			}
		})
	}
}

// TestCommunityKeys has this chart know every key of the community's, with the
// default that it has there. The image is another, and the container has fewer
// rights.
func TestCommunityKeys(t *testing.T) {
	needCommunity(t)
	ours := readValues(t, directory+"/values.yaml")
	theirs := readValues(t, community+"/values.yaml")
	for _, key := range leaves(theirs, "") {
		got, want := valueAt(ours, key), valueAt(theirs, key)
		if !has(ours, key) {
			t.Errorf("the key %s is missing", key)
		} else if key != "image.repository" && key != "containerSecurityContext" && !(empty(got) && empty(want)) && flat(t, got) != flat(t, want) {
			t.Errorf("%s: the default is %v, not %v", key, got, want)
		}
	}
}

func valueAt(values map[string]any, key string) any {
	first, rest, deeper := strings.Cut(key, ".")
	if !deeper {
		return values[first]
	}
	return valueAt(asMap(values[first]), rest)
}

// empty tells whether a default says nothing. A map that has keys in this chart
// may have none there.
func empty(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for _, below := range v {
			if !empty(below) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	}
	return value == nil || value == "" || value == false
}

// fullname is that of the community's chart for the release "demo".
const fullname = "demo-prometheus-pushgateway"

const (
	inMemory  = `{"emptyDir":{},"name":"storage-volume"}`
	claimed   = `{"name":"storage-volume","persistentVolumeClaim":{"claimName":"` + fullname + `"}}`
	webConfig = `{"name":"web-config","secret":{"secretName":"` + fullname + `"}}`
	template  = `{"metadata":{"labels":{"team":"a"},"name":"storage-volume"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"3Gi"}}}}`
)

// TestUpgrade is TestUpgradeFromCommunityChart with values of our own, for where
// the community's are not found.
func TestUpgrade(t *testing.T) {
	for title, c := range map[string]struct {
		values    string
		objects   string // by kind, with what follows the full name
		volumes   string
		templates string
	}{
		"defaults":                 {"", "Deployment, Service, ServiceAccount", "[" + inMemory + "]", ""},
		"claim":                    {"persistentVolume: {enabled: true, size: 3Gi}", "Deployment, PersistentVolumeClaim, Service, ServiceAccount", "[" + claimed + "]", ""},
		"StatefulSet":              {"runAsStatefulSet: true", "Service, ServiceAccount, StatefulSet", "[" + inMemory + "]", ""},
		"StatefulSet with a claim": {"{runAsStatefulSet: true, persistentVolume: {enabled: true, size: 3Gi}, persistentVolumeLabels: {team: a}}", "Service, ServiceAccount, StatefulSet", "", "[" + template + "]"},
		"password":                 {"webConfiguration: {basicAuthUsers: {backup: secret}}", "Deployment, Secret, Service, ServiceAccount", "[" + inMemory + "," + webConfig + "]", ""},
		"monitored, with a password": {"{serviceMonitor: {enabled: true, namespace: null}, webConfiguration: {basicAuthUsers: {backup: secret}}}",
			"Deployment, Secret, Secret -basic-auth, Service, ServiceAccount, ServiceMonitor", "[" + inMemory + "," + webConfig + "]", ""},
	} {
		t.Run(title, func(t *testing.T) {
			all := objects(t, renamed(parse(t, c.values)))
			if got := listed(all); got != c.objects {
				t.Errorf("got %s, want %s", got, c.objects)
			}
			for path, want := range map[string]string{
				"{.metadata.namespace}":                                       "default",
				"{.spec.selector.matchLabels}":                                `{"app.kubernetes.io/instance":"demo","app.kubernetes.io/name":"prometheus-pushgateway"}`,
				"{.spec.template.metadata.labels.app\\.kubernetes\\.io/name}": "prometheus-pushgateway",
				"{.spec.template.spec.containers[*].name}":                    "pushgateway",
				"{.spec.template.spec.containers[*].ports}":                   `[{"containerPort":9091,"name":"metrics","protocol":"TCP"}]`,
				"{.spec.template.spec.serviceAccountName}":                    fullname,
				"{.spec.template.spec.volumes}":                               c.volumes,
				"{.spec.volumeClaimTemplates}":                                c.templates,
			} {
				if got := at(t, workload(all), path); got != want {
					t.Errorf("%s: got %s, want %s", path, got, want)
				}
			}
			headless(t, all)
		})
	}
}

// listed are the kinds of objects, with what follows the full name in their own.
func listed(all []object) string {
	var kinds []string
	for _, o := range all {
		kinds = append(kinds, strings.TrimSpace(o.GetKind()+" "+strings.TrimPrefix(o.GetName(), fullname)))
	}
	slices.Sort(kinds)
	return strings.Join(kinds, ", ")
}

func workload(all []object) *object {
	if d := find(all, "Deployment"); d != nil {
		return d
	}
	return find(all, "StatefulSet")
}

// headless wants the service of a StatefulSet, and no other, to have no address.
func headless(t *testing.T, all []object) {
	t.Helper()
	service, address := at(t, workload(all), "{.spec.serviceName}"), at(t, find(all, "Service"), "{.spec.clusterIP}")
	want, wantAddress := "", ""
	if find(all, "StatefulSet") != nil {
		want, wantAddress = fullname, "None"
	}
	if service != want || address != wantAddress {
		t.Errorf("serviceName %q with clusterIP %q, want %q with %q", service, address, want, wantAddress)
	}
}
