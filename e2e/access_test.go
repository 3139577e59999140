package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// writeFiles writes files into a new directory.
func writeFiles(t testing.TB, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func bcryptOf(password string) string {
	return string(must(bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)))
}

// withAccess starts a gateway with the users of the manual, and returns the
// directory of its files.
func withAccess(t testing.TB, args ...string) (s *server, dir string) {
	t.Helper()
	dir = writeFiles(t, map[string]string{
		"prometheus.password": "scrape me\n", "ci.token": "ci-t0ken\r\n",
		"config.yml": `access:
  anonymous: [scrape, health]
  users:
    - name: prometheus
      password_file: prometheus.password
      may: [scrape, query]
    - name: ci
      token_file: ci.token
      may: [push, delete]
      match: '{job=~"ci_.*",env!="production"}'
    - name: batch-7
      certificate: batch-7.example.org
      may: [push]
      match: '{instance="batch-7"}'
    - name: ops
      password_hash: ` + bcryptOf("ops") + `
      addresses: [10.0.0.0/8, ::1, 127.0.0.1]
      may: [push, delete, scrape, query, ui, admin, lifecycle, debug]
`})
	return start(t, append([]string{"--config.file=" + filepath.Join(dir, "config.yml"), "--web.enable-lifecycle", "--web.enable-admin-api", "--web.enable-pprof"}, args...)...), dir
}

// TestAccess is the example of the manual.
func TestAccess(t *testing.T) {
	s, _ := withAccess(t)
	prometheus, ci, ops := basic("prometheus", "scrape me"), "Bearer ci-t0ken", basic("ops", "ops")
	for _, tt := range []struct {
		who, method, path string
		want              int
	}{
		{"", http.MethodGet, "/metrics", 200},
		{"", http.MethodGet, "/-/healthy", 200},
		{"", http.MethodGet, "/-/ready", 200},
		{"", http.MethodGet, "/", 401},
		{"", http.MethodGet, "/api/v1/status", 401},
		{"", http.MethodPut, "/metrics/job/ci_a", 401},
		{"", http.MethodPost, "/-/reload", 401},
		{"", http.MethodGet, "/debug/pprof/cmdline", 401},
		{basic("ops", "x"), http.MethodGet, "/metrics", 401},
		{prometheus, http.MethodGet, "/metrics", 200},
		{prometheus, http.MethodGet, "/api/v1/status", 200},
		{prometheus, http.MethodGet, "/-/healthy", 200},
		{prometheus, http.MethodPut, "/metrics/job/ci_a", 403},
		{prometheus, http.MethodGet, "/", 403},
		{ci, http.MethodPut, "/metrics/job/ci_a", 200},
		{ci, http.MethodPut, "/metrics/job@base64/Y2lfYQ", 200},
		{ci, http.MethodPut, "/metrics/job/ci_a/env/production", 403},
		{ci, http.MethodPut, "/metrics/job/backup", 403},
		{ci, http.MethodDelete, "/metrics/job/backup", 403},
		{ci, http.MethodDelete, "/metrics/job/ci_a", 202},
		{ci, http.MethodPost, "/-/reload", 403},
		{ops, http.MethodPut, "/metrics/job/backup", 200},
		{ops, http.MethodGet, "/debug/pprof/cmdline", 200},
		{ops, http.MethodPost, "/-/reload", 200},
		{ops, http.MethodPut, "/api/v1/admin/wipe", 202},
	} {
		var header []string
		if tt.who != "" {
			header = []string{"Authorization", tt.who}
		}
		a := s.want(tt.want, tt.method, tt.path, "", header...)
		if tt.want == 401 && len(a.header.Values("Www-Authenticate")) != 2 {
			t.Errorf("%s %s: the challenges are %q", tt.method, tt.path, a.header.Values("Www-Authenticate"))
		}
	}
	if got := s.scrape().body; !strings.Contains(got, `pushgateway_requests_refused_total{reason="forbidden",user="ci"} 4`) {
		t.Errorf("the refused requests of ci are not counted: %s", clip(got))
	}
	if got := s.log.String(); !strings.Contains(got, "reason=forbidden") || !strings.Contains(got, "user=ci") || strings.Contains(got, "t0ken") || strings.Contains(got, "scrape me") {
		t.Errorf("the log is %s", got)
	}
}

