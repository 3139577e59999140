package attack

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// command runs the gateway on a port of its own.
func command(args ...string) *exec.Cmd {
	return exec.Command(binary, append([]string{"--web.listen-address=127.0.0.1:0"}, args...)...)
}

// limitMemory bounds the address space of a process, in bytes.
func limitMemory(t testing.TB, pid int, most uint64) {
	t.Helper()
	if err := unix.Prlimit(pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: most, Max: most}, nil); err != nil {
		t.Fatalf("bounding the address space of the gateway to %d bytes: %v", most, err)
	}
}

var highWater = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// peak is the most memory that the gateway has held at once since it began, or
// since forgetPeak, in bytes.
func (g *gateway) peak() int64 {
	g.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.proc.Cmd.Process.Pid))
	m := highWater.FindSubmatch(status)
	if err != nil || m == nil {
		g.t.Fatalf("reading what memory the gateway has held: %v\n%s", err, status)
	}
	kB, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return kB << 10
}

// forgetPeak makes peak begin anew from what is held now.
func (g *gateway) forgetPeak() {
	g.t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", g.proc.Cmd.Process.Pid), []byte("5"), 0); err != nil {
		g.t.Fatal(err)
	}
}
