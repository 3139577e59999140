package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dial opens a connection on which nothing waits for ever.
func (s *server) dial() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

func readAnswer(t testing.TB, r *bufio.Reader) answer {
	t.Helper()
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

func writeChunk(w io.Writer, chunk string) error {
	_, err := fmt.Fprintf(w, "%x\r\n%s\r\n", len(chunk), chunk)
	return err
}

// zeroPieces are a piece of a gzip stream of zeros, and one that can follow it
// any number of times.
func zeroPieces(t testing.TB) (first, again string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	piece := func() string {
		b.Reset()
		if _, err := z.Write(make([]byte, 1<<16)); err != nil {
			t.Fatal(err)
		}
		if err := z.Flush(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	return piece(), piece()
}

// TestEndlessBodies sends bodies that go on until the gateway has enough.
func TestEndlessBodies(t *testing.T) {
	s := start(t, "--push.max-body-bytes=1MiB", "--web.enable-openmetrics")
	s.pushGood()
	first, again := zeroPieces(t)
	for encoding, body := range map[string][2]string{"identity": {"m 1\n", strings.Repeat("# nothing\n", 1000)}, "gzip": {first, again}} {
		t.Run(encoding, func(t *testing.T) {
			conn := s.with(t).dial()
			fmt.Fprintf(conn, "PUT /metrics/job/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Encoding: %s\r\n\r\n", encoding)
			go func() {
				// Until the gateway does not want any more.
				for err := writeChunk(conn, body[0]); err == nil; err = writeChunk(conn, body[1]) {
				}
			}()
			if a := readAnswer(t, bufio.NewReader(conn)); a.status != http.StatusRequestEntityTooLarge || !strings.Contains(a.body, "--push.max-body-bytes") {
				t.Errorf("got %d %q", a.status, a.body)
			}
			s.with(t).checkAlive()
		})
	}
}

// TestOverload fills what may be in flight with pushes that do not end.
func TestOverload(t *testing.T) {
	s := start(t, "--push.max-body-bytes=1MiB", "--push.max-inflight-bytes=1MiB", "--web.enable-openmetrics")
	s.pushGood()
	body := strings.Repeat("# nothing\n", 100_000)
	// Two pushes that find too little room at the same moment are both refused.
	const attempts = 5
	status := 0
	for i := 0; i < attempts && status != http.StatusOK; i++ {
		conn, r, a := s.fillWith(body)
		if a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "--push.max-inflight-bytes") {
			t.Errorf("got %v %q", a.header, a.body)
		}
		s.checkAlive() // scrapes do not wait for pushes
		if _, err := io.WriteString(conn, "\n"); err != nil {
			t.Fatal(err)
		}
		status = readAnswer(t, r).status
	}
	if status != http.StatusOK {
		t.Errorf("the push that was there first: got %d", status)
	}
	s.pushUntil(http.StatusOK)
}

// fillWith begins a push whose last byte is missing, so that another one finds no
// room. It returns the answer of the other. If the other took the room first, it
// begins again.
func (s *server) fillWith(body string) (net.Conn, *bufio.Reader, answer) {
	s.t.Helper()
	other := strings.Repeat("# nothing\n", 90_000)
	var conn net.Conn
	var r *bufio.Reader
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if conn == nil {
			conn, r = s.beginPush(len(body))
			if _, err := io.WriteString(conn, body[:len(body)-1]); err != nil {
				s.t.Fatal(err)
			}
		}
		if a := s.do(http.MethodPut, "/metrics/job/b", other); a.status == http.StatusTooManyRequests {
			return conn, r, a
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := r.Peek(1); err == nil { // it was refused
			conn.Close()
			conn = nil
			continue
		}
		_ = conn.SetReadDeadline(time.Time{})
	}
	s.t.Fatal("no push found too little room")
	return nil, nil, answer{}
}

// TestPromisedBodies announces bodies that are never sent, many more than all
// pushes together may have: others must be served all the same.
func TestPromisedBodies(t *testing.T) {
	s := start(t, "--push.max-body-bytes=1MiB", "--push.max-inflight-bytes=4MiB")
	for range 100 {
		s.beginPush(1 << 20)
	}
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
}

// pushUntil pushes until the answer is the wanted one.
func (s *server) pushUntil(status int) answer {
	s.t.Helper()
	body := strings.Repeat("# nothing\n", 90_000)
	for deadline := time.Now().Add(patience); ; {
		a := s.do(http.MethodPut, "/metrics/job/b", body)
		switch {
		case a.status == status:
			return a
		case time.Now().After(deadline):
			s.t.Fatalf("pushes are still answered %d %q, not %d", a.status, a.body, status)
		}
	}
}

// TestSlowHeaders holds a connection that never sends a whole request to the
// read timeout.
func TestSlowHeaders(t *testing.T) {
	s := start(t, "--web.read-timeout=100ms")
	conn := s.dial()
	fmt.Fprint(conn, "PUT /metrics/job/a HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection stays open: %v", err)
	}
}

// TestReadersThatLeave opens scrapes of which nobody reads the end.
func TestReadersThatLeave(t *testing.T) {
	s := start(t, "--web.enable-openmetrics")
	s.pushGood()
	var large strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&large, "m{number=\"%d\"} 1\n", i)
	}
	s.push("/metrics/job/large", large.String(), http.StatusOK)
	for _, encoding := range []string{"identity", "gzip", "zstd"} {
		for range 5 {
			conn := s.dial()
			fmt.Fprintf(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: %s\r\n\r\n", encoding)
			if _, err := io.ReadFull(conn, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			conn.Close()
		}
	}
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/large", "")
	s.checkAlive()
}

// TestOddRequests must get an answer that is not a failure of the gateway.
func TestOddRequests(t *testing.T) {
	s := start(t, "--web.enable-openmetrics")
	s.pushGood()
	for _, request := range []string{
		"PATCH /metrics/job/a HTTP/1.1\r\nHost: x\r\n", "GET /metrics/job/a HTTP/1.1\r\nHost: x\r\n", "HEAD /metrics HTTP/1.1\r\nHost: x\r\n",
		"PUT /metrics/job/a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n",
		"PUT /metrics/job/%zz HTTP/1.1\r\nHost: x\r\n", "PUT /metrics/job/ HTTP/1.1\r\nHost: x\r\n", "PUT * HTTP/1.1\r\nHost: x\r\n", "GET /metrics HTTP/1.1\r\n",
		"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: " + strings.Repeat("text/plain;q=0.1,", 20_000) + "\r\n",
		"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: ;;=,,;q=x,*/*;q=NaN;escaping=nonsense\r\nAccept-Encoding: gzip;q=x,;,zstd;q=-1\r\n",
		"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: -1\r\n", "GET /api/v1/groups?match[]=%ff&limit=1e9 HTTP/1.1\r\nHost: x\r\n",
		"GET /api/v1/groups?%zz HTTP/1.1\r\nHost: x\r\n", "GET /api/v1/nonsense HTTP/1.1\r\nHost: x\r\n", "nonsense\r\n", "\x16\x03\x01\x02\x00\r\n",
	} {
		conn := s.dial()
		fmt.Fprint(conn, request+"Connection: close\r\n\r\n")
		b, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 ") || strings.HasPrefix(string(b), "HTTP/1.1 5") {
			t.Errorf("%q: got %q, %v", clip(request), clip(string(b)), err)
		}
	}
	s.checkAlive()
}

