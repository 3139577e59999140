package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// TestPrometheusSecure lets a real Prometheus scrape over TLS with a password,
// and a second one without: that must fail.
func TestPrometheusSecure(t *testing.T) {
	t.Parallel() // mostly it waits
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
	addr := startPrometheus(t, config)
	await(t, addr, `up{job="known"}`, "1")
	await(t, addr, `pushgateway_groups{job="known"}`, "0")
	await(t, addr, `up{job="stranger"}`, "0")
}
