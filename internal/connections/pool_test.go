package connections_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pushgateway/internal/connections"
	"pushgateway/internal/guard"
)

// serve answers requests through a pool of few connections.
func serve(t *testing.T, most int, h http.Handler) (addr string) {
	t.Helper()
	d := connections.New(guard.ConnectionLimits{Connections: most})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: d.Limit(nil, d.Answer(h)), ConnState: d.State, ConnContext: d.Context}
	go func() { _ = server.Serve(d.Listen(l)) }()
	t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

func dial(t *testing.T, addr, send string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err == nil {
		_, err = io.WriteString(c, send)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// TestPushesAreFinished has pushes that are being answered on all connections,
// and more connections: they wait, or are closed, and no push is.
func TestPushesAreFinished(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	addr := serve(t, 3, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodPut {
			begun <- struct{}{}
			<-end
		}
	}))
	var pushes []net.Conn
	for range 3 {
		pushes = append(pushes, dial(t, addr, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"))
		<-begun
	}
	if answer, _ := io.ReadAll(dial(t, addr, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")); len(answer) > 0 {
		t.Errorf("one more: got %q", answer)
	}
	late := dial(t, addr, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	close(end)
	for _, c := range append(pushes, late) {
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("got %v, %v", res, err)
		}
	}
}

// TestRequestsBeforeTheyAreAdmitted has requests without a body on all
// connections. A new connection gets the place of one whose sender is not known
// yet to be allowed to send it.
func TestRequestsBeforeTheyAreAdmitted(t *testing.T) {
	for name, admitted := range map[string]bool{"admitted": true, "not yet": false} {
		begun, end := make(chan struct{}), make(chan struct{})
		addr := serve(t, 3, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodDelete {
				return
			}
			if admitted {
				r.Body.(interface{ Admitted() }).Admitted()
			}
			begun <- struct{}{}
			<-end
		}))
		for range 3 {
			dial(t, addr, "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n")
			<-begun
		}
		answer, _ := io.ReadAll(dial(t, addr, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
		if served := strings.HasPrefix(string(answer), "HTTP/1.1 200"); served == admitted {
			t.Errorf("%s: got %q", name, answer)
		}
		close(end)
	}
}

// piece is a connection from which a text comes in pieces.
type piece struct {
	net.Conn
	io.Reader
}

func (p piece) Read(b []byte) (int, error) { return p.Reader.Read(b) }

func (piece) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

type once chan net.Conn

func (l once) Accept() (net.Conn, error) { return <-l, nil }
func (once) Close() error                { return nil }
func (once) Addr() net.Addr              { return nil }

// TestPieces holds that requests are followed in whatever pieces they come: a
// body is no header, whatever it looks like.
func TestPieces(t *testing.T) {
	const bad = "PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n"
	good := "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" +
		fmt.Sprintf("PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s\r\n", len(bad)+2, bad) +
		fmt.Sprintf("PUT / HTTP/1.1\nTransfer-Encoding: chunked\n\n%x;a=b\r\n%s\r\n\r\n0\r\nTrailer: x\r\n\r\n", len(bad)+2, bad) +
		"PUT / HTTP/1.0\r\nContent-Length: 0\r\n\r\n"
	for name, in := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader,
	} {
		for _, tt := range []struct {
			sent, taken string
			refused     bool
		}{{good, good, false}, {good + bad + "\r\n", good + bad, true}, {good + bad + "\r\nrest", good + bad, true}, {"\x16" + bad + "\r\n", "\x16" + bad + "\r\n", false}} {
			l := make(once, 1)
			l <- piece{nil, in(strings.NewReader(tt.sent))}
			c, err := connections.New(guard.ConnectionLimits{Connections: 1}).Listen(l).Accept()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(c)
			// The last line end may be taken up to its LF, which ends the header.
			if strings.TrimSuffix(string(got), "\r") != tt.taken || err != nil != tt.refused {
				t.Errorf("%s: of %q came %q, %v", name, tt.sent, got, err)
			}
		}
	}
}

// TestRefusalsSayWhy sends requests that net/http refuses without a word, alone
// and behind another one.
func TestRefusalsSayWhy(t *testing.T) {
	addr := serve(t, 3, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	const good = "PUT /a%25b?c=%zz HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n%z"
	const chunked = "Transfer-Encoding: chunked\r\n"
	for _, tt := range []struct{ send, want string }{
		{"PUT /metrics/job/100% HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100_000), "the path /metrics/job/100% has %, which is not an escape; write %25 for a %"},
		{"GET /a%4/b?c HTTP/1.1\r\n\r\n", "the path /a%4/b has %4/, which is not an escape"},
		{"GET /%41%4g HTTP/1.0\r\n\r\n", "the path /%41%4g has %4g, which is not an escape"},
		{"GET /\x1b% HTTP/1.1\r\nHost: a\r\n\r\n", `the path /\x1b% has %, `},
		{"PUT /my job/" + strings.Repeat("x", 1000) + " HTTP/1.1\r\n\r\n", "x… contains a space; write %20 for it"},
		{"PUT /a HTTP/1.1\r\nContent-Length: 1\r\n" + chunked + "\r\n", "the header has both Content-Length and Transfer-Encoding"},
		{"PUT /a HTTP/1.1\r\nContent-Length: x\r\n\r\n", "Content-Length in the header is not a number"},
		{"PUT /a HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "a line of the header begins with whitespace"},
		{"PUT /a HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 501) + "\r\n", "the header has more than 500 lines; send fewer"},
	} {
		for _, before := range []string{"", good} {
			answer, err := io.ReadAll(dial(t, addr, before+tt.send))
			if err != nil {
				t.Errorf("%.100q: %v", tt.send, err)
			}
			last := string(answer[max(0, bytes.LastIndex(answer, []byte("HTTP/1.1 "))):])
			if !strings.HasPrefix(last, "HTTP/1.1 400 Bad Request\r\n") || !strings.Contains(last, tt.want) || strings.ContainsRune(last, '\x1b') {
				t.Errorf("%.100q: got %q, want %q", tt.send, answer, tt.want)
			}
		}
	}
}

// FuzzTarget holds that no request line is refused that net/http takes, and that
// all escapes which it refuses are.
func FuzzTarget(f *testing.F) {
	for _, target := range []string{"/", "/a%20b", "/%", "/%4", "/%zz", "/a?%zz", "/a b", "/%e4%Fg", "*", "http://a/%", "//a%zz/b", "/a#%", "/ ", " /%", "/%%25"} {
		f.Add("GET", target, " HTTP/1.1")
	}
	f.Fuzz(func(t *testing.T, method, target, version string) {
		line := method + " " + target + version
		if strings.ContainsAny(line, "\r\n") || len(line) > 0 && line[0] == 22 {
			return
		}
		request := line + "\r\nHost: a\r\n\r\n"
		l := make(once, 1)
		l <- piece{nil, strings.NewReader(request)}
		c, err := connections.New(guard.ConnectionLimits{Connections: 1}).Listen(l).Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, refused := io.ReadAll(c)
		_, err = http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
		if refused != nil && err == nil {
			t.Fatalf("%q is taken by net/http, and refused: %v", line, refused)
		}
		var escape url.EscapeError
		if errors.As(err, &escape) && strings.HasPrefix(target, "/") && refused == nil {
			t.Fatalf("%q is refused by net/http: %v", line, err)
		}
	})
}
