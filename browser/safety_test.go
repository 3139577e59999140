package browser

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
)

const markup = `<script>window.pwned=1</script><img src=x onerror="window.pwned=1"><b>bold</b>`

// TestMarkupIsText pushes markup wherever a client can.
func TestMarkupIsText(t *testing.T) {
	s := start(t, "--web.enable-admin-api", "--push.enable-utf8-names")
	name := fmt.Sprintf("{%q}", strings.ReplaceAll(markup, `"`, ""))
	body := fmt.Sprintf("# HELP m %s\nm{l=%q} 1\n%s 1\n", markup, markup, name)
	path := "job/" + url.PathEscape(strings.ReplaceAll(markup, "/", "|")) + "/instance/1"
	s.push(path, body, http.StatusOK)
	s.push(path, fmt.Sprintf("m{l=%q} 1\nm{l=%q} 2\n", markup, markup), http.StatusBadRequest, "User-Agent", markup)
	tb := s.open(desktop, "?view=groups")
	safe := func() {
		t.Helper()
		tb.until(`window.pwned === undefined && !document.querySelector("main script, main img, main b b, dialog img")`)
	}
	tb.reads("#row-0", "<script>")
	safe()
	tb.search("<script>")
	tb.reads(".total", "<script>")
	tb.press("Clean up…")
	tb.reads(".preview", "<script>")
	safe()
	tb.click("dialog header button")
	tb.click("#row-0 .age")
	tb.reads(".help", "<script>")
	tb.reads(".banner pre", "<script>")
	tb.reads("td", "<script>")
	safe()
	tb.press("Overview")
	tb.reads(".jobs", "<script>")
	safe()
	tb.press("Status")
	tb.reads(".refusals li", "from 127.0.0.1, "+markup)
	tb.reads(".refusals .why", "<script>")
	safe()
}

// TestNothingHides writes out what cannot be seen, so that no group can look
// like another.
func TestNothingHides(t *testing.T) {
	s := start(t)
	s.push("job/"+url.PathEscape("\u202ekcab\u200bup"), "m{l=\"\u202e1\"} 1\n", http.StatusOK)
	tb := s.open(desktop, "?view=groups")
	tb.reads("#row-0 .chip", `\u202ekcab\u200bup`)
	tb.click("#row-0 .chip")
	tb.reads(".total", `1 group matching {job="\u202ekcab\u200bup"}.`)
	tb.click("#row-0 .age")
	tb.reads("h1", `\u202ekcab\u200bup`)
	tb.reads("td", `\u202e1`)
	tb.press("Delete…")
	tb.reads("dialog code", `\u202ekcab\u200bup`)
	tb.press("Delete group")
	tb.reads("#told", `\u202ekcab\u200bup`)
}

// TestLongTextsAreCut shows the beginning of what clients send, and a mark.
func TestLongTextsAreCut(t *testing.T) {
	long := strings.Repeat("a", 199)
	s := start(t)
	s.push("job/"+long+"äz", fmt.Sprintf("# HELP m %[1]säz\nm{l=\"%[2]s\"} 1\n", long, long+"\U000e0061"), http.StatusOK)
	tb := s.open(desktop, "?view=groups")
	tb.reads("#row-0 .chip", long+"ä…")
	tb.click("#row-0 .age")
	tb.reads("h1", long+"ä…")
	tb.reads(".help", long+"ä…")
	tb.reads("td", `{l="`+long[:195]+"a…")
	tb.reads(".lines", `\u{e0061}`)
}

// TestPolicy holds every answer of the page to the policy, and the first view
// to a size.
func TestPolicy(t *testing.T) {
	s := start(t)
	s.push("job/a", "m 1\n", http.StatusOK)
	for _, path := range []string{"", "status", "static/app.js", "static/style.css"} {
		res, err := client.Get(s.base + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		policy := res.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("/%s: the policy %q lacks %q", path, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("/%s: the policy is %q", path, policy)
		}
	}
	tb := s.open(desktop, "?view=groups")
	tb.reads("#row-0", "a")
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if t.Logf("the first view takes %.0f bytes", tb.bytes); tb.bytes == 0 || tb.bytes > 150_000 {
		t.Errorf("the first view takes %.0f bytes over the wire, want no more than 150,000", tb.bytes)
	}
}

// certificate makes a configuration with TLS and a password.
func certificate(t testing.TB) (config string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	// The password is "secret".
	write("web.yml", []byte("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {ann: $2a$04$KAJfRxI2VqqC4n6B9ph.A.MJIJWvqOBlaldjH4dOXYLmoNB226Kky}\n"))
	return filepath.Join(dir, "web.yml")
}

// TestBehindPrefixPasswordAndTLS is the page as it is often set up.
func TestBehindPrefixPasswordAndTLS(t *testing.T) {
	s := start(t, "--web.config.file="+certificate(t), "--web.external-url=https://example.org/push/gw/", "--web.enable-admin-api")
	s.base = strings.Replace(s.base, "http://", "https://", 1) + "push/gw/"
	withPassword := strings.Replace(s.base, "https://", "https://ann:secret@", 1)
	command := fmt.Sprintf("echo 'm 1' | curl -sfk -m 5 --data-binary @- '%smetrics/job/a'", withPassword)
	s.shell(command)
	tb := s.open(desktop, "about:blank")
	tb.run(security.SetIgnoreCertificateErrors(true), chromedp.Navigate(withPassword))
	tb.press("a")
	tb.reads(".command", s.base+"metrics/job/a")
	tb.press("Status")
	tb.until(`location.pathname === "/push/gw/status"`)
	tb.reads("pre", "metrics_path: /push/gw/metrics")
	tb.reads("pre", "scheme: https")
	tb.press("Overview")
	tb.until(`document.querySelectorAll(".chart canvas").length === 2`)
}

// TestFits has nothing that is wider than a phone.
func TestFits(t *testing.T) {
	s := start(t)
	long := strings.Repeat("long-", 40)
	s.push("job/"+long+"/instance/"+long, drawable+fmt.Sprintf("# HELP x %s\nx{l=%q} 1\n", long, long), http.StatusOK)
	s.scrape()
	for _, address := range []string{"", "?view=groups", "?group=job/" + long + "/instance/" + long, "?view=overview", "status"} {
		tb := s.open(phone, address)
		tb.until(`document.querySelector(".states .badge, .row .chip, .chart canvas, .jobs td, .permissions") !== null`)
		if wide := eval[int](tb, `document.documentElement.scrollWidth`); wide > 375 {
			t.Errorf("/%s is %d pixels wide", clip(address), wide)
		}
	}
	tb := s.open(phone, "?view=groups")
	tb.reads("#row-0", "long")
	tb.run(chromedp.Evaluate(`window.scrollTo(0, 1e6)`, nil))
}

func clip(s string) string { return s[:min(len(s), 40)] }
