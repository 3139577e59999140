package e2e

import (
	"os/exec"
	"testing"
)

// TestJobAlerts has Prometheus try the rules for jobs on series as
// `pushgateway run` pushes them.
func TestJobAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	const rules = "../deploy/prometheus/jobs-rules"
	for _, args := range [][]string{
		{"check", "rules", "--lint-fatal", rules + ".yml"},
		{"test", "rules", rules + "-test.yml"},
	} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
