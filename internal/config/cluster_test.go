package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pushgateway/internal/config"
)

// TestCluster reads the section for several gateways.
func TestCluster(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"user.creds": "x", "ca.pem": "no certificate", "a.pem": "no", "a.key": "no"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const good = "cluster:\n  url: ['nats://user:secret@a:4222', 'tls://b']\n  stream: S\n  replicas: 5\n  max_bytes: 1MiB\n  credentials_file: user.creds\n" +
		"  tls: {server_name: nats, insecure_skip_verify: true}\n  advertise_address: a:9091\n  allow_old_servers: false\n"
	c, err := config.Parse(filepath.Join(dir, "gateway.yml"), []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if said := c.Summary(); said != "0 limits, 0 rules, 0 users, a cluster" {
		t.Errorf("the summary is %q", said)
	}
	k := c.Cluster
	if len(k.URLs) != 2 || k.URLs[1] != "tls://b" || k.Stream != "S" || k.Replicas != 5 || k.MaxBytes != 1<<20 || k.Advertise != "a:9091" || k.AllowOld ||
		!k.TLS.Insecure || k.TLS.ServerName != "nats" || k.CredentialsFile != filepath.Join(dir, "user.creds") {
		t.Errorf("got %+v", k)
	}
	for content, says := range map[string]string{
		"cluster:\n":                                                           "cluster: it has no value",
		"cluster: {stream: S}":                                                 "cluster: it has no url; add it",
		"cluster: {url: nats://a}":                                             "cluster.url: it must be a list, not",
		"cluster: {url: []}":                                                   "cluster.url: it is empty; list the NATS servers",
		"cluster: {url: ['a:secret@b']}":                                       "cluster.url[0]: it must be a URL like nats://nats-1:4222",
		"cluster: {url: [nats://a], stream: a.b}":                              "cluster.stream: it must be a name without blanks",
		"cluster: {url: [nats://a], stream: ''}":                               "cluster.stream: it must be a name without blanks",
		"cluster: {url: [nats://a], replicas: 2}":                              "cluster.replicas: it must be 1, 3 or 5",
		"cluster: {url: [nats://a], advertise_address: a}":                     "cluster.advertise_address: it must be a host and a port",
		"cluster: {url: [nats://a], allow_old_servers: yes}":                   `cluster.allow_old_servers: "yes" is neither true nor false`,
		"cluster: {url: [nats://a], allow_old_servers: [true]}":                "cluster.allow_old_servers: it must be true or false, not",
		"cluster: {url: [nats://a], credentials_file: none}":                   "cluster.credentials_file: reading the file: ",
		"cluster: {url: [nats://a], credentials_file: ''}":                     "cluster.credentials_file: it is empty",
		"cluster: {url: [nats://a], tls: {ca_file: ca.pem}}":                   "has no certificate; write PEM into it",
		"cluster: {url: [nats://a], tls: {cert_file: a.pem}}":                  "cluster.tls.cert_file: it needs key_file; add it",
		"cluster: {url: [nats://a], tls: {key_file: a.key}}":                   "cluster.tls.key_file: it needs cert_file; add it",
		"cluster: {url: [nats://a], tls: {cert_file: a.pem, key_file: a.key}}": "cluster.tls.cert_file: it and key_file do not fit",
		"cluster: {url: [nats://a], tls: {server_name: ''}}":                   "cluster.tls.server_name: it is empty",
		"cluster: {url: [nats://a], tls-ca-file: x}":                           "cluster.tls-ca-file: the key is unknown",
		"limits: {stream: S}":                                                  "it belongs in cluster",
	} {
		_, err := config.Parse(filepath.Join(dir, "gateway.yml"), []byte(content))
		var mistakes config.Errors
		if !errors.As(err, &mistakes) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q", content, err, says)
		}
	}
}
