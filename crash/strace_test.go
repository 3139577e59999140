package crash_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

// calls are all system calls by which the gateway changes files.
const calls = "pwrite64,fdatasync,fsync,ftruncate,rename,renameat,renameat2,link,linkat,unlink,unlinkat"

// needStrace skips a test where strace cannot be used.
func needStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is missing: without it no system call fails")
	}
	if out, err := exec.Command("strace", "-D", "-f", "--seccomp-bpf", "-o", os.DevNull, binary, "--version").CombinedOutput(); err != nil {
		t.Skipf("strace cannot be used here: %v\n%s", err, out)
	}
}

// traced is how to start a program so that its system calls are written to
// a file. The process is the program's own. With --seccomp-bpf, which lets all
// other calls alone, strace injects no signals.
func traced(log string, args ...string) []string {
	strace := []string{"strace", "-D", "-f", "-o", log}
	if !strings.Contains(strings.Join(args, " "), ":signal=") {
		strace = append(strace, "--seccomp-bpf")
	}
	return append(strace, args...)
}

// tracer follows a gateway that runs already.
type tracer struct {
	t    testing.TB
	proc *exec.Cmd
	log  string
	gone chan struct{}
}

// attach makes strace follow the gateway. It skips the test where that is not
// allowed.
func (s *server) attach(args ...string) *tracer {
	s.t.Helper()
	dir := s.t.TempDir()
	x := &tracer{t: s.t, log: filepath.Join(dir, "trace"), gone: make(chan struct{})}
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer said.Close()
	args = append([]string{"-f", "-p", strconv.Itoa(s.Cmd.Process.Pid), "-o", x.log}, args...)
	x.proc = exec.Command("strace", args...)
	x.proc.Stderr = said
	if err := x.proc.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(x.gone)
		_ = x.proc.Wait() // what it has to say is in its files
	}()
	s.t.Cleanup(x.detach)
	for deadline := time.Now().Add(testproc.Patience); !strings.Contains(string(readFile(s.t, said.Name())), " attached"); time.Sleep(time.Millisecond) {
		select {
		case <-x.gone:
			s.t.Skipf("strace may not follow a process that runs: %s", readFile(s.t, said.Name()))
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("strace does not begin: %s", readFile(s.t, said.Name()))
		}
	}
	return x
}

// detach ends the tracing. The gateway goes on alone.
func (x *tracer) detach() {
	x.t.Helper()
	_ = x.proc.Process.Signal(syscall.SIGTERM) // it may have ended with the gateway
	select {
	case <-x.gone:
	case <-time.After(testproc.Patience):
		x.t.Error("strace does not end")
		_ = x.proc.Process.Kill()
		<-x.gone
	}
}

// injected gives what has been made to fail so far.
func (x *tracer) injected() []string { return injected(x.t, x.log) }

var (
	writeLine = regexp.MustCompile(`pwrite64\(.*, (\d+)\)? +(?:=|<unf)`)
	callName  = regexp.MustCompile(`^\d+ +(?:<\.\.\. )?(\w+)`)
)

// injected finds the calls in a trace that were made to fail, each with what
// it is about: the two pages at the beginning of a journal say where its state
// begins, and are written last.
func injected(t testing.TB, log string) (all []string) {
	t.Helper()
	last := "nothing"
	for line := range strings.Lines(string(readFile(t, log))) {
		if m := writeLine.FindStringSubmatch(line); m != nil {
			last = "data"
			if at, err := strconv.Atoi(m[1]); err == nil && at < 8192 {
				last = "meta"
			}
		}
		if !strings.Contains(line, "(INJECTED)") {
			continue
		}
		what := ""
		if m := callName.FindStringSubmatch(line); m != nil {
			what = m[1]
		}
		if what == "pwrite64" || what == "fdatasync" {
			what += " of " + last
		}
		all = append(all, what)
	}
	return all
}
