package doors_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pushgateway/internal/doors"
	"pushgateway/internal/guard"
)

// serve answers requests through doors for few connections.
func serve(t *testing.T, most int, h http.Handler) (addr string) {
	t.Helper()
	d := doors.New(guard.ConnectionLimits{Connections: most})
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
			c, err := doors.New(guard.ConnectionLimits{Connections: 1}).Listen(l).Accept()
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
