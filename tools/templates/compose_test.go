package templates

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const compose = "../../deploy/compose/"

// TestCompose has the compose specification's own program read the files, which
// refuses keys that it does not know; and looks for the files they mount.
func TestCompose(t *testing.T) {
	for _, dir := range []string{compose, bridges + "prometheus-agent/", bridges + "vmagent/", bridges + "alloy/"} {
		t.Run(dir, func(t *testing.T) { testCompose(t, dir+"compose.yaml", "pushgateway") })
	}
	t.Run("cluster", func(t *testing.T) {
		testCompose(t, compose+"cluster/compose.yaml", "pushgateway-1", "pushgateway-2", "nats-1", "nats-2", "nats-3", "proxy")
	})
}

func testCompose(t *testing.T, file string, services ...string) {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithName("pushgateway"), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range services {
		if _, err := project.GetService(name); err != nil {
			t.Error(err)
		}
	}
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(volume.Source); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestDataSource looks whether the dashboard asks for the data source that
// Grafana is given.
func TestDataSource(t *testing.T) {
	b, err := os.ReadFile(compose + "grafana/dashboards/pushgateway.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Templating struct {
			List []struct {
				Type    string
				Current struct{ Value string }
			}
		}
	}
	if err := json.Unmarshal(b, &dashboard); err != nil {
		t.Fatal(err)
	}
	given, err := os.ReadFile(compose + "grafana/provisioning/datasources/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	if list := dashboard.Templating.List; len(list) == 0 || list[0].Type != "datasource" || !strings.Contains(string(given), "\n    uid: "+list[0].Current.Value+" ") {
		t.Errorf("the dashboard asks for %v, Grafana is given\n%s", list, given)
	}
}
