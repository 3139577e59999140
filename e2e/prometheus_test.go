package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestPrometheus lets a real Prometheus scrape what a job has pushed.
func TestPrometheus(t *testing.T) {
	t.Parallel() // mostly it waits
	s := start(t)
	s.push("/metrics/job/backup/instance/db1", "# TYPE backup_size_bytes gauge\nbackup_size_bytes{disk=\"a/b\"} 42\n", http.StatusOK)

	addr := startPrometheus(t, scrapeConfig(s))
	await(t, addr, `backup_size_bytes{job="backup",instance="db1",disk="a/b"}`, "42")
	await(t, addr, `up{job="pushgateway"}`, "1")
	if a := s.do(http.MethodDelete, "/metrics/job/backup/instance/db1", ""); a.status != http.StatusAccepted {
		t.Fatalf("DELETE: got %d", a.status)
	}
	await(t, addr, `count(backup_size_bytes) or vector(0)`, "0") // stale at once
}

// scrapeConfig scrapes the gateway as the README says, but often.
func scrapeConfig(s *server) string {
	return fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nscrape_configs:\n- job_name: pushgateway\n  honor_labels: true\n  static_configs: [{targets: ['%s']}]\n", s.addr)
}

// startPrometheus runs a real Prometheus until the test ends, and gives its
// address.
func startPrometheus(t *testing.T, config string, args ...string) (addr string) {
	t.Helper()
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is missing")
	}
	return runPrometheus(t, prometheus, config, args...)
}

// runPrometheus runs a binary of Prometheus until the test ends.
func runPrometheus(t *testing.T, prometheus, config string, args ...string) (addr string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	args = append(args, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0")
	return startProcess(t, prometheus, args...).Addr
}

// await asks until a query gives one series with the value.
func await(t *testing.T, addr, query, want string) {
	t.Helper()
	last := ""
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		res, err := http.Get("http://" + addr + "/api/v1/query?query=" + url.QueryEscape(query))
		if err != nil {
			last = err.Error()
			continue
		}
		var a struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		err = json.NewDecoder(res.Body).Decode(&a)
		res.Body.Close()
		if last = fmt.Sprint(a.Data.Result, err); len(a.Data.Result) == 1 && a.Data.Result[0].Value[1] == want {
			return
		}
	}
	t.Fatalf("%s: want %s, last got %s", query, want, last)
}
