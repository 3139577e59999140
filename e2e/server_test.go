// Package e2e drives the real binary from outside: as clients push to it, as
// Prometheus scrapes it, and as somebody who means it no good.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the gateway, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pushgateway-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "pushgateway")
	build := exec.Command("go", "build", "-o", binary, "../cmd/pushgateway")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the gateway: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// server is a running gateway.
type server struct {
	t    testing.TB
	addr string
	base string // URL with the prefix, without a slash at the end
	cmd  *exec.Cmd
	log  *strings.Builder
	done chan struct{}
}

// start runs the gateway until the test ends. It must then end in order.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	return startAt(t, "", args...)
}

func startAt(t testing.TB, prefix string, args ...string) *server {
	t.Helper()
	addr := freeAddr(t)
	s := &server{t: t, addr: addr, base: "http://" + addr + prefix, log: new(strings.Builder), done: make(chan struct{})}
	s.cmd = exec.Command(binary, append([]string{"--web.listen-address=" + addr}, args...)...)
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("starting the gateway: %v", err)
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // looked at through ProcessState
	}()
	t.Cleanup(s.stop)
	s.await()
	return s
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await waits until the gateway accepts connections.
func (s *server) await() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-s.done:
			s.t.Fatalf("the gateway ended at its start: %s\n%s", s.cmd.ProcessState, s.log)
		case <-ctx.Done():
			s.t.Fatalf("the gateway does not answer: %v\n%s", err, s.log)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop ends the gateway as an operator would.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("ending the gateway: %v", err)
	}
	select {
	case <-s.done:
	case <-time.After(40 * time.Second):
		s.t.Error("the gateway does not end")
		_ = s.cmd.Process.Kill() // best effort
		<-s.done
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("the gateway ended with %s\n%s", s.cmd.ProcessState, s.log)
	}
}

// answer is a response that has been read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request and reads the answer. Redirects are not followed.
func (s *server) do(method, path, body string, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequest(method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return s.send(req)
}

var client = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       time.Minute,
	Transport:     &http.Transport{DisableCompression: true},
}

func (s *server) send(req *http.Request) answer {
	s.t.Helper()
	res, err := client.Do(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", req.Method, req.URL, err, s.log)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatalf("%s %s: reading the answer: %v", req.Method, req.URL, err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

// push sends a body and wants a status.
func (s *server) push(path, body string, want int, header ...string) answer {
	s.t.Helper()
	a := s.do(http.MethodPut, path, body, header...)
	if a.status != want {
		s.t.Errorf("PUT %s: got %d %q, want %d", path, a.status, a.body, want)
	}
	return a
}

// scrape gets the text exposition.
func (s *server) scrape(header ...string) answer {
	s.t.Helper()
	a := s.do(http.MethodGet, "/metrics", "", header...)
	if a.status != http.StatusOK {
		s.t.Fatalf("scrape: got %d %q", a.status, a.body)
	}
	return a
}
