package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// checkHere starts gateways, one for each line of its input, in namespaces of
// their own, and runs a health check once they listen.
const checkHere = `
ip link set lo up
while read -r flags; do
  "$0" $flags 2>>log &
  for i in $(seq 600); do grep -q 'msg="Listening on"' log && break; sleep 0.1; done
  mv log log.seen
  touch log
done
"$0" healthcheck "$@"
code=$?
kill $(jobs -p)
wait
exit $code`

// TestHealthcheckFindsTheGateway asks gateways of which only their process is
// known.
func TestHealthcheckFindsTheGateway(t *testing.T) {
	t.Parallel()
	isolated := []string{"--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"}
	if err := exec.Command("unshare", append(isolated, "ip", "link")...).Run(); err != nil {
		t.Skipf("this machine allows no namespaces: %v", err)
	}
	dir := t.TempDir()
	writeCertificate(t, dir)
	writeWebConfigs(t, dir)
	sockets, err := os.MkdirTemp("", "hc") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	for _, c := range []struct{ name, gateways, args, failure, output string }{
		{name: "defaults", gateways: "--log.level=info"},
		{name: "another port", gateways: "--web.listen-address=:9191"},
		{name: "this machine alone", gateways: "--web.listen-address=[::1]:9191"},
		{name: "any address", gateways: "--web.listen-address=0.0.0.0:80"},
		{name: "two addresses", gateways: "--web.listen-address=:0 --web.listen-address=127.0.0.1:9191"},
		{name: "prefix", gateways: "serve --web.route-prefix=/gw/"},
		{name: "prefix of the external URL", gateways: "--web.external-url=https://example.org/gw"},
		{name: "empty file", gateways: "--web.config.file=none.yml"},
		{name: "password", gateways: "--web.config.file=auth.yml"},
		{name: "TLS", gateways: "--web.config.file=tls.yml --web.listen-address=:9443"},
		{name: "everything", gateways: "--web.config.file=both.yml --web.route-prefix=/gw --web.listen-address=127.0.0.1:9443"},
		{name: "client certificate", gateways: "--web.config.file=mutual.yml"},
		{name: "its URL", gateways: "--web.listen-address=127.0.0.1:9191 --web.route-prefix=/gw", args: "--print-url", output: "http://127.0.0.1:9191/gw\n"},
		{name: "health elsewhere", gateways: "--web.listen-address=:9191 --web.telemetry-listen-address=:9192"},
		{name: "both URLs", gateways: "--web.telemetry-listen-address=127.0.0.1:9192 --web.route-prefix=/gw", args: "--print-url --print-telemetry-url", output: "http://localhost:9091/gw\nhttp://127.0.0.1:9192/gw\n"},
		{name: "health at any port", gateways: "--web.telemetry-listen-address=:0", failure: "do not say its port; give --url"},
		{name: "socket", gateways: "--web.listen-address=unix:SOCKETS/s --web.listen-address=:9191", args: "--print-url", output: "unix:SOCKETS/s\n"},
		{name: "sockets with everything", gateways: "--web.config.file=both.yml --web.route-prefix=/gw --web.listen-address=unix:SOCKETS/s --web.telemetry-listen-address=unix:SOCKETS/t?mode=0600", args: "--print-url --print-telemetry-url", output: "https+unix:SOCKETS/s:/gw\nhttps+unix:SOCKETS/t:/gw\n"},
		{name: "sockets with a prefix", gateways: "--web.route-prefix=/gw --web.listen-address=unix:SOCKETS/s", args: "--for=push"},
		{name: "pushes", gateways: "--web.listen-address=:9191", args: "--for=push"},
		{name: "pushes behind a password", gateways: "--web.config.file=auth.yml", args: "--for=push", failure: "401 Unauthorized"},
		{name: "a URL", gateways: "--web.listen-address=:9191", args: "--url=http://localhost:9091", failure: "http://localhost:9091 cannot be reached"},
		{name: "nobody", failure: "http://localhost:9091 cannot be reached"},
		{name: "several", gateways: "--web.listen-address=:9191\n--web.listen-address=:9192", failure: "2 gateways run here; choose one with --url"},
		{name: "any port", gateways: "--web.listen-address=:0", failure: "do not say its port; give --url"},
	} {
		gateways, output := strings.ReplaceAll(c.gateways, "SOCKETS", sockets), strings.ReplaceAll(c.output, "SOCKETS", sockets)
		t.Run(c.name, func(t *testing.T) {
			args := append(isolated, "bash", "-c", checkHere, binary)
			cmd := exec.Command("unshare", append(args, strings.Fields(c.args)...)...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PUSHGATEWAY_URL=")
			if gateways != "" {
				cmd.Stdin = strings.NewReader(gateways + "\n")
			}
			out, err := cmd.CombinedOutput()
			if failed := err != nil; failed != (c.failure != "") || !strings.Contains(string(out), c.failure+output) {
				t.Errorf("%v, and not %q\n%s", err, c.failure+output, out)
			}
		})
	}
}

// writeWebConfigs writes files for --web.config.file, beside a certificate.
func writeWebConfigs(t *testing.T, dir string) {
	t.Helper()
	const someone = "basic_auth_users: {someone: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi}\n"
	for name, content := range map[string]string{
		"none.yml":   "",
		"auth.yml":   someone,
		"tls.yml":    "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n",
		"both.yml":   "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n" + someone,
		"mutual.yml": "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: cert.pem, client_auth_type: RequireAndVerifyClientCert}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
