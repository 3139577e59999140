package templates

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/grafana/alloy/syntax/parser"
	"github.com/grafana/alloy/syntax/vm"
	"sigs.k8s.io/yaml"
)

const bridges = "../../deploy/bridges/"

// parse reads YAML into plain values.
func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := yaml.UnmarshalStrict([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// at follows keys into plain values.
func at(t *testing.T, m any, keys ...string) any {
	t.Helper()
	for _, k := range keys {
		next, ok := m.(map[string]any)[k]
		if !ok {
			t.Fatalf("there is no %s in %v", k, m)
		}
		m = next
	}
	return m
}

// TestBridgeValues holds the values for the agents' charts to the
// configurations that are tried with the agents themselves.
func TestBridgeValues(t *testing.T) {
	agent := parse(t, read(t, bridges+"prometheus-agent/prometheus.yml"))
	values := parse(t, read(t, bridges+"prometheus-agent/values.yaml"))
	vmagent := parse(t, read(t, bridges+"vmagent/scrape.yml"))
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"global", at(t, values, "server", "global"), at(t, agent, "global")},
		{"remote_write", at(t, values, "server", "remoteWrite"), at(t, agent, "remote_write")},
		{"scrape_configs", at(t, values, "serverFiles", "prometheus.yml", "scrape_configs"), at(t, agent, "scrape_configs")},
		{"vmagent", at(t, parse(t, read(t, bridges+"vmagent/values.yaml")), "config"), any(vmagent)},
		{"alloy", at(t, parse(t, read(t, bridges+"alloy/values.yaml")), "alloy", "configMap", "content"), any(read(t, bridges+"alloy/config.alloy"))},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: the chart's values have\n%v\nwant\n%v", c.name, c.got, c.want)
		}
	}
}

// alloyConfig is what the configuration says to the two components, by the
// names that Alloy's reference has for it.
type alloyConfig struct {
	Scrape struct {
		Label          string              `alloy:",label"`
		JobName        string              `alloy:"job_name,attr"`
		HonorLabels    bool                `alloy:"honor_labels,attr"`
		ScrapeInterval string              `alloy:"scrape_interval,attr"`
		Targets        []map[string]string `alloy:"targets,attr"`
		ForwardTo      []string            `alloy:"forward_to,attr"`
	} `alloy:"prometheus.scrape,block"`
	Write struct {
		Label    string `alloy:",label"`
		Endpoint struct {
			URL string `alloy:"url,attr"`
		} `alloy:"endpoint,block"`
	} `alloy:"prometheus.remote_write,block"`
}

// components are what the configuration may refer to.
var components = &vm.Scope{Variables: map[string]any{
	"prometheus": map[string]any{"remote_write": map[string]any{"receiver": map[string]any{"receiver": "to the receiver"}}},
}}

// TestAlloyConfig has Alloy's own parser read its configuration. Alloy itself
// is not run.
func TestAlloyConfig(t *testing.T) {
	file, err := parser.ParseFile("config.alloy", []byte(read(t, bridges+"alloy/config.alloy")))
	if err != nil {
		t.Fatal(err)
	}
	var c alloyConfig
	if err := vm.New(file).Evaluate(components, &c); err != nil {
		t.Fatal(err)
	}
	if c.Write.Label != "receiver" || len(c.Scrape.ForwardTo) != 1 {
		t.Errorf("what is scraped does not reach the receiver: %+v", c)
	}
	if s := c.Scrape; s.JobName != "pushgateway" || !s.HonorLabels || s.Targets[0]["__address__"] != "pushgateway:9091" {
		t.Errorf("the gateway is not scraped as it should be: %+v", s)
	}
	if !strings.HasSuffix(c.Write.Endpoint.URL, "/api/v1/write") {
		t.Errorf("%s takes no remote write", c.Write.Endpoint.URL)
	}
}
