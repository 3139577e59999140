package e2e

import (
	"bufio"
	"fmt"
	"math"
	"math/bits"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"pushgateway/internal/testproc"
)

// TestHugePages finds out for how much of its memory a gateway asks for huge
// pages, and that it does not take that memory.
func TestHugePages(t *testing.T) {
	for _, c := range []struct {
		name      string
		limit     string // of memory
		godebug   string
		addresses int // kB that the process may map; 0 is no limit
		want      int // MiB with huge pages
	}{
		{"by default", "off", "", 0, 1024},
		{"not turned off in the end", "off", "disablethp=1,disablethp=0", 0, 1024},
		{"turned off", "off", "disablethp=1", 0, 0},
		{"turned off beside other settings", "off", "gctrace=0,disablethp=1,madvdontneed=1", 0, 0},
		{"half of the memory limit", "400MiB", "", 0, 200},
		{"too little memory", "100MiB", "", 0, 0},
		{"too little address space", "off", "", 3 << 20, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{binary, "--log.level=debug", "--web.listen-address=127.0.0.1:0"}
			if c.addresses > 0 {
				args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -v %d && exec "$0" "$@"`, c.addresses)}, args...)
			}
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Env = append(os.Environ(), "GOMEMLIMIT="+c.limit, "GODEBUG="+c.godebug)
			p := testproc.Run(t, cmd)
			s := &server{t: t, addr: p.Addr, base: "http://" + p.Addr, log: p.Log}
			s.eventually("whether the gateway asks", func() bool { return strings.Contains(p.Log.String(), "huge pages") })
			want := c.want
			if !hugePagesIfAsked() {
				want = 0
			}
			const align, runtime = 2, 48 // Go's runtime may ask for its own tables, too
			m := memoryOf(t, p.Cmd.Process.Pid)
			if m.huge < want-align || m.huge > want+runtime {
				t.Errorf("asks for huge pages for %d MiB, want %d and at most %d of the runtime:\n%s", m.huge, want, runtime, p.Log)
			}
			if m.resident > 128 {
				t.Errorf("takes %d MiB of memory", m.resident)
			}
		})
	}
}

// hugePagesIfAsked reports whether this system gives huge pages of 2 MiB to
// programs that ask, to no others, and has enough addresses for that.
func hugePagesIfAsked() bool {
	read := func(file string) string {
		b, _ := os.ReadFile(file)
		return strings.TrimSpace(string(b))
	}
	const of = "/sys/kernel/mm/transparent_hugepage/"
	if bits.UintSize < 64 || !strings.Contains(read(of+"enabled"), "[madvise]") || read(of+"hpage_pmd_size") != "2097152" ||
		read("/proc/sys/vm/overcommit_memory") == "2" {
		return false
	}
	room, err := syscall.Mmap(-1, 0, math.MaxInt32, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	return err == nil && syscall.Munmap(room) == nil
}

// memory is what a process has mapped, in MiB.
type memory struct {
	huge     int // in mappings that ask for huge pages
	resident int
}

func memoryOf(t *testing.T, pid int) (m memory) {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for size := 0; lines.Scan(); { // of this mapping, in kB
		var kB int
		switch line := lines.Text(); {
		case scans(line, "Size: %d kB", &kB):
			size = kB
		case scans(line, "Rss: %d kB", &kB):
			m.resident += kB
		case strings.HasPrefix(line, "VmFlags:") && strings.Contains(line+" ", " hg "):
			m.huge += size
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	m.huge, m.resident = m.huge>>10, m.resident>>10
	return m
}

func scans(line, format string, to *int) bool {
	_, err := fmt.Sscanf(line, format, to)
	return err == nil
}
