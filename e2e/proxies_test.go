package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"pushgateway/internal/testproc"
)

// TestTrustedProxies has a proxy say for whom it asks. It is believed if the
// flag names it.
func TestTrustedProxies(t *testing.T) {
	for flag, want := range map[string]string{"": "127.0.0.1", "--web.trusted-proxies=10.0.0.0/8,127.0.0.1": "198.51.100.7", "--web.trusted-proxies=10.0.0.0/8": "127.0.0.1"} {
		var args []string
		if flag != "" {
			args = append(args, flag)
		}
		s := start(t, args...)
		hops := []string{"X-Forwarded-For", "203.0.113.9, 198.51.100.7, 10.1.2.3"}
		s.want(http.StatusBadRequest, http.MethodPut, "/metrics/job/a", "no metric\n", hops...)
		s.want(http.StatusOK, http.MethodGet, "/metrics", "", hops...)
		overview := s.get("/api/v1/overview").body
		if n := strings.Count(overview, `"client":"`+want+`"`); n != 2 {
			t.Errorf("%q: %q is named %d times: %s", flag, want, n, overview)
		}
		if !strings.Contains(s.log.String(), "msg=Refused client="+want+" ") {
			t.Errorf("%q: %q is not in the log:\n%s", flag, want, s.log.String())
		}
	}
}

// TestSeveralListeners asks for a password on all of them.
func TestSeveralListeners(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	hash := must(bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost))
	if err := os.WriteFile(file, []byte(fmt.Sprintf("basic_auth_users: {u: %s}\n", hash)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--web.listen-address=127.0.0.1:0", "--web.config.file="+file)
	var addresses [][]string
	for range 1000 { // the first is known, the other comes soon
		if addresses = testproc.Listening.FindAllStringSubmatch(s.log.String(), -1); len(addresses) == 2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if len(addresses) != 2 {
		t.Fatalf("got %q", addresses)
	}
	for _, address := range addresses {
		for password, want := range map[string]int{"secret": http.StatusOK, "wrong": http.StatusUnauthorized} {
			req := must(http.NewRequest(http.MethodGet, "http://"+address[1]+"/metrics", nil))
			req.SetBasicAuth("u", password)
			res := must(http.DefaultClient.Do(req))
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s with password %s: got %d, want %d", address[1], password, res.StatusCode, want)
			}
		}
	}
}

// TestClientCertificates lets in those who have one.
func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	pool := writeCertificate(t, dir)
	file := filepath.Join(dir, "web.yml")
	const config = "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: cert.pem, client_auth_type: RequireAndVerifyClientCert}\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--web.config.file="+file)
	pair := must(tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")))
	for _, protocol2 := range []bool{true, false} {
		for _, certificates := range [][]tls.Certificate{nil, {pair}} {
			client := &http.Client{Transport: &http.Transport{
				ForceAttemptHTTP2: protocol2, TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: certificates},
			}}
			res, err := client.Get("https://" + s.addr + "/metrics")
			if (err == nil) != (certificates != nil) {
				t.Errorf("with %d certificates: %v", len(certificates), err)
			}
			if err != nil {
				continue
			}
			res.Body.Close()
			if res.StatusCode != http.StatusOK || (res.ProtoMajor == 2) != protocol2 {
				t.Errorf("got %s in %s", res.Status, res.Proto)
			}
		}
	}
}