// TestSecretsAreReadAgain changes the files of secrets, and then reloads.
func TestSecretsAreReadAgain(t *testing.T) {
	s, dir := withAccess(t)
	put := func(token string, want int) {
		t.Helper()
		s.push("/metrics/job/ci_a", "m 1\n", want, "Authorization", "Bearer "+token)
	}
	reload := func(want int) {
		t.Helper()
		s.want(want, http.MethodPost, "/-/reload", "", "Authorization", basic("ops", "ops"))
	}
	put("ci-t0ken", 200)
	if err := os.WriteFile(filepath.Join(dir, "ci.token"), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	put("ci-t0ken", 200)
	put("another", 401)
	reload(200)
	put("ci-t0ken", 401)
	put("another", 200)
	if err := os.WriteFile(filepath.Join(dir, "ci.token"), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reload(500)
	put("another", 200) // what was before stays
}

// authority makes client certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return &authority{t, must(x509.ParseCertificate(der)), key}
}

func (a *authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// client makes a certificate for a client, or for a server.
func (a *authority) client(cn string, names ...string) tls.Certificate {
	return a.until(time.Now().Add(time.Hour), cn, names)
}

// ended makes one that is not valid any more.
func (a *authority) ended(cn string, names ...string) tls.Certificate {
	return a.until(time.Now().Add(-time.Minute), cn, names)
}

func (a *authority) until(end time.Time, cn string, names []string) tls.Certificate {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: cn}, DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestAccessWithWebConfig combines users with each way in which
// --web.config.file asks for certificates and passwords.
func TestAccessWithWebConfig(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	dir, servers := t.TempDir(), make(map[string]*server)
	pool := writeCertificate(t, dir)
	door := fmt.Sprintf("basic_auth_users: {door: %s, ops: %s}\n", bcryptOf("open"), bcryptOf("ops"))
	for name, tt := range map[string]struct {
		clientAuth, users string
		cert              *tls.Certificate
		header            string
		path              string // of a push
		want              int    // 0 if there is no connection
	}{
		"none given, if given":   {"VerifyClientCertIfGiven", "", nil, "", "job/a/instance/batch-7", 401},
		"given, if given":        {"VerifyClientCertIfGiven", "", new(ca.client("x", "batch-7.example.org")), "", "job/a/instance/batch-7", 200},
		"common name":            {"VerifyClientCertIfGiven", "", new(ca.client("batch-7.example.org")), "", "job/a/instance/batch-7", 200},
		"other group":            {"VerifyClientCertIfGiven", "", new(ca.client("batch-7.example.org")), "", "job/a/instance/batch-8", 403},
		"other name":             {"VerifyClientCertIfGiven", "", new(ca.client("batch-8.example.org")), "", "job/a/instance/batch-7", 401},
		"token before":           {"VerifyClientCertIfGiven", "", new(ca.client("batch-7.example.org")), "Bearer ci-t0ken", "job/ci_a", 200},
		"wrong token before":     {"VerifyClientCertIfGiven", "", new(ca.client("batch-7.example.org")), "Bearer x", "job/a/instance/batch-7", 401},
		"required":               {"RequireAndVerifyClientCert", "", new(ca.client("batch-7.example.org")), "", "job/a/instance/batch-7", 200},
		"required, none given":   {"RequireAndVerifyClientCert", "", nil, "", "job/ci_a", 0},
		"required, by another":   {"RequireAndVerifyClientCert", "", new(stranger.client("batch-7.example.org")), "", "job/a/instance/batch-7", 0},
		"required, and a token":  {"RequireAndVerifyClientCert", "", new(ca.client("some machine")), "Bearer ci-t0ken", "job/ci_a", 200},
		"not verified":           {"RequestClientCert", "", new(ca.client("batch-7.example.org")), "", "job/a/instance/batch-7", 401},
		"any":                    {"RequireAnyClientCert", "", new(stranger.client("batch-7.example.org")), "", "job/a/instance/batch-7", 401},
		"no door":                {"VerifyClientCertIfGiven", door, new(ca.client("batch-7.example.org")), "", "job/a/instance/batch-7", 401},
		"door and certificate":   {"VerifyClientCertIfGiven", door, new(ca.client("batch-7.example.org")), basic("door", "open"), "job/a/instance/batch-7", 200},
		"door alone":             {"VerifyClientCertIfGiven", door, nil, basic("door", "open"), "job/ci_a", 401},
		"door does not know it":  {"VerifyClientCertIfGiven", door, nil, "Bearer ci-t0ken", "job/ci_a", 401},
		"in both":                {"VerifyClientCertIfGiven", door, nil, basic("ops", "ops"), "job/ci_a", 200},
		"in both, but not there": {"VerifyClientCertIfGiven", door, nil, basic("ops", "x"), "job/ci_a", 401},
	} {
		s := servers[tt.clientAuth+tt.users]
		if s == nil {
			s = withClientAuth(t, dir, ca, tt.clientAuth, tt.users)
			servers[tt.clientAuth+tt.users] = s
		}
		config := &tls.Config{RootCAs: pool}
		if tt.cert != nil {
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return tt.cert, nil }
		}
		for _, http2 := range []bool{false, true} {
			got, proto := pushSecurely(t, &http.Transport{TLSClientConfig: config.Clone(), ForceAttemptHTTP2: http2}, "https://"+s.addr+"/metrics/"+tt.path, tt.header)
			if got != tt.want || got != 0 && (proto == 2) != http2 {
				t.Errorf("%s, over HTTP/%d: got %d, want %d", name, proto, got, tt.want)
			}
		}
	}
}

// withClientAuth starts a gateway that asks for certificates, and for the
// passwords of some users. dir has its own certificate.
func withClientAuth(t testing.TB, dir string, ca *authority, clientAuth, users string) *server {
	t.Helper()
	verifies := ""
	if strings.Contains(clientAuth, "Verify") {
		verifies = ", client_ca_file: ca.pem"
	}
	web := filepath.Join(dir, fmt.Sprintf("web-%s-%t.yml", clientAuth, users != ""))
	for file, content := range map[string]string{
		web:                          fmt.Sprintf("tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_auth_type: %s%s}\n%s", clientAuth, verifies, users),
		filepath.Join(dir, "ca.pem"): ca.pem(),
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := withAccess(t, "--web.config.file="+web)
	return s
}

// pushSecurely returns the status of a push, or 0 if there is no connection, and
// the version of HTTP.
func pushSecurely(t testing.TB, transport *http.Transport, url, header string) (status, proto int) {
	t.Helper()
	defer transport.CloseIdleConnections()
	req := must(http.NewRequest(http.MethodPut, url, strings.NewReader("m 1\n")))
	if header != "" {
		req.Header.Set("Authorization", header)
	}
	res, err := (&http.Client{Transport: transport, Timeout: patience}).Do(req)
	if err != nil {
		return 0, 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.ProtoMajor
}

// TestAccessThroughProxies takes the address from a trusted proxy, and from
// nobody else.
func TestAccessThroughProxies(t *testing.T) {
	config := "access:\n  anonymous: []\n  users:\n    - name: lan\n      addresses: [10.0.0.0/8]\n      may: [scrape]\n"
	file := filepath.Join(writeFiles(t, map[string]string{"config.yml": config}), "config.yml")
	for _, tt := range []struct {
		proxies, forwarded string
		want               int
	}{
		{"", "", 401},
		{"", "10.0.0.1", 401},
		{"127.0.0.1", "10.0.0.1", 200},
		{"127.0.0.1", "8.8.8.8, 10.0.0.1", 200},
		{"127.0.0.1", "10.0.0.1, 8.8.8.8", 401},
		{"127.0.0.1", "", 401},
	} {
		s := start(t, "--config.file="+file, "--web.trusted-proxies="+tt.proxies)
		s.want(tt.want, http.MethodGet, "/metrics", "", "X-Forwarded-For", tt.forwarded)
		s.want(401, http.MethodGet, "/-/healthy", "", "X-Forwarded-For", "8.8.8.8")
	}
}
