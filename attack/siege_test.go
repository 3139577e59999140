// Package attack drives the real binary as a client that means it no good. The
// gateway runs in a bounded address space, and a bystander pushes and scrapes
// all the while: it must be served whatever the attacker does.
package attack

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

// binary is the gateway, built once for all tests.
var binary string

func TestMain(m *testing.M) { os.Exit(testproc.Main(m, &binary)) }

const (
	// patience is how long the bystander waits for an answer. Attacks that
	// worked made it wait for a minute and more, or for ever.
	patience = 15 * time.Second
	// addressSpace is what the gateway may map, in bytes. Of this the runtime
	// reserves some hundred MiB that it never touches.
	addressSpace = 6 << 30
	// attacker and neighbour are the addresses from which requests come.
	attacker  = "127.0.0.1"
	neighbour = "127.0.0.2"
)

// gateway is one under attack.
type gateway struct {
	t    testing.TB
	addr string
	base string
	proc *testproc.Process
	// header is what the bystander sends along, names and values in turn.
	header []string
}

// besiege starts a gateway in a bounded address space, and a bystander. When
// the test ends the bystander must have been served to the last, and the
// gateway must end in order.
func besiege(t *testing.T, args ...string) *gateway {
	t.Helper()
	return besieged(t, begin(t, command(args...)))
}

// besieged adds a bystander to a gateway.
func besieged(t *testing.T, g *gateway) *gateway {
	t.Helper()
	ctx, lift := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- g.standBy(ctx) }()
	t.Cleanup(func() {
		lift()
		if err := <-served; err != nil {
			t.Errorf("the bystander: %v\n%s", err, tail(g.proc.Log.String()))
		}
	})
	return g
}

// begin starts a gateway in a bounded address space.
func begin(t *testing.T, cmd *exec.Cmd) *gateway {
	t.Helper()
	p := testproc.Run(t, cmd)
	limitMemory(t, p.Cmd.Process.Pid, addressSpace)
	return &gateway{t: t, addr: p.Addr, base: "http://" + p.Addr, proc: p}
}

// standBy pushes and scrapes until ctx ends, and once more then: what a
// neighbour of the attacker would see.
func (g *gateway) standBy(ctx context.Context) error {
	client := clientFrom(neighbour, patience)
	for n := 1; ; n++ {
		last := ctx.Err() != nil
		if err := g.beServed(client, n); err != nil {
			return fmt.Errorf("in round %d: %w", n, err)
		}
		if last {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// beServed pushes a value and finds it in a scrape.
func (g *gateway) beServed(client *http.Client, n int) error {
	body := fmt.Sprintf("bystander_total %d\n", n)
	status, text, err := ask(client, http.MethodPut, g.base+"/metrics/job/bystander", body, g.header...)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("a push: %d %q, %w", status, clip(text), err)
	}
	status, text, err = ask(client, http.MethodGet, g.base+"/metrics", "", g.header...)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("a scrape: %d %q, %w", status, clip(text), err)
	}
	if want := fmt.Sprintf("bystander_total{instance=\"\",job=\"bystander\"} %d\n", n); !strings.Contains(text, want) {
		return fmt.Errorf("a scrape of %d bytes does not have %q", len(text), want)
	}
	return nil
}

// clientFrom makes requests from an address of this machine.
func clientFrom(address string, timeout time.Duration) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, DisableCompression: true, MaxIdleConnsPerHost: 100,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // where an attack is on TLS
		},
	}
}

// ask sends a request and reads the answer. The header is a list of names and
// values in turn.
func ask(client *http.Client, method, url, body string, header ...string) (status int, text string, err error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// do sends a request as the attacker, who waits for long.
func (g *gateway) do(method, path, body string, header ...string) (status int, text string) {
	g.t.Helper()
	status, text, err := ask(clientFrom(attacker, testproc.Patience), method, g.base+path, body, header...)
	if err != nil {
		g.t.Fatalf("%s %s: %v\n%s", method, clip(path), err, tail(g.proc.Log.String()))
	}
	return status, text
}

// want sends a request as the attacker, which has to be answered with a status.
func (g *gateway) want(status int, method, path, body string, header ...string) (text string) {
	g.t.Helper()
	got, text := g.do(method, path, body, header...)
	if got != status {
		g.t.Errorf("%s %s: got %d %q, want %d", method, clip(path), got, clip(text), status)
	}
	return text
}

// clip keeps messages about huge requests readable.
func clip(s string) string {
	const most = 300
	if len(s) > most {
		return fmt.Sprintf("%s… (%d bytes)", s[:most], len(s))
	}
	return s
}

// tail is the end of a log.
func tail(s string) string { return s[max(0, len(s)-4000):] }

// with is the same gateway in a subtest.
func (g *gateway) with(t testing.TB) *gateway {
	again := *g
	again.t = t
	return &again
}

// get asks as the attacker.
func (g *gateway) get(path, accept string) (*http.Response, []byte) {
	g.t.Helper()
	req, err := http.NewRequest(http.MethodGet, g.base+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	res, err := clientFrom(attacker, testproc.Patience).Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return res, b
}
