package e2e

import (
	"bufio"
	"fmt"
	"math/bits"
	"os"
	"os/exec"
	"strings"
	"testing"

	"pushgateway/internal/testproc"
)

// TestHugePages finds out for how much of its memory a gateway asks for huge
// pages.
func TestHugePages(t *testing.T) {
	for _, c := range []struct {
		name        string
		environment string
		addresses   int // bytes of address space, in kB; 0 is no limit
		most, least int // MiB with huge pages
	}{
		{"by default", "", 0, 1024, 1000},
		{"turned off", "GODEBUG=disablethp=1", 0, 0, 0},
		{"turned off with other settings", "GODEBUG=gctrace=0,disablethp=1", 0, 0, 0},
		{"half of the memory limit", "GOMEMLIMIT=400MiB", 0, 200, 190},
		{"too little memory", "GOMEMLIMIT=100MiB", 0, 0, 0},
		{"too little address space", "", 3 << 20, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(binary, "--log.level=debug", "--web.listen-address=127.0.0.1:0")
			if c.addresses > 0 {
				cmd = exec.Command("sh", "-c", fmt.Sprintf(`ulimit -v %d && exec "$0" "$@"`, c.addresses), binary, "--log.level=debug", "--web.listen-address=127.0.0.1:0")
			}
			cmd.Env = append(os.Environ(), c.environment)
			p := testproc.Run(t, cmd)
			s := &server{t: t, addr: p.Addr, base: "http://" + p.Addr, log: p.Log}
			s.eventually("whether the gateway asks", func() bool { return strings.Contains(p.Log.String(), "huge pages") })
			most, least := c.most, c.least
			if !hugePagesForThoseWhoAsk() {
				most, least = 0, 0
			}
			if got := hugePageMiB(t, p.Cmd.Process.Pid); got < least || got > most {
				t.Errorf("asks for huge pages for %d MiB, want %d to %d", got, least, most)
			}
		})
	}
}

// hugePagesForThoseWhoAsk says if this system gives huge pages of 2 MiB to those
// who ask, and to nobody else.
func hugePagesForThoseWhoAsk() bool {
	const of = "/sys/kernel/mm/transparent_hugepage/"
	mode, _ := os.ReadFile(of + "enabled")
	size, _ := os.ReadFile(of + "hpage_pmd_size")
	return bits.UintSize == 64 && strings.Contains(string(mode), "[madvise]") && string(size) == "2097152\n"
}

// hugePageMiB adds up the mappings of a process that ask for huge pages.
func hugePageMiB(t *testing.T, pid int) (sum int) {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := 0 // of this mapping, in kB
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if _, err := fmt.Sscanf(line, "Size: %d kB", &size); err != nil && strings.HasPrefix(line, "VmFlags:") && strings.Contains(line+" ", " hg ") {
			sum += size
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return sum >> 10
}
