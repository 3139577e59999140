package crash_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
	"pushgateway/internal/testproc"
)

// TestReplacedBeforeLock starts a gateway that is late with its lock on a
// damaged file: another one has salvaged it meanwhile, and is pushed to. It must
// not put what it salvages itself in the place of that.
func TestReplacedBeforeLock(t *testing.T) {
	t.Parallel()
	needStrace(t)
	file := filepath.Join(t.TempDir(), "journal")
	m := newModel(1, 4)
	s := start(t, file)
	for _, g := range m.groups {
		s.must(change{group: g, method: http.MethodPut, number: m.next(), families: smallNames})
	}
	s.Stop()
	content := readFile(t, file)
	content[bytes.LastIndex(content, []byte("job\xffcrash"))+60] ^= 1
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}

	trace := filepath.Join(t.TempDir(), "trace")
	cmd := command(file, traced(trace, "-e", "trace=flock", "-e", "inject=flock:delay_enter=3000000:when=1")...)
	cmd.Args = append(cmd.Args, "--persistence.salvage")
	late := &server{testproc.Launch(t, cmd), t}
	for deadline := time.Now().Add(testproc.Patience); !late.opened(file) && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	if err := (boltjournal.File{Path: file}).Create(func(func(*gateway.Group) bool) {}); err != nil {
		t.Fatal(err)
	}
	s = start(t, file)
	m = newModel(1, 4)
	for _, g := range m.groups {
		s.must(change{group: g, method: http.MethodPut, number: m.next(), families: smallNames})
	}
	late.AwaitExit(1)
	if !strings.Contains(late.Log.String(), "another process uses the journal") {
		t.Errorf("it does not say why\n%s", late.Log)
	}
	s.Kill()
	m.compare(t, "after a kill", start(t, file).scrape(), false)
}

// opened tells whether a process has opened a file.
func (s *server) opened(file string) bool {
	fds := fmt.Sprintf("/proc/%d/fd", s.Cmd.Process.Pid)
	entries, _ := os.ReadDir(fds) // it may not have begun
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(fds, e.Name())); err == nil && to == file {
			return true
		}
	}
	return false
}
