package crash_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

// smallDisk gives a directory on a file system of its own. Only the calling
// goroutine, and what it starts, can see it: it is mounted in a name space
// that ends with them, so that nothing is left behind however the test ends.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	runtime.LockOSThread() // for good: the thread is never used for anything else
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		t.Skipf("a full disk needs a file system to fill, and to mount one takes root: %v", err)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Skipf("mounts cannot be kept private here: %v", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("tmpfs cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestFullDisk fills the disk under a gateway that is pushed to. What does not
// fit is refused; scrapes go on; once there is room again pushes are taken
// again. A gateway that is killed meanwhile starts on the full disk.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	const reason = "no space left on device"
	dir := smallDisk(t, "2m")
	file := filepath.Join(dir, "journal")
	m := newModel(3, 4)
	s := start(t, file)
	for _, g := range m.groups[:6] {
		s.must(large(m, g))
	}
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()

	if refused := s.pushWhile(m, func() { fill(t, filler) }); refused == 0 {
		t.Error("nothing was refused while the disk was filled")
	}
	m.compare(t, "on a full disk", s.scrape(), false)
	s.wantUnready(m, reason)
	m.compare(t, "after more refusals", s.scrape(), false)

	s.Kill()
	s = start(t, file)
	m.compare(t, "after a start on a full disk", s.scrape(), true)
	s.wantUnready(m, reason)

	if err := filler.Truncate(0); err != nil {
		t.Fatal(err)
	}
	s.awaitWritable(m, reason)
	m.settle() // what was refused before that has not happened
	for _, g := range m.groups {
		s.must(change{group: g, method: http.MethodPost, number: m.next(), families: smallNames})
	}
	m.compare(t, "with room again", s.scrape(), false)

	s.Kill()
	got, err := read(file)
	if err != nil {
		t.Fatal(err)
	}
	m.compare(t, "in the file", got, false)
	m.compare(t, "after a start", start(t, file).scrape(), false)
}

// large is a push that needs new pages.
func large(m *model, g *group) change {
	return change{group: g, method: http.MethodPut, number: m.next(), families: []string{"crash_total", noise}, noise: 400}
}

// fill writes until nothing more fits.
func fill(t *testing.T, f *os.File) {
	for size := 64 << 10; size >= 1; size /= 2 {
		for {
			_, err := f.Write(make([]byte, size))
			if errors.Is(err, syscall.ENOSPC) {
				break
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	}
}

// pushWhile pushes to all groups while something happens, and until something
// has been refused or everything has been taken many times since. It gives the
// number of refusals.
func (s *server) pushWhile(m *model, happens func()) (refused int) {
	s.t.Helper()
	const most = 100
	var wg sync.WaitGroup
	happened := make(chan struct{})
	wg.Go(func() {
		defer close(happened)
		happens()
	})
	for after := 0; after < most && refused == 0; {
		select {
		case <-happened:
			after++
		default:
		}
		c := large(m, m.groups[m.number%len(m.groups)])
		if a := s.send(c); !a.taken(c) {
			s.checkRefusal(a, "")
			refused++
		}
	}
	wg.Wait()
	return refused
}

// wantUnready pushes until the gateway tells that it takes no pushes. It may
// take small ones in between, for which there is room in the file.
func (s *server) wantUnready(m *model, reason string) {
	s.t.Helper()
	for deadline := time.Now().Add(testproc.Patience); ; {
		c := large(m, m.groups[m.number%len(m.groups)])
		if a := s.send(c); !a.taken(c) {
			s.checkRefusal(a, reason)
			if s.checkReady(reason) {
				return
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the gateway says that it takes pushes, though it does not\n%s", s.Log)
		}
	}
}
