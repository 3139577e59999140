package e2e

import (
	"fmt"
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
