package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDeployCheck runs the script that looks whether a fresh machine works.
func TestDeployCheck(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is missing")
	}
	file := filepath.Join(t.TempDir(), "journal")
	s := start(t, "--persistence.file="+file, "--web.enable-lifecycle")
	check := func(s *server, args ...string) string {
		t.Helper()
		cmd := exec.Command("../deploy/check", args...)
		cmd.Env = append(cmd.Environ(), "URL="+s.base, "RESTART=true") // the test has none to start it again
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := check(s); !strings.Contains(out, "works") {
		t.Errorf("got %q", out)
	}
	check(s, "before-reboot")
	s.proc.Stop()
	s = start(t, "--persistence.file="+file)
	check(s, "after-reboot")
	if left := s.jobs(); len(left) != 0 {
		t.Errorf("it leaves %v behind", left)
	}

	cmd := exec.Command("../deploy/check", "after-reboot") // there is nothing now
	cmd.Env = append(cmd.Environ(), "URL="+s.base)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "has lost a group") {
		t.Errorf("got %q %v", out, fmt.Sprint(err))
	}
}

// checkFound starts a gateway with flags in namespaces of its own, and runs the
// script on it, which is told nothing but how it is started again.
const checkFound = `
ip link set lo up
mkdir bin
ln -s "$0" bin/pushgateway
cat >again <<'EOF'
#!/bin/sh
if [ -s pid ]; then
  kill "$(cat pid)"
  while kill -0 "$(cat pid)" 2>/dev/null; do sleep 0.1; done
fi
pushgateway $FLAGS 2>log &
echo $! >pid
EOF
chmod +x again
export PATH=$PWD/bin:$PATH RESTART=$PWD/again FLAGS=$1
./again
"$2"
code=$?
kill "$(cat pid)"
exit $code`

// TestDeployCheckFollowsFlags runs the script on gateways whose flags are not
// the usual ones.
func TestDeployCheckFollowsFlags(t *testing.T) {
	t.Parallel()
	isolated := []string{"--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"}
	if err := exec.Command("unshare", append(isolated, "ip", "link")...).Run(); err != nil {
		t.Skipf("this machine allows no namespaces: %v", err)
	}
	script, err := filepath.Abs("../deploy/check")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, flags, want string }{
		{"in memory", "--web.listen-address=:9191", "the gateway at http://localhost:9191 works\n"},
		{"everything", "--web.listen-address=127.0.0.1:9443 --web.route-prefix=/gw --web.telemetry-path=/scrape --web.config.file=tls.yml --persistence.file=journal",
			"the gateway at https://127.0.0.1:9443/gw works, and keeps its groups in journal\n"},
		{"health elsewhere", "--web.telemetry-listen-address=:9192 --web.route-prefix=/gw --persistence.file=journal", "the gateway at http://localhost:9091/gw works, and keeps its groups in journal\n"},
		{"sockets", "--web.listen-address=unix:SOCKETS/s --web.telemetry-listen-address=unix:SOCKETS/t", "/s works\n"},
		{"a socket with everything", "--web.listen-address=unix:SOCKETS/s --web.route-prefix=/gw --web.config.file=tls.yml --persistence.file=journal", "/s:/gw works, and keeps its groups in journal\n"},
		{"a password", "--web.config.file=auth.yml", "the gateway at http://localhost:9091 answers, and asks for a password"},
		{"a certificate", "--web.config.file=mutual.yml", "the gateway at https://localhost:9091 answers, and asks for a password or a certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			writeCertificate(t, dir)
			writeWebConfigs(t, dir)
			flags := strings.ReplaceAll(c.flags, "SOCKETS", socketDir(t))
			cmd := exec.Command("unshare", append(isolated, "bash", "-c", checkFound, binary, flags, script)...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "URL=", "PUSHGATEWAY_URL=")
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%v, and not %q:\n%s", err, c.want, out)
			}
		})
	}
}
