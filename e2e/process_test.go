package e2e

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait, so that a hang is reported by the test that
// meets it. Nothing is expected to take that long.
const patience = time.Minute

// process is a server that runs until its test ends.
type process struct {
	t      testing.TB
	addr   string // where it listens
	cmd    *exec.Cmd
	log    *logBuffer
	done   chan struct{} // closed when it has ended
	judged bool          // how it ends has been looked at, or does not matter
}

// startProcess runs a server and waits for the line in its log that tells
// where it listens, so that it may choose a free port by itself.
func startProcess(t testing.TB, path string, args ...string) *process {
	t.Helper()
	return runProcess(t, exec.Command(path, args...))
}

// runProcess does it for a command that is ready to be started.
func runProcess(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := launch(t, cmd)
	select {
	case p.addr = <-p.log.listening:
	case <-p.done:
		t.Fatalf("%s ended at its start: %s\n%s", cmd.Path, p.cmd.ProcessState, p.log)
	case <-time.After(patience):
		t.Fatalf("%s does not listen\n%s", cmd.Path, p.log)
	}
	return p
}

// launch starts a command without waiting for anything.
func launch(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, log: newLogBuffer(), done: make(chan struct{})}
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", cmd.Path, err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // looked at through ProcessState
	}()
	t.Cleanup(p.stop)
	return p
}

// stop ends the process as an operator would, who expects it to end in order.
func (p *process) stop() {
	p.t.Helper()
	if p.judged {
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("ending %s: %v", p.cmd.Path, err)
	}
	p.awaitEnd()
}

// kill ends the process as a crash would.
func (p *process) kill() {
	p.judged = true
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
}

// awaitEnd waits until the process has ended, with exit code 0.
func (p *process) awaitEnd() {
	p.t.Helper()
	p.awaitExit(0)
}

// awaitExit waits until the process has ended with an exit code.
func (p *process) awaitExit(want int) {
	p.t.Helper()
	p.judged = true
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Errorf("%s does not end\n%s", p.cmd.Path, p.log)
		_ = p.cmd.Process.Kill() // it may have ended just now
		<-p.done
	}
	if code := p.cmd.ProcessState.ExitCode(); code != want {
		p.t.Errorf("%s ended with %s\n%s", p.cmd.Path, p.cmd.ProcessState, p.log)
	}
}

// logBuffer keeps the log of a process, which goes on while tests read it.
type logBuffer struct {
	listening chan string // the first address

	mu    sync.Mutex
	text  strings.Builder
	found bool
}

func newLogBuffer() *logBuffer { return &logBuffer{listening: make(chan string, 1)} }

var listeningLine = regexp.MustCompile(`msg="Listening on".* address=(\S+)\n`)

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.text.Write(p)
	if m := listeningLine.FindStringSubmatch(b.text.String()); m != nil && !b.found {
		b.found = true
		b.listening <- m[1]
	}
	return n, err
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
