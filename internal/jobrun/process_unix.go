//go:build unix

package jobrun

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/term"
)

// forwarded are the signals that the process forwards to the command.
var forwarded = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}

// ownGroup gives the command its own process group, so that all its processes
// can be ended. It does not at a terminal: there the command could not read
// input, and gets the signals of the keyboard anyway.
func ownGroup(cmd *exec.Cmd) bool {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return false
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return true
}

// process is the command, and whether it has its own process group.
type process struct {
	*os.Process
	group bool
}

// forward passes a signal on. The keyboard sends its signals to all processes
// itself.
func (p process) forward(s os.Signal) {
	keyboard := s == syscall.SIGINT || s == syscall.SIGQUIT
	if p.group || !keyboard {
		p.send(s.(syscall.Signal))
	}
}

func (p process) end() { p.send(syscall.SIGTERM) }

func (p process) kill() { p.send(syscall.SIGKILL) }

// endRest waits until the process group of a command that has ended is empty,
// and kills what is left when the time is over. Orphans that nobody reaps count
// as left.
func (p process) endRest(over <-chan time.Time) {
	for p.group && syscall.Kill(-p.Pid, 0) == nil {
		select {
		case <-over:
			p.kill()
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// send signals the group, or the process. A process that has already ended
// needs no signal.
func (p process) send(s syscall.Signal) {
	if p.group {
		_ = syscall.Kill(-p.Pid, s)
		return
	}
	_ = p.Signal(s)
}

func exitCode(s *os.ProcessState) int {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + int(status.Signal())
	}
	return s.ExitCode()
}

// maxResident returns the maximum memory of a process, in bytes.
func maxResident(s *os.ProcessState) (bytes int64, ok bool) {
	usage, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, false
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss), true
	}
	return int64(usage.Maxrss) << 10, true
}
