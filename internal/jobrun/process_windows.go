package jobrun

import (
	"os"
	"os/exec"
)

// forwarded are the signals that the command gets when we do.
var forwarded = []os.Signal{os.Interrupt}

// ownGroup does nothing: all processes of a console get its signals.
func ownGroup(*exec.Cmd) bool { return false }

// process is the command.
type process struct {
	*os.Process
	group bool
}

func (p process) forward(os.Signal) {} // the console has sent its own to all

func (p process) end() { p.kill() }

func (p process) kill() { _ = p.Kill() } // one that has ended already needs none

func exitCode(s *os.ProcessState) int { return s.ExitCode() }

func maxResident(*os.ProcessState) (bytes int64, ok bool) { return 0, false }
