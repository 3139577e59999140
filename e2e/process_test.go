package e2e

import (
	"os/exec"
	"testing"

	"pushgateway/internal/testproc"
)

const patience = testproc.Patience

// process is a server that runs until its test ends.
type process = testproc.Process

// startProcess runs a server and waits for the line in its log that tells
// where it listens, so that it may choose a free port by itself.
func startProcess(t testing.TB, path string, args ...string) *process {
	t.Helper()
	return testproc.Run(t, exec.Command(path, args...))
}
