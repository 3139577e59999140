package attack

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

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

var (
	highWater = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)
	rss       = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)
)

// peak is the most memory that the gateway has held at once since it began, or
// since forgetPeak, in bytes.
func (g *gateway) peak() int64 { return g.memory(highWater) }

// resident is the memory that the gateway holds now, in bytes.
func (g *gateway) resident() int64 { return g.memory(rss) }

func (g *gateway) memory(line *regexp.Regexp) int64 {
	g.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.proc.Cmd.Process.Pid))
	m := line.FindSubmatch(status)
	if err != nil || m == nil {
		g.t.Fatalf("reading what memory the gateway holds: %v\n%s", err, status)
	}
	kB, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return kB << 10
}

// cpu is the time that the gateway has spent on all cores.
func (g *gateway) cpu() time.Duration {
	g.t.Helper()
	const ofProcess = 2 // CPUCLOCK_SCHED: see clock_getcpuclockid(3)
	var spent unix.Timespec
	if err := unix.ClockGettime(int32(^g.proc.Cmd.Process.Pid)<<3|ofProcess, &spent); err != nil {
		g.t.Fatalf("reading what time the gateway has spent: %v", err)
	}
	return time.Duration(spent.Nano())
}

// forgetPeak makes peak begin anew from what is held now.
func (g *gateway) forgetPeak() {
	g.t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", g.proc.Cmd.Process.Pid), []byte("5"), 0); err != nil {
		g.t.Fatal(err)
	}
}
