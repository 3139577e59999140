//go:build unix

package jobrun

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/term"
)

// forwarded are the signals that the command gets when we do.
var forwarded = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}

// ownGroup makes the command the first of a group of processes, so that all of
// them can be ended. Not at a terminal: there the command could not read from
// it, and gets the signals of the keyboard as it is.
func ownGroup(cmd *exec.Cmd) bool {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return false
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return true
}

// process is the command, and whether it has a group of its own.
type process struct {
	*os.Process
	group bool
}

// forward hands a signal on. The keyboard has sent its own to all.
func (p process) forward(s os.Signal) {
	keyboard := s == syscall.SIGINT || s == syscall.SIGQUIT
	if p.group || !keyboard {
		p.send(s.(syscall.Signal))
	}
}

func (p process) end() { p.send(syscall.SIGTERM) }

func (p process) kill() { p.send(syscall.SIGKILL) }

// send signals the group, or the process. One that has ended already needs no
// signal.
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

// maxResident gives the most memory that a process had, in bytes.
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
