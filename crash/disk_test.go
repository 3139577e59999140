package crash

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk fills the disk below a gateway and makes room again.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("a small disk cannot be mounted, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	m, file := newModel(), filepath.Join(dir, "journal")
	s := start(t, file)
	value := 0
	pushAll := func() (status int, answer string) {
		for i := range 20 {
			value++
			var err error
			if status, answer, err = m.send(s, fmt.Sprintf("g%d-%d", i, value), put(value)); err != nil {
				t.Fatal(err)
			}
			if status != http.StatusOK {
				return status, answer
			}
		}
		return status, answer
	}
	if status, answer := pushAll(); status != http.StatusOK {
		t.Fatalf("got %d %q", status, answer)
	}
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	status, answer := pushAll()
	for n := 0; status == http.StatusOK && n < 1000; n++ { // the file may still have free pages
		status, answer = pushAll()
	}
	if status != http.StatusServiceUnavailable || !strings.Contains(answer, "no space left on device") {
		t.Fatalf("with a full disk: got %d %q\n%s", status, answer, s.log)
	}
	if status, _ := s.get("/-/ready"); status != http.StatusOK {
		t.Errorf("/-/ready: got %d, though scrapes work", status)
	}
	if status, why := s.get("/-/ready?for=push"); status != http.StatusServiceUnavailable || !strings.Contains(why, "no space left") {
		t.Errorf("/-/ready?for=push: got %d %q", status, why)
	}
	doubt := m.doubt
	m.settle() // the running gateway must show just what it has answered
	m.check(s)
	m.doubt = doubt

	// A crash now, and a start with the disk still full: it can be read.
	s.kill()
	s = start(t, file)
	m.check(s)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.awaitStatus("/-/ready?for=push", http.StatusOK)
	if status, answer := pushAll(); status != http.StatusOK {
		t.Fatalf("with room again: got %d %q\n%s", status, answer, s.log)
	}

	// And without a crash in between: it comes back by itself.
	fill(t, filler)
	for status == http.StatusOK || status == http.StatusServiceUnavailable {
		if status, _ = pushAll(); status == http.StatusServiceUnavailable {
			break
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.awaitStatus("/-/ready?for=push", http.StatusOK)
	m.settle()
	m.check(s)
	if status, answer := pushAll(); status != http.StatusOK {
		t.Fatalf("after it came back: got %d %q\n%s", status, answer, s.log)
	}
	s.kill()
	m.check(start(t, file))
}

// fill writes until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, chunk := range []int{64 << 10, 4 << 10, 1} {
		for {
			if _, err := f.Write(bytes.Repeat([]byte{1}, chunk)); errors.Is(err, syscall.ENOSPC) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// straced finds strace, or skips the test.
func straced(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed")
	}
	if out, err := exec.Command("strace", "-e", "trace=none", "true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %v %s", err, out)
	}
}

// TestFaultsAtStart lets each system call with which a new file, or one
// imported from Pushgateway 1.11, is put in its place fail once. Then the
// start fails; the next one does it again, or finds it whole.
func TestFaultsAtStart(t *testing.T) {
	straced(t)
	legacy, err := os.ReadFile("../testdata/compat/persistence/1.11.3-legacy.gob")
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"pwrite64", "fdatasync", "fsync", "ftruncate", "renameat"} {
		for _, imports := range []bool{false, true} {
			for k := 1; k <= 6; k++ {
				name := fmt.Sprintf("%s %d, import %v", call, k, imports)
				t.Run(name, func(t *testing.T) { faultAtStart(t, call, k, imports, legacy) })
			}
		}
	}
}

