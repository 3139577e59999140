// Package e2e drives the real binary from outside: as clients push to it, as
// Prometheus scrapes it, and as somebody who means it no good.
package e2e

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

// binary is the gateway, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "4"); err != nil { // most of the time they wait
		panic(err)
	}
	flag.Parse()
	os.Exit(testproc.Main(m, &binary))
}

// server is a running gateway as a client knows it.
type server struct {
	t    testing.TB
	addr string
	base string // URL with the prefix, without a slash at the end
	log  *testproc.Log
	proc *process
}

// start runs the gateway until the test ends. It must then end in order.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	return startAt(t, "", args...)
}

// startAt does it for a gateway that serves under a prefix.
func startAt(t testing.TB, prefix string, args ...string) *server {
	t.Helper()
	began := time.Now()
	p := startProcess(t, binary, append([]string{"--web.listen-address=127.0.0.1:0"}, args...)...)
	s := &server{t: t, addr: p.Addr, base: "http://" + p.Addr + prefix, log: p.Log, proc: p}
	if time.Since(began) > quickStart {
		s.awaitStart()
	}
	return s
}

// quickStart is less than what a gateway takes to start before it listens while it
// still reads a file or a stream.
const quickStart = 200 * time.Millisecond

// awaitStart waits until a gateway that listens has read what it reads at its start.
func (s *server) awaitStart() {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		res, err := client.Get(s.base + "/-/ready")
		if err != nil {
			return // it serves TLS, or has ended; the test will tell
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if !strings.HasPrefix(string(body), "The gateway is starting: ") {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("the gateway does not get ready: %s", body)
		}
	}
}

// with gives the same server to a subtest.
func (s *server) with(t testing.TB) *server {
	c := *s
	c.t = t
	return &c
}

// answer is a response that has been read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request and reads the answer. Redirects are not followed. The
// header is a list of names and values in turn.
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

// client leaves redirects and compression to the tests.
var client = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       patience,
	Transport:     &http.Transport{DisableCompression: true},
}

func (s *server) send(req *http.Request) answer {
	s.t.Helper()
	a, err := exchange(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", req.Method, clip(req.URL.String()), err, s.log)
	}
	return a
}

// exchange sends a request and reads the answer to its end.
func exchange(req *http.Request) (answer, error) {
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(b)}, err
}

// want sends a request that has to be answered with a status.
func (s *server) want(status int, method, path, body string, header ...string) answer {
	s.t.Helper()
	a := s.do(method, path, body, header...)
	if a.status != status {
		s.t.Errorf("%s %s: got %d %q, want %d", method, clip(path), a.status, clip(a.body), status)
	}
	return a
}

// push replaces a group, and wants a status for it.
func (s *server) push(path, body string, want int, header ...string) answer {
	s.t.Helper()
	return s.want(want, http.MethodPut, path, body, header...)
}

// get asks for something that is there.
func (s *server) get(path string, header ...string) answer {
	s.t.Helper()
	return s.want(http.StatusOK, http.MethodGet, path, "", header...)
}

// scrape gets the exposition.
func (s *server) scrape(header ...string) answer {
	s.t.Helper()
	return s.get("/metrics", header...)
}

// clip keeps messages about huge requests readable.
func clip(s string) string {
	const most = 300
	if len(s) > most {
		return fmt.Sprintf("%s… (%d bytes)", s[:most], len(s))
	}
	return s
}
