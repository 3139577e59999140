package attack

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// connect opens a connection from an address.
func (g *gateway) connect(address string) net.Conn {
	g.t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: patience}
	c, err := dialer.Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatalf("connecting: %v\n%s", err, tail(g.proc.Log.String()))
	}
	g.t.Cleanup(func() { c.Close() })
	return c
}

// send writes to a connection, which the gateway may close meanwhile.
func send(c net.Conn, parts ...string) {
	for _, part := range parts {
		if _, err := io.WriteString(c, part); err != nil {
			return
		}
	}
}

// sendAll does the same on many connections at once.
func sendAll(conns []net.Conn, parts ...string) {
	var all sync.WaitGroup
	for _, c := range conns {
		all.Go(func() { send(c, parts...) })
	}
	all.Wait()
}

// connectAll opens many connections as the attacker.
func (g *gateway) connectAll(n int) []net.Conn {
	var conns []net.Conn
	for range n {
		conns = append(conns, g.connect(attacker))
	}
	return conns
}

// watch has a neighbour push, who must be served each time.
func (g *gateway) watch(rounds int) {
	g.t.Helper()
	client := clientFrom(neighbour, patience)
	for n := range rounds {
		if status, text, err := ask(client, http.MethodPut, g.base+"/metrics/job/other", "other 1\n", g.header...); err != nil || status != http.StatusOK {
			g.t.Fatalf("push %d of a neighbour: %d %q, %v\n%s", n, status, clip(text), err, tail(g.proc.Log.String()))
		}
	}
}

const begun = "PUT /metrics/job/a HTTP/1.1\r\nHost: a\r\nContent-Length: 62914560\r\n\r\n"

// TestStalledBodies begins large pushes that never end.
func TestStalledBodies(t *testing.T) {
	g := besiege(t)
	part := strings.Repeat("# filler filler filler filler\n", 10<<20/30)
	sendAll(g.connectAll(40), begun, part)
	g.watch(50)
}

// TestSlowBodies has bodies that come, but slowly, over all connections there
// may be.
func TestSlowBodies(t *testing.T) {
	g := besieged(t, begin(t, withFiles(300)))
	conns := g.connectAll(400)
	sendAll(conns, begun)
	for range 10 {
		sendAll(conns, "#")
		g.watch(5)
	}
}

// TestOneAloneMayUseAll begins as many bodies from one address as fit, and all
// end well.
func TestOneAloneMayUseAll(t *testing.T) {
	g := begin(t, command("--push.max-body-bytes=1MiB", "--push.max-inflight-bytes=1MiB"))
	conns := g.connectAll(30) // of 16 KiB, and as much for each as it is parsed
	for i, c := range conns {
		send(c, fmt.Sprintf("PUT /metrics/job/%d HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nm", i))
	}
	time.Sleep(2 * time.Second) // longer than anybody is left alone whom others wait for
	for _, c := range conns {
		send(c, " 1\n")
		if answer := read(c); !strings.HasPrefix(answer, "HTTP/1.1 200") {
			t.Errorf("got %q", clip(answer))
		}
	}
}

// read gives what comes on a connection next, "" if that is its end.
func read(c net.Conn) string { return readFor(c, patience) }

// shortly is how long an answer takes that comes at once.
const shortly = 300 * time.Millisecond

func readFor(c net.Conn, timeout time.Duration) string {
	b := make([]byte, 64<<10)
	_ = c.SetReadDeadline(time.Now().Add(timeout))
	n, _ := c.Read(b)
	return string(b[:n])
}

// TestLargeHeaders sends headers that do not end, in the shapes that take most
// memory.
func TestLargeHeaders(t *testing.T) {
	for name, header := range map[string]string{
		"one line":   "X: " + strings.Repeat("x", 1<<20),
		"long lines": strings.Repeat("X-Some-Header: "+strings.Repeat("x", 100)+"\r\n", 10_000),
		"short ones": shortLines(100_000),
	} {
		t.Run(name, func(t *testing.T) {
			g := besiege(t)
			g.watch(10)
			before := g.peak()
			sendAll(g.connectAll(1000), "GET /metrics HTTP/1.1\r\nHost: a\r\n", header)
			g.watch(10)
			grown := g.peak() - before
			t.Logf("headers of 1,000 connections take %d MiB", grown>>20)
			if grown > 400<<20 {
				t.Error("that is too much")
			}
		})
	}
}

// shortLines are header lines with names of their own.
func shortLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "x%x:\r\n", i)
	}
	return b.String()
}

// TestIdleConnections opens more connections than there may be files.
func TestIdleConnections(t *testing.T) {
	g := besieged(t, begin(t, withFiles(300)))
	for range 3 {
		g.connectAll(400)
		g.watch(5)
	}
}

// withFiles runs the gateway with a limit on open files.
func withFiles(n int, args ...string) *exec.Cmd {
	cmd := command(args...)
	shell := fmt.Sprintf("ulimit -n %d && exec \"$0\" \"$@\"", n)
	return exec.Command("sh", append([]string{"-c", shell}, cmd.Args...)...)
}

// TestManyScrapesUnread opens scrapes and lists of everything, and reads none.
func TestManyScrapesUnread(t *testing.T) {
	g := besiege(t)
	var text strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&text, "m{i=\"%d\",x=\"%s\"} 1\n", i, strings.Repeat("x", 100))
	}
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/large", text.String())
	sendAll(g.connectAll(200), "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
	for range 3 {
		if status, _, err := ask(clientFrom(neighbour, patience), http.MethodGet, g.base+"/metrics", ""); err != nil || status != http.StatusOK {
			t.Errorf("a scrape of a neighbour: %d, %v", status, err)
		}
	}
}
