package jobrun

import (
	"os"
	"os/exec"
	"time"
)

// forwarded are the signals that the process forwards to the command.
var forwarded = []os.Signal{os.Interrupt}

// ownGroup does nothing: all processes of a console get its signals.
func ownGroup(*exec.Cmd) bool { return false }

// process is the command.
type process struct {
	*os.Process
	group bool
}

func (p process) forward(os.Signal) {} // the console sends its signals to all processes

func (p process) end() { p.kill() }

func (p process) kill() { _ = p.Kill() } // a process that has already ended needs no signal

func (p process) endRest(<-chan time.Time) {} // there is no process group

func exitCode(s *os.ProcessState) int { return s.ExitCode() }

func maxResident(*os.ProcessState) (bytes int64, ok bool) { return 0, false }
