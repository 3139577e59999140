package attack

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// secure starts a gateway that speaks TLS, and with it HTTP/2.
func secure(t *testing.T) *gateway {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	indented := func(kind string, b []byte) string {
		text := string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
		return "|\n    " + strings.ReplaceAll(text, "\n", "\n    ") + "\n"
	}
	config := "tls_server_config:\n  cert: " + indented("CERTIFICATE", cert) + "  key: " + indented("PRIVATE KEY", private)
	g := begin(t, command("--web.config.file="+webConfig(t, config)))
	g.base = "https://" + g.addr
	return besieged(t, g)
}

// endless is a body that never ends.
type endless struct{ end <-chan struct{} }

func (e endless) Read([]byte) (int, error) {
	<-e.end
	return 0, io.EOF
}

// TestManyStreams begins pushes with large headers over HTTP/2, many on each
// connection, and ends none.
func TestManyStreams(t *testing.T) {
	g := secure(t)
	g.watch(10)
	before := g.peak()
	end := make(chan struct{})
	var (
		all     sync.WaitGroup
		refused atomic.Int64
	)
	letGo := sync.OnceFunc(func() {
		close(end)
		all.Wait()
	})
	defer letGo()
	header := http.Header{"X-Large": {strings.Repeat("x", 50_000)}}
	for range 20 {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(attacker)}}
		transport := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
		client := &http.Client{Transport: transport}
		if _, _, err := ask(client, http.MethodGet, g.base+"/-/healthy", ""); err != nil {
			t.Fatal(err) // or else each request begins with a connection of its own
		}
		for range 100 {
			all.Go(func() {
				req, err := http.NewRequest(http.MethodPut, g.base+"/metrics/job/a", endless{end})
				if err != nil {
					t.Error(err)
					return
				}
				req.Header = header
				res, err := client.Do(req)
				if err == nil && res.StatusCode == http.StatusServiceUnavailable {
					refused.Add(1)
				}
				if err == nil {
					res.Body.Close()
				}
				transport.CloseIdleConnections()
			})
		}
	}
	time.Sleep(2 * time.Second)
	g.watch(10)
	if grown := g.peak() - before; grown > 500<<20 {
		t.Errorf("2,000 requests take %d MiB", grown>>20)
	}
	letGo() // the client hears of refusals only then
	if n := refused.Load(); n < 900 {
		t.Errorf("only %d of 2,000 requests were refused", n)
	}
}

// TestSmugglingOverTLS holds that what comes behind a body in chunks is not
// read, where nobody sees whether there was a length as well.
func TestSmugglingOverTLS(t *testing.T) {
	g := secure(t)
	c := tls.Client(g.connect(attacker), &tls.Config{InsecureSkipVerify: true})
	send(c, "PUT /metrics/job/a HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nm 1\n\r\n0\r\n\r\n"+
		"PUT /metrics/job/hidden HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nm 1\n")
	if answers := readAll(c); strings.Count(answers, "HTTP/1.1 ") != 1 {
		t.Errorf("got %q", clip(answers))
	}
	if text := g.want(http.StatusOK, http.MethodGet, "/metrics", ""); strings.Contains(text, `job="hidden"`) {
		t.Error("the hidden push was done")
	}
}
