package e2e

import (
	"os/exec"
	"testing"

	"pushgateway/internal/daemon"
)

const patience = daemon.Patience

// process is a server that runs until its test ends.
type process = daemon.Process

// startProcess runs a server and waits for the line in its log that tells
// where it listens, so that it may choose a free port by itself.
func startProcess(t testing.TB, path string, args ...string) *process {
	t.Helper()
	return daemon.Run(t, exec.Command(path, args...))
}
