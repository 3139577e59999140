package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pushgateway/internal/natstest"
)

// TestClusterFromConfig has one member whose configuration file names the
// servers, and one with flags. A reload changes nothing of the cluster, and says
// so.
func TestClusterFromConfig(t *testing.T) {
	c := natstest.Start(t, 1)
	content := fmt.Sprintf("cluster: {url: [%q], stream: S, replicas: 1, max_bytes: 64MiB, advertise_address: 'a:1'}\n", c.URLs()[0])
	file := newConfig(t, content)
	a := start(t, "--config.file="+file.path, "--web.enable-lifecycle")
	b := joinCluster(t, c, "S")
	a.push("/metrics/job/j", "m 1\n", http.StatusOK)
	b.exposes(`m{instance="",job="j"} 1`, true)
	a.eventually("what the file sets", func() bool {
		body := a.get("/api/v1/overview").body
		return strings.Contains(body, `"name":"S"`) && strings.Contains(body, `"max_size_bytes":67108864`) && strings.Contains(body, `"a:1"`)
	})

	file.write(strings.Replace(content, "stream: S", "stream: T", 1))
	for range 2 {
		if got := a.want(http.StatusOK, http.MethodPost, "/-/reload", ""); got.body != "These settings hold only after a restart: cluster.\n" {
			t.Errorf("a reload with another stream answers %q", got.body)
		}
	}
	file.write(content)
	if got := a.want(http.StatusOK, http.MethodPost, "/-/reload", ""); got.body != "" {
		t.Errorf("a reload with the same stream answers %q", got.body)
	}
	b.push("/metrics/job/j", "m 2\n", http.StatusOK)
	a.exposes(`m{instance="",job="j"} 2`, true)
}

// TestClusterBesideVariable joins a cluster where the environment has a default
// for the persistence file, as in the unit of the packages.
func TestClusterBesideVariable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "metrics.db")
	t.Setenv("PUSHGATEWAY_PERSISTENCE_FILE", file)
	s := joinCluster(t, natstest.Start(t, 1), "S")
	s.push("/metrics/job/j", "m 1\n", http.StatusOK)
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file: %v", err)
	}
}
