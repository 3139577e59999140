package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"pushgateway/internal/natstest"
)

// alone is what unshare takes for a process with a network of its own, so that
// the ports that pages name are free. With it ends all that it has started.
var alone = []string{"--map-root-user", "--net", "--pid", "--fork", "--kill-child"}

// terminal is a shell that runs the commands of one page, one block after the
// other, in a directory of its own.
type terminal struct {
	t     *testing.T
	page  string
	dir   string
	in    io.Writer
	done  *os.File // a byte for each block that has succeeded
	ended chan struct{}
	other map[int]string // what was printed in the place of outputs that begin in these lines
}

// runSteps runs what a page has, until a command fails. It gives what was
// printed that the page does not show, by the line where it should.
func runSteps(t *testing.T, page string, steps []step) map[int]string {
	t.Helper()
	term := openTerminal(t, page)
	for _, s := range steps {
		var ok bool
		switch s.mark {
		case "not run":
			continue
		case "needs":
			ok = term.needs(s)
		case "gateway":
			ok = term.gateway(s)
		case "background":
			ok = term.background(s)
		case "repeat":
			ok = term.repeat(s)
		default:
			ok = term.once(s)
		}
		if !ok {
			break
		}
	}
	return term.other
}

// openTerminal starts the shell. It ends with the test.
func openTerminal(t *testing.T, page string) *terminal {
	t.Helper()
	dir := terminalDir(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", append(alone, "sh", "-c", "ip link set lo up && exec bash")...)
	cmd.Dir = filepath.Join(dir, "work")
	cmd.Env = []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "LC_ALL=C.UTF-8", "TZ=UTC"}
	cmd.ExtraFiles = []*os.File{w}
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, page: page, dir: dir, in: in, done: r, ended: make(chan struct{}), other: make(map[int]string)}
	go func() {
		_ = cmd.Wait() // killed, below, or ended by a command that failed
		close(term.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-term.ended
		r.Close()
	})
	return term
}

// terminalDir is where commands run, as home of a user who has the gateway and
// what is in deploy.
func terminalDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for link, to := range map[string]string{"bin/pushgateway": binary, "work/deploy": "../deploy"} {
		to, err := filepath.Abs(to)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(dir, link)), 0o755)
		}
		if err == nil {
			err = os.Symlink(to, filepath.Join(dir, link))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	// At a terminal curl shows no progress.
	if err := os.WriteFile(filepath.Join(dir, ".curlrc"), []byte("silent\nshow-error\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// needs skips the page if a program that it uses is not installed. It builds
// nats-server, since Debian's is too old.
func (term *terminal) needs(s step) bool {
	for name := range strings.FieldsSeq(s.value) {
		if name == "nats-server" {
			if err := os.Symlink(natstest.Build(term.t), filepath.Join(term.dir, "bin", name)); err != nil {
				term.t.Fatal(err)
			}
			continue
		}
		if _, err := exec.LookPath(name); err != nil {
			term.t.Skipf("%s:%d: %s is not installed", term.page, s.line, name)
		}
	}
	return true
}

// gateway starts one with the flags that a mark has, in the place of the one
// before.
func (term *terminal) gateway(s step) bool {
	s.shell = "[ -z \"$gateway\" ] || { kill $gateway; wait $gateway || true; }\npushgateway " + s.value +
		" 2>>gateway.log & gateway=$!\nfor i in $(seq 300); do curl -sf -m 1 localhost:9091/-/ready 2>/dev/null && break; sleep 0.05; done\n"
	s.output, s.compared = "OK\n", true
	return term.once(s)
}

// once runs commands as a reader pastes them. Each must succeed, unless a mark
// has another exit code.
func (term *terminal) once(s step) bool {
	term.t.Helper()
	if s.mark == "exit" {
		s.shell = "code=0; ( set -e\n" + s.shell + ") || code=$?; [ $code -eq " + s.value + " ]\n"
	}
	out, ok := term.paste(s.shell)
	if !ok {
		term.t.Errorf("%s:%d: a command failed, or did not end\n%s\n%s", term.page, s.line, s.shell, out)
		return false
	}
	term.compare(s, out)
	return true
}

// background leaves commands running, and waits until they have printed what
// the page shows.
func (term *terminal) background(s step) bool {
	file := filepath.Join(term.dir, fmt.Sprintf("background-%d", s.line))
	if out, ok := term.paste("{ " + s.shell + "} >" + file + " 2>&1 &\n"); !ok {
		term.t.Errorf("%s:%d: %s", term.page, s.line, out)
		return false
	}
	return term.until(s, func() string {
		b, _ := os.ReadFile(file) // not there yet, perhaps
		return string(b)
	})
}

// repeat runs commands again and again until they print what the page shows.
func (term *terminal) repeat(s step) bool {
	return term.until(s, func() string {
		out, _ := term.paste("( " + s.shell + ") || true\n")
		return out
	})
}

func (term *terminal) until(s step, look func() string) bool {
	var out string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if out = look(); prints(out, s.output) {
			return true
		}
	}
	term.compare(s, out)
	return false
}

func (term *terminal) compare(s step, out string) {
	term.t.Helper()
	if !s.compared || prints(out, s.output) {
		return
	}
	term.other[s.outputLine] = out
	term.t.Errorf("%s:%d:\n%s\n%s", term.page, s.line, s.shell, diff.Diff("shown", []byte(s.output), "printed", []byte(out)))
}

// paste gives commands to the shell, and what they print once they have ended.
// It is not ok if one failed, which ends the shell, too, or did not end.
func (term *terminal) paste(commands string) (out string, ok bool) {
	term.t.Helper()
	file := filepath.Join(term.dir, "out")
	fmt.Fprintf(term.in, "set -e\n{\n%s} >%s 2>&1 </dev/null 3>&-\necho >&3\n", commands, file)
	err := term.done.SetReadDeadline(time.Now().Add(patience))
	if err == nil {
		_, err = term.done.Read(make([]byte, 1))
	}
	b, _ := os.ReadFile(file) // without one, commands have printed nothing
	return string(b), err == nil
}