func faultAtStart(t *testing.T, call string, k int, imports bool, legacy []byte) {
	file := filepath.Join(t.TempDir(), "file")
	if imports {
		if err := os.WriteFile(file, legacy, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inject := fmt.Sprintf("inject=%s:error=EIO:when=%d", call, k)
	s := launch(t, file, "strace", "-f", "-qq", "-o", "/dev/null", "--seccomp-bpf", "-e", "trace="+call, "-e", inject)
	select {
	case <-s.done: // the fault was hit, and told
		if !strings.Contains(s.log.String(), "input/output error") {
			t.Errorf("the start failed for another reason\n%s", s.log)
		}
	case <-s.log.listening: // there are fewer such calls
		if k == 1 {
			t.Errorf("no %s was made to fail\n%s", call, s.log)
		}
		s.kill()
	}
	s = start(t, file)
	_, scrape := s.get("/metrics")
	if got := strings.Contains(scrape, `job="`); got != imports {
		t.Errorf("groups are there: %v, want %v", got, imports)
	}
	if imports {
		if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, legacy) {
			t.Errorf("the file of Pushgateway 1.11 is not what it was (%v)", err)
		}
	}
	if status, answer, err := s.do(http.MethodPut, "/metrics/job/new", "m 1\n"); err != nil || status != http.StatusOK {
		t.Errorf("a push got %d %q %v", status, answer, err)
	}
}

// TestFaultsInCommits lets system calls of a running gateway fail: pushes are
// refused, scrapes show what was answered, and all is well by itself again.
func TestFaultsInCommits(t *testing.T) {
	straced(t)
	for _, fault := range []string{"EIO", "ENOSPC"} {
		for _, call := range []string{"pwrite64", "fdatasync", "ftruncate"} {
			for k := 1; k <= 4; k++ {
				t.Run(fmt.Sprintf("%s %s %d", fault, call, k), func(t *testing.T) {
					t.Parallel()
					faultInCommit(t, fault, call, k)
				})
			}
		}
	}
}

func faultInCommit(t *testing.T, fault, call string, k int) {
	m, file := newModel(), filepath.Join(t.TempDir(), "journal")
	s := start(t, file)
	value := 0
	push := func() int {
		value++
		status, answer, err := m.send(s, fmt.Sprint("g", value%7), put(value))
		if err != nil {
			t.Fatalf("%v\n%s", err, s.log)
		}
		if status == http.StatusServiceUnavailable && !strings.Contains(answer, "writing the journal") {
			t.Errorf("the reason is missing: %q", answer)
		}
		return status
	}
	for range 10 {
		push()
	}
	detach := attach(t, s, call, fmt.Sprintf("inject=%s:error=%s:when=%d+", call, fault, k))
	failed := false
	for n := 0; n < 300 && !failed; n++ {
		failed = push() == http.StatusServiceUnavailable
	}
	if !failed && call != "ftruncate" { // the file need not grow
		t.Errorf("no push has failed\n%s", s.log)
	}
	doubt := m.doubt
	m.settle()
	m.check(s)
	if failed {
		if status, why := s.get("/-/ready?for=push"); status != http.StatusServiceUnavailable || !strings.Contains(why, "writing the journal") {
			t.Errorf("/-/ready?for=push: got %d %q", status, why)
		}
	}
	if k%2 == 0 { // crash in the middle of it
		m.doubt = doubt
		s.kill()
		s = start(t, file)
		m.check(s)
	}
	detach()
	s.awaitStatus("/-/ready?for=push", http.StatusOK)
	if status := push(); status != http.StatusOK {
		t.Errorf("a push after the fault got %d\n%s", status, s.log)
	}
	m.settle()
	m.check(s)
	s.kill()
	m.check(start(t, file))
}

// attach makes calls of a running process fail, from the one on that inject
// says; each thread counts for itself.
func attach(t *testing.T, s *server, call, inject string) (detach func()) {
	t.Helper()
	cmd := exec.Command("strace", "-f", "-p", fmt.Sprint(s.cmd.Process.Pid), "-o", "/dev/null", "-e", "trace="+call, "-e", inject)
	said := &log{listening: make(chan string, 1)}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	attached := make(chan struct{})
	go func() {
		defer r.Close()
		b := make([]byte, 4096)
		for done := false; ; {
			n, err := r.Read(b)
			said.Write(b[:n])
			if !done && (err != nil || strings.Contains(said.String(), "attached")) {
				done = true
				close(attached)
			}
			if err != nil {
				return
			}
		}
	}()
	<-attached
	ended := false
	detach = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Signal(syscall.SIGTERM) // it ends with what it traces
			_ = cmd.Wait()
		}
	}
	t.Cleanup(detach)
	return detach
}
