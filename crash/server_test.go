// Package crash kills the real binary, makes its system calls fail, and fills
// its disk, and compares what is left with a model: every change that was
// answered is there, and none by half.
package crash

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait. Nothing is expected to take that long.
const patience = time.Minute

// binary is the gateway, built once for all tests.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pushgateway-crash")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "pushgateway")
	build := exec.Command("go", "build", "-o", binary, "../cmd/pushgateway")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the gateway: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// server is a gateway that is going to be killed.
type server struct {
	t    testing.TB
	cmd  *exec.Cmd
	base string
	log  *log
	done chan struct{} // closed when it has ended
}

// start runs a gateway on a file, under a wrapper like strace if there is one.
func start(t testing.TB, file string, wrapper ...string) *server {
	t.Helper()
	s := launch(t, file, wrapper...)
	select {
	case addr := <-s.log.listening:
		s.base = "http://" + addr
	case <-s.done:
		t.Fatalf("the gateway ended at its start: %s\n%s", s.cmd.ProcessState, s.log)
	case <-time.After(patience):
		t.Fatalf("the gateway does not listen\n%s", s.log)
	}
	return s
}

// launch does not wait for it to listen.
func launch(t testing.TB, file string, wrapper ...string) *server {
	t.Helper()
	args := append(wrapper, binary, "--web.listen-address=127.0.0.1:0", "--persistence.file="+file)
	s := &server{t: t, cmd: exec.Command(args[0], args[1:]...), log: &log{listening: make(chan string, 1)}, done: make(chan struct{})}
	s.cmd.Stderr = s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a wrapper is killed with what it runs
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // it is killed
	}()
	t.Cleanup(s.kill)
	return s
}

// kill ends the process as a crash would.
func (s *server) kill() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	<-s.done
}

// log is what the process says.
type log struct {
	listening chan string

	mu    sync.Mutex
	text  bytes.Buffer
	found bool
}

var listeningLine = regexp.MustCompile(`msg="Listening on".* address=(\S+)\n`)

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	if m := listeningLine.FindSubmatch(l.text.Bytes()); m != nil && !l.found {
		l.found = true
		l.listening <- string(m[1])
	}
	return len(b), nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var client = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// do sends a request. An error means that nobody knows what became of it.
func (s *server) do(method, path, body string) (status int, answer string, err error) {
	r, err := http.NewRequest(method, s.base+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	res, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// get wants an answer.
func (s *server) get(path string) (status int, body string) {
	s.t.Helper()
	status, body, err := s.do(http.MethodGet, path, "")
	if err != nil {
		s.t.Fatalf("GET %s: %v\n%s", path, err, s.log)
	}
	return status, body
}

// awaitStatus asks until the answer is the wanted one.
func (s *server) awaitStatus(path string, want int) (body string) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		status, body := s.get(path)
		if status == want {
			return body
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("GET %s: still %d %q, want %d\n%s", path, status, body, want, s.log)
		}
	}
}
