package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"pushgateway/internal/natstest"
)

// TestClusterCertificates replaces the certificates of a server and those that it
// asks for while a gateway runs. Whenever the gateway must connect again with files
// that do not fit any more, it says why, refuses pushes, and serves scrapes. Once the
// files are replaced, it goes on.
func TestClusterCertificates(t *testing.T) {
	t.Parallel()
	first, second, dir := newAuthority(t), newAuthority(t), t.TempDir()
	asks := func(of *authority, shows tls.Certificate) *tls.Config {
		pool := x509.NewCertPool()
		pool.AddCert(of.cert)
		return &tls.Config{Certificates: []tls.Certificate{shows}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	}
	server := func(of *authority) tls.Certificate { return of.client("nats", "nats.example.org") }
	var present atomic.Pointer[tls.Config]
	present.Store(asks(first, server(first)))
	config := asks(first, server(first))
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return present.Load(), nil }
	c, credentials := natstest.StartSecured(t, config, nil, nil)
	ca := filepath.Join(dir, "ca.pem")
	trust := func(of *authority) { replaceFile(t, ca, of.pem()) }
	trust(first)
	cert, key := writePair(t, dir, first.client("gateway"))
	s := joinCluster(t, c, "S", "--cluster.credentials-file="+credentials, "--cluster.tls-ca-file="+ca, "--cluster.tls-cert-file="+cert,
		"--cluster.tls-key-file="+key, "--cluster.tls-server-name=nats.example.org")
	s.push("/metrics/job/j", "m 1\n", http.StatusOK)

	for i, step := range []struct {
		what   string
		server *tls.Config
		says   string
		mend   func()
	}{
		{"a server with a certificate of another authority", asks(first, server(second)), "unknown authority", func() { trust(second) }},
		{"a certificate that has ended", asks(first, second.ended("nats", "nats.example.org")), "certificate has expired", func() { present.Store(asks(first, server(second))) }},
		{"a server that asks for another certificate", asks(second, server(second)), "tls: ", func() { writePair(t, dir, second.client("gateway")) }},
		{"a file that is empty", asks(second, server(second)), "root certificate", func() { trust(second) }},
	} {
		present.Store(step.server)
		s.push("/metrics/job/j", "m 1\n", http.StatusOK) // over the connection that there is
		if strings.HasPrefix(step.what, "a file") {
			replaceFile(t, ca, "")
		}
		c.Stop(0)
		c.Run(0)
		s.eventually(step.what, func() bool { return strings.Contains(s.log.String(), step.says) })
		if i == 0 { // it takes some seconds
			got := s.do(http.MethodPut, "/metrics/job/j", "m 2\n")
			if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, step.says) {
				t.Errorf("%s: a push gets %d %q", step.what, got.status, got.body)
			}
		}
		s.exposes(`m{instance="",job="j"} 1`, true)
		s.get("/-/ready")
		step.mend()
		s.recovers()
		s.push("/metrics/job/j", "m 1\n", http.StatusOK)
	}
}

// replaceFile writes a file and puts it in the place of another one, as tools that
// renew certificates do.
func replaceFile(t *testing.T, file, content string) {
	t.Helper()
	fresh := file + ".new"
	if err := os.WriteFile(fresh, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, file); err != nil {
		t.Fatal(err)
	}
}
