package e2e

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

// TestPlaces serves everything where the flags say.
func TestPlaces(t *testing.T) {
	for name, tt := range map[string]struct {
		args              []string
		prefix, telemetry string
	}{
		"default":        {nil, "", "/metrics"},
		"route prefix":   {[]string{"--web.route-prefix=/gw/"}, "/gw", "/metrics"},
		"external URL":   {[]string{"--web.external-url=http://example.org/a/b"}, "/a/b", "/metrics"},
		"both":           {[]string{"--web.external-url=http://example.org/a", "--web.route-prefix=/"}, "", "/metrics"},
		"telemetry path": {[]string{"--web.telemetry-path=/scrape/me", "--web.route-prefix=gw"}, "/gw", "/scrape/me"},
		"odd paths":      {[]string{"--web.telemetry-path=//scrape/./me", "--web.route-prefix=/a//b"}, "/a/b", "/scrape/me"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startAt(t, tt.prefix, tt.args...)
			s.push("/metrics/job/a", "m 1\n", http.StatusOK)
			if a := s.get(tt.telemetry); !strings.Contains(a.body, `m{instance="",job="a"} 1`) {
				t.Errorf("the push is not exposed")
			}
			for _, path := range []string{"/-/healthy", "/-/ready", "/-/ready?for=push", "/api/v1/status", "/api/v1/metrics", "/api/v1/groups", "/", "/status"} {
				s.get(path)
			}
			if a := s.get("/api/v1/status"); !strings.Contains(a.body, `"web.route-prefix":"`+tt.prefix+`"`) {
				t.Errorf("the status does not tell the prefix: %s", a.body)
			}
			if s.base = "http://" + s.addr; tt.prefix != "" {
				s.want(http.StatusNotFound, http.MethodGet, tt.telemetry, "")
			}
		})
	}
}

const openMetricsAccept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

// TestOpenMetrics is about the flag; that it can be read is tested under
// attack.
func TestOpenMetrics(t *testing.T) {
	counter := "# TYPE a counter\na 1\n# TYPE b_total counter\nb_total 2\n"
	s := start(t)
	s.push("/metrics/job/a", counter, http.StatusOK)
	if a := s.scrape("Accept", openMetricsAccept); mediaType(a.header.Get("Content-Type")) != "text/plain" || !strings.Contains(a.body, "\na{") {
		t.Errorf("without the flag: got %q", a.header.Get("Content-Type"))
	}
	s = start(t, "--web.enable-openmetrics")
	s.push("/metrics/job/a", counter, http.StatusOK)
	a := s.scrape("Accept", openMetricsAccept)
	if mediaType(a.header.Get("Content-Type")) != "application/openmetrics-text" || !strings.HasSuffix(a.body, "\n# EOF\n") {
		t.Errorf("with the flag: got %q, ending in %q", a.header.Get("Content-Type"), a.body[max(0, len(a.body)-50):])
	}
	for _, line := range []string{"# TYPE a counter\n", "\na_total{instance=\"\",job=\"a\"} 1.0\n", "# TYPE b counter\n", "\nb_total{instance=\"\",job=\"a\"} 2.0\n"} {
		if !strings.Contains(a.body, line) {
			t.Errorf("%q is missing", line)
		}
	}
	if a := s.scrape(); mediaType(a.header.Get("Content-Type")) != "text/plain" {
		t.Errorf("not asked for: got %q", a.header.Get("Content-Type"))
	}
}

// TestListenTwice serves on every address that is given.
func TestListenTwice(t *testing.T) {
	s := start(t, "--web.listen-address=127.0.0.1:0")
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	for _, addr := range s.awaitListeners(2) {
		s.base = "http://" + addr
		s.wantSeries([]string{`m{instance="",job="a"} 1`}, nil)
	}
}

// awaitListeners waits until the log tells of n addresses.
func (s *server) awaitListeners(n int) (addrs []string) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		addrs = nil
		for _, m := range testproc.Listening.FindAllStringSubmatch(s.log.String(), -1) {
			addrs = append(addrs, m[1])
		}
		if len(addrs) == n {
			return addrs
		}
	}
	s.t.Fatalf("the gateway listens at %v, want %d addresses", addrs, n)
	return nil
}

// TestSocketActivation gives the gateway a listener as systemd would.
func TestSocketActivation(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --web.systemd-socket`, binary)
	cmd.ExtraFiles = []*os.File{file}
	p := testproc.Run(t, cmd)
	s := &server{t: t, proc: p, addr: p.Addr, base: "http://" + l.Addr().String(), log: p.Log}
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
}
