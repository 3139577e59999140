// Package testproc builds the gateway for tests that drive the real binary, and
// runs servers until their tests end.
package testproc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience bounds every wait, so that the test that meets a hang reports it.
// Nothing should take that long.
const Patience = time.Minute

// Main builds the gateway, sets Binary to its path, and runs all tests of a
// package. It returns the exit code. If TEST_GATEWAY in the environment names a
// binary, it takes that.
func Main(m *testing.M, binary *string) int {
	if *binary = os.Getenv("TEST_GATEWAY"); *binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "pushgateway-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	*binary = filepath.Join(dir, "pushgateway")
	// With the flags of a release, so that tests of releases find all packages in
	// the build cache.
	build := exec.Command("go", "build", "-trimpath", "-o", *binary, "pushgateway/cmd/pushgateway")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the gateway: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// Process is a server that runs until its test ends.
type Process struct {
	Addr string // where it listens, once known
	Cmd  *exec.Cmd
	Log  *Log
	Done chan struct{} // closed when it has ended

	t      testing.TB
	judged bool // its exit was checked, or does not matter
}

// Run starts a command and waits for the log line that says where it listens,
// so that the command may choose a free port.
func Run(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := Launch(t, cmd)
	if !p.AwaitListening() {
		t.Fatalf("%s exited at startup: %s\n%s", cmd.Path, p.Cmd.ProcessState, p.Log)
	}
	return p
}

// Launch starts a command without waiting for anything.
func Launch(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, Cmd: cmd, Log: &Log{listening: make(chan string, 1)}, Done: make(chan struct{})}
	p.Cmd.Stderr = p.Log
	if err := p.Cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", cmd.Path, err)
	}
	go func() {
		defer close(p.Done)
		_ = p.Cmd.Wait() // checked through ProcessState
	}()
	t.Cleanup(p.Stop)
	return p
}

// AwaitListening waits until the process says where it listens. It returns
// false if the process ends instead.
func (p *Process) AwaitListening() bool {
	p.t.Helper()
	select {
	case p.Addr = <-p.Log.listening:
		return true
	case <-p.Done:
		return false
	case <-time.After(Patience):
		p.t.Fatalf("%s does not listen\n%s", p.Cmd.Path, p.Log)
	}
	return false
}

// Stop ends the process as an operator would, with SIGTERM, and expects an
// orderly exit.
func (p *Process) Stop() {
	p.t.Helper()
	if p.judged {
		return
	}
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("ending %s: %v", p.Cmd.Path, err)
	}
	p.AwaitEnd()
}

// Kill kills the process, like a crash.
func (p *Process) Kill() {
	p.judged = true
	_ = p.Cmd.Process.Kill() // it may have ended by itself
	<-p.Done
}

// AwaitEnd waits until the process has ended, and expects exit code 0.
func (p *Process) AwaitEnd() {
	p.t.Helper()
	p.AwaitExit(0)
}

// AwaitExit waits until the process has ended, and expects this exit code.
func (p *Process) AwaitExit(want int) {
	p.t.Helper()
	p.judged = true
	select {
	case <-p.Done:
	case <-time.After(Patience):
		p.t.Errorf("%s does not end\n%s", p.Cmd.Path, p.Log)
		_ = p.Cmd.Process.Kill() // it may have ended just now
		<-p.Done
	}
	if code := p.Cmd.ProcessState.ExitCode(); code != want {
		p.t.Errorf("%s ended with %s\n%s", p.Cmd.Path, p.Cmd.ProcessState, p.Log)
	}
}

var tracer = regexp.MustCompile(`(?m)^TracerPid:\s+([1-9]\d*)$`)

// Untrace detaches strace from a process that was started with `strace -D`,
// which makes it a child of the test: the process runs on. It does not work
// with --seccomp-bpf, which leaves calls behind that only strace can complete.
func (p *Process) Untrace() {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Cmd.Process.Pid))
	m := tracer.FindSubmatch(status)
	if err != nil || m == nil {
		p.t.Fatalf("nobody traces the gateway: %v\n%s", err, status)
	}
	pid, err := strconv.Atoi(string(m[1]))
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// Log collects the log of a process. It may be read while the process runs.
type Log struct {
	listening chan string // the first address

	mu    sync.Mutex
	text  strings.Builder
	found bool
}

// Listening matches the log line that says where a server listens.
var Listening = regexp.MustCompile(`msg="Listening on".* address=(\S+)\n`)

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.text.Write(p)
	if l.found {
		return n, err
	}
	if m := Listening.FindStringSubmatch(l.text.String()); m != nil {
		l.found = true
		l.listening <- m[1]
	}
	return n, err
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