// beginPush opens a push and waits until the gateway asks for its body.
func (s *server) beginPush(length int) (net.Conn, *bufio.Reader) {
	s.t.Helper()
	conn := s.dial()
	fmt.Fprintf(conn, "PUT /metrics/job/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", length)
	r := bufio.NewReader(conn)
	for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
		if line, err := r.ReadString('\n'); err != nil || line != want {
			s.t.Fatalf("beginning a push: got %q, %v", line, err)
		}
	}
	return conn, r
}

// TestEndFinishesPushes ends the gateway while a push is under way, which is
// still taken.
func TestEndFinishesPushes(t *testing.T) {
	s := start(t)
	conn, r := s.beginPush(len("m 1\n"))
	if err := s.proc.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.awaitRefusal()
	if _, err := io.WriteString(conn, "m 1\n"); err != nil {
		t.Fatal(err)
	}
	if a := readAnswer(t, r); a.status != http.StatusOK {
		t.Errorf("got %d %q", a.status, a.body)
	}
	s.proc.AwaitEnd()
}

// awaitRefusal waits until the gateway takes no connections any more.
func (s *server) awaitRefusal() {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			return
		}
		conn.Close()
		if time.Now().After(deadline) {
			s.t.Fatal("the gateway still takes connections")
		}
	}
}
