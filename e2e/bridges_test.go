package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

const bridges = "../deploy/bridges/"

// TestBridgePrometheusAgent has Prometheus in agent mode write what jobs push
// to another Prometheus.
func TestBridgePrometheusAgent(t *testing.T) {
	t.Parallel() // mostly it waits
	s := start(t)
	receiver := startPrometheus(t, "global: {}\n", "--web.enable-remote-write-receiver")
	cross(t, s, receiver, func() *process {
		config := shipped(t, "prometheus-agent/prometheus.yml", s.addr, receiver)
		return startProcess(t, "prometheus", "--enable-feature=agent", "--config.file="+config,
			"--storage.agent.path="+t.TempDir(), "--web.listen-address=127.0.0.1:0")
	})
}

// TestBridgeVmagent has vmagent write what jobs push to VictoriaMetrics.
func TestBridgeVmagent(t *testing.T) {
	t.Parallel() // mostly it waits
	for _, name := range []string{"vmagent", "victoria-metrics"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is missing: apt-get install victoria-metrics", name)
		}
	}
	s := start(t)
	receiver := startVictoria(t)
	cross(t, s, receiver, func() *process {
		return testproc.Launch(t, exec.Command("vmagent", "-promscrape.config="+shipped(t, "vmagent/scrape.yml", s.addr, receiver),
			"-remoteWrite.url=http://"+receiver+"/api/v1/write", "-remoteWrite.tmpDataPath="+t.TempDir(), "-httpListenAddr="))
	})
}

// shipped writes the configuration that is shipped for an agent, with the
// addresses of a test, and scrapes every second.
func shipped(t *testing.T, name, gateway, receiver string) string {
	t.Helper()
	b, err := os.ReadFile(bridges + name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "pushgateway:9091") {
		t.Fatalf("%s does not scrape pushgateway:9091\n%s", name, b)
	}
	config := strings.NewReplacer("pushgateway:9091", gateway, "receiver:9090", receiver, "15s", "1s").Replace(string(b))
	file := filepath.Join(t.TempDir(), filepath.Base(name))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// startVictoria runs VictoriaMetrics, which does not tell the port that it has
// chosen, and gives its address.
func startVictoria(t *testing.T) string {
	t.Helper()
	addr := testproc.FreeAddress(t)
	p := testproc.Launch(t, exec.Command("victoria-metrics", "-httpListenAddr="+addr, "-storageDataPath="+t.TempDir(), "-search.latencyOffset=0s"))
	for deadline := time.Now().Add(testproc.Patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if res, err := http.Get("http://" + addr + "/health"); err == nil {
			res.Body.Close()
			return addr
		}
	}
	t.Fatalf("VictoriaMetrics does not answer\n%s", p.Log)
	return ""
}

// cross pushes, and looks for it in the receiver: with the labels of the push,
// through a restart of the agent, until the group is deleted.
func cross(t *testing.T, s *server, receiver string, startAgent func() *process) {
	t.Helper()
	s.push("/metrics/job/backup/instance/db1", "# TYPE size gauge\nsize{disk=\"a/b\"} 42\n", http.StatusOK)
	s.push("/metrics/job/nightly", "# TYPE size gauge\nsize 7\n", http.StatusOK)
	agent := startAgent()
	await(t, receiver, `size{job="backup",instance="db1",disk="a/b"}`, "42")
	await(t, receiver, `size{job="nightly",instance=""}`, "7") // not the instance of the gateway
	await(t, receiver, `count({__name__=~"exported_.*"} or {exported_job!=""}) or vector(0)`, "0")
	await(t, receiver, fmt.Sprintf(`up{job="pushgateway",instance=%q}`, s.addr), "1")
	await(t, receiver, `count(push_time_seconds > 0)`, "2")
	s.push("/metrics/job/backup/instance/db1", "# TYPE size gauge\nsize{disk=\"a/b\"} 43\n", http.StatusOK)
	await(t, receiver, `size{job="backup"}`, "43")
	if a := s.do(http.MethodDelete, "/metrics/job/nightly", ""); a.status != http.StatusAccepted {
		t.Fatalf("DELETE: got %d", a.status)
	}
	await(t, receiver, `count(size{job="nightly"}) or vector(0)`, "0") // stale, long before 5 minutes
	agent.Stop()
	s.push("/metrics/job/backup/instance/db1", "# TYPE size gauge\nsize{disk=\"a/b\"} 44\n", http.StatusOK)
	startAgent()
	await(t, receiver, `size{job="backup"}`, "44")
}
