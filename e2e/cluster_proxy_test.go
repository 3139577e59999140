package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"pushgateway/internal/natstest"
	"pushgateway/internal/testproc"
)

// TestClusterProxy puts the proxy of the compose file of a cluster in front of two
// gateways. Pushes go to one that accepts them, scrapes to one that is up to date.
func TestClusterProxy(t *testing.T) {
	haproxy, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("haproxy is not installed")
	}
	c := natstest.Start(t, 1)
	a, b := joinCluster(t, c, "S"), joinCluster(t, c, "S")
	config, addr := filepath.Join(t.TempDir(), "haproxy.cfg"), testproc.FreeAddress(t)
	shipped := readFile(t, "../deploy/compose/cluster/haproxy.cfg")
	for old, now := range map[string]string{" pushgateway-1:9091": " " + a.addr, " pushgateway-2:9091": " " + b.addr, "bind :9091": "bind " + addr} {
		if !strings.Contains(shipped, old) {
			t.Fatalf("the configuration lacks %q", old)
		}
		shipped = strings.ReplaceAll(shipped, old, now)
	}
	writeFile(t, config, shipped)
	through := startProxy(t, haproxy, config, addr)
	push := func(job string) {
		t.Helper()
		through.eventually("a push of "+job, func() bool {
			return through.do(http.MethodPut, "/metrics/job/"+job, job+" 1\n").status == http.StatusOK
		})
	}
	exposes := func(job string) {
		t.Helper()
		through.eventually("a scrape with "+job, func() bool {
			got := through.do(http.MethodGet, "/metrics", "")
			return got.status == http.StatusOK && strings.Contains(got.body, job+`{instance="",job="`+job+`"} 1`+"\n")
		})
	}
	push("first")
	exposes("first")
	pushWhile(through, a.proc.Stop)
	push("second")
	exposes("second")
	push("third")
	exposes("third")
}

// startProxy runs HAProxy until the test ends. It returns once it accepts connections.
func startProxy(t *testing.T, haproxy, config, addr string) *server {
	t.Helper()
	proxy := exec.Command(haproxy, "-q", "-f", config)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = proxy.Process.Signal(syscall.SIGTERM)
		_ = proxy.Wait() // it ends by the signal
	})
	through := &server{t: t, addr: addr, base: "http://" + addr, log: new(testproc.Log)}
	through.eventually("the proxy", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return through
}

// pushWhile pushes over many connections until something is done. Each push has an
// answer, also one that reaches a gateway as it closes the connection.
func pushWhile(s *server, do func()) {
	s.t.Helper()
	var pushers, begun sync.WaitGroup
	done := make(chan struct{})
	for i := range 16 {
		begun.Add(1)
		pushers.Go(func() {
			for first := true; ; first = false {
				method := []string{http.MethodPut, http.MethodPost}[i%2]
				req, _ := http.NewRequest(method, fmt.Sprint(s.base, "/metrics/job/while/i/", i), strings.NewReader("while 1\n"))
				if got, err := exchange(req); err != nil || got.status != http.StatusOK {
					s.t.Errorf("%s while a gateway stops: %v %v", method, got, err)
				}
				if first {
					begun.Done()
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	begun.Wait()
	do()
	close(done)
	pushers.Wait()
}
