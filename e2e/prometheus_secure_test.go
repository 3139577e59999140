package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// TestPrometheusSecure lets a real Prometheus scrape over TLS with a password,
// and a second one without: that must fail.
func TestPrometheusSecure(t *testing.T) {
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is missing")
	}
	dir := t.TempDir()
	writeCertificate(t, dir)
	hash := must(bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost))
	web := filepath.Join(dir, "web.yml")
	content := fmt.Sprintf("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {prom: '%s'}\n", hash)
	if err := os.WriteFile(web, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--web.config.file="+web)
	const job = "- job_name: %s\n  scheme: https\n  tls_config: {insecure_skip_verify: true}\n  static_configs: [{targets: ['%s']}]\n"
	config := "global: {scrape_interval: 1s}\nscrape_configs:\n" + fmt.Sprintf(job, "stranger", s.addr) +
		fmt.Sprintf(job, "known", s.addr) + "  basic_auth: {username: prom, password: secret}\n"
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := startProcess(t, prometheus, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0").Addr
	await(t, addr, `up{job="known"}`, "1")
	await(t, addr, `pushgateway_groups{job="known"}`, "0")
	await(t, addr, `up{job="stranger"}`, "0")
}
