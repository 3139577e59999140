package crash_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

// place is where a gateway has its file: "data/journal" in a directory, and
// "linked", a link to it.
type place struct {
	t    *testing.T
	root string
	// content is that of the file when it was taken.
	content []byte
}

func (p *place) in(name string) string { return filepath.Join(p.root, name) }
func (p *place) file() string          { return p.in("data/journal") }

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) rename(from, to string) { p.t.Helper(); p.must(os.Rename(p.in(from), p.in(to))) }

// write changes a file where it is.
func (p *place) write(content []byte) { p.t.Helper(); p.must(os.WriteFile(p.file(), content, 0o600)) }

const foreign = "somebody else's, which is to stay as it is"

// taking is a way to take the file away.
type taking struct {
	name   string
	linked bool // the gateway is told of the link
	take   func(*place)
	back   func(*place) // nil if nothing can be put back
	reason string
	// left is what then has the place of the file, "" if nothing has.
	left string
	// gone is set if no file can be made there.
	gone bool
}

const (
	removed  = "it was removed. Put it back"
	replaced = "another file is in its place"
)

var takings = []taking{
	{name: "renamed", reason: removed,
		take: func(p *place) { p.rename("data/journal", "data/away") },
		back: func(p *place) { p.rename("data/away", "data/journal") }},
	{name: "removed", reason: removed,
		take: func(p *place) { p.must(os.Remove(p.file())) }},
	{name: "replaced", reason: replaced, left: "data/journal",
		take: func(p *place) {
			p.rename("data/journal", "data/away")
			p.write([]byte(foreign))
		},
		back: func(p *place) {
			p.rename("data/journal", "data/foreign")
			p.rename("data/away", "data/journal")
		}},
	{name: "replaced by a copy", reason: replaced, left: "data/journal",
		take: func(p *place) {
			p.must(os.WriteFile(p.in("copy"), p.content, 0o600))
			p.rename("copy", "data/journal")
		}},
	{name: "replaced by a directory", reason: replaced, left: "data/journal/foreign",
		take: func(p *place) {
			p.rename("data/journal", "data/away")
			p.must(os.Mkdir(p.file(), 0o700))
			p.must(os.WriteFile(p.in("data/journal/foreign"), []byte(foreign), 0o600))
		},
		back: func(p *place) {
			p.rename("data/journal", "data/foreign")
			p.rename("data/away", "data/journal")
		}},
	{name: "directory renamed", reason: removed, gone: true,
		take: func(p *place) { p.rename("data", "elsewhere") },
		back: func(p *place) { p.rename("elsewhere", "data") }},
	{name: "directory removed", reason: removed, gone: true,
		take: func(p *place) { p.must(os.RemoveAll(p.in("data"))) }},
	{name: "directory replaced by a file", reason: removed, gone: true,
		take: func(p *place) {
			p.rename("data", "elsewhere")
			p.must(os.WriteFile(p.in("data"), []byte(foreign), 0o600))
		},
		back: func(p *place) {
			p.must(os.Remove(p.in("data")))
			p.rename("elsewhere", "data")
		}},
	{name: "link removed", linked: true, reason: removed,
		take: func(p *place) { p.must(os.Remove(p.in("linked"))) },
		back: func(p *place) { p.must(os.Symlink(p.file(), p.in("linked"))) }},
	{name: "removed behind a link", linked: true, reason: removed,
		take: func(p *place) { p.must(os.Remove(p.file())) }},
	{name: "link leads elsewhere", linked: true, reason: replaced, left: "foreign",
		take: func(p *place) {
			p.must(os.Remove(p.in("linked")))
			p.must(os.WriteFile(p.in("foreign"), []byte(foreign), 0o600))
			p.must(os.Symlink("foreign", p.in("linked")))
		},
		back: func(p *place) {
			p.must(os.Remove(p.in("linked")))
			p.rename("data", "elsewhere") // the file may be where the link leads now
			p.must(os.Symlink("elsewhere/journal", p.in("linked")))
		}},
	{name: "emptied", reason: "it is empty", left: "data/journal",
		take: func(p *place) { p.must(os.Truncate(p.file(), 0)) },
		back: func(p *place) { p.write(p.content) }},
	{name: "cut off", reason: "the journal is damaged", left: "data/journal",
		take: func(p *place) { p.must(os.Truncate(p.file(), 8192)) },
		back: func(p *place) { p.write(p.content) }},
	{name: "overwritten", reason: "the file is not a journal", left: "data/journal",
		take: func(p *place) { p.write(bytes.Repeat([]byte(foreign), 10_000)) },
		back: func(p *place) { p.write(p.content) }},
}

// takenFrom starts a gateway that is pushed to, and takes its file away.
func (x taking) takenFrom(t *testing.T, interval, temp string) (*server, *model, *place) {
	t.Helper()
	p := &place{t: t, root: t.TempDir()}
	p.must(os.Mkdir(p.in("data"), 0o700))
	s := x.startAt(p, interval, temp) // makes the file
	if x.linked {
		s.Stop()
		p.must(os.Symlink(p.file(), p.in("linked")))
		s = x.startAt(p, interval, temp)
	}
	m := newModel(1, 4)
	for _, g := range m.groups {
		s.must(change{group: g, method: http.MethodPut, number: m.next(), families: smallNames})
	}
	p.content = readFile(t, p.file())
	x.take(p)
	return s, m, p
}

func (x taking) startAt(p *place, interval, temp string) *server {
	p.t.Helper()
	name := p.file()
	if _, err := os.Lstat(p.in("linked")); err == nil {
		name = p.in("linked")
	}
	cmd := command(name)
	cmd.Args = append(cmd.Args, "--persistence.interval="+interval)
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	s := &server{testproc.Launch(p.t, cmd), p.t}
	if !s.awaitReady() {
		p.t.Fatalf("it exited at startup\n%s", s.Log)
	}
	return s
}

// awaitTaken waits until the gateway has noticed. Where pushes wait for the disk
// none may be taken before.
func (s *server) awaitTaken(m *model, reason, interval string) {
	s.t.Helper()
	for deadline := time.Now().Add(testproc.Patience); ; time.Sleep(10 * time.Millisecond) {
		c := change{group: m.groups[0], method: http.MethodPut, number: m.next(), families: smallNames}
		a := s.send(c)
		if !a.taken(c) {
			s.checkRefusal(a, reason)
			break
		}
		if interval == "0s" || time.Now().After(deadline) {
			s.t.Fatalf("a push was taken though the file is not there\n%s", s.Log)
		}
	}
	if !s.checkReady(reason) {
		s.t.Error("the gateway says that it takes pushes, though it does not")
	}
	s.awaitLine("pushgateway_journal_writable 0")
	if a := s.send(change{group: m.groups[1], method: http.MethodDelete, number: m.next()}); a.status != http.StatusServiceUnavailable {
		s.t.Errorf("a delete was answered %d %q, want 503", a.status, a.body)
	}
	time.Sleep(time.Second) // it looks again meanwhile
	if n := strings.Count(s.Log.String(), "Refusing pushes"); n != 1 || !strings.Contains(s.Log.String(), reason) {
		s.t.Errorf("%d lines of the log say that the file was taken away, want one with %q\n%s", n, reason, s.Log)
	}
	m.compare(s.t, "without the file", s.scrape(), false)
}

// TestFileTakenAway takes the file away in every way that there is: pushes are
// refused, scrapes go on.
func TestFileTakenAway(t *testing.T) {
	t.Parallel()
	for _, x := range takings {
		for _, interval := range []string{"0s", "1h"} {
			if x.back != nil {
				t.Run(x.name+" and put back "+interval, func(t *testing.T) {
					t.Parallel()
					x.putBack(t, interval)
				})
			}
			t.Run(x.name+" and ended "+interval, func(t *testing.T) {
				t.Parallel()
				x.end(t, interval)
			})
		}
	}
}

// putBack puts the file back: pushes are taken again, and nothing is lost.
func (x taking) putBack(t *testing.T, interval string) {
	s, m, p := x.takenFrom(t, interval, t.TempDir())
	s.awaitTaken(m, x.reason, interval)
	x.back(p)
	s.awaitWritable(m, x.reason)
	m.settle() // what was refused before that has not happened
	for _, g := range m.groups {
		s.must(change{group: g, method: http.MethodPost, number: m.next(), families: smallNames})
	}
	s.awaitLine("pushgateway_journal_writable 1")
	m.compare(t, "with the file back", s.scrape(), false)
	if interval == "0s" {
		s.Kill()
	} else {
		s.Stop()
	}
	m.compare(t, "after a start", x.startAt(p, interval, t.TempDir()).scrape(), false)
}

// end ends the gateway while the file is away: all groups are in a new file, in
// the place of the old one if nothing has that.
func (x taking) end(t *testing.T, interval string) {
	temp := t.TempDir()
	s, m, p := x.takenFrom(t, interval, temp)
	s.awaitTaken(m, x.reason, interval)
	m.settle()
	var left []byte
	if x.left != "" {
		left = readFile(t, p.in(x.left))
	}
	p.must(s.Cmd.Process.Signal(syscall.SIGTERM))
	if x.left == "" && !x.gone {
		s.AwaitExit(0)
		m.compare(t, "after a start", x.startAt(p, interval, temp).scrape(), false)
		return
	}
	s.AwaitExit(1)
	rescued := rescuedIn(t, p.in("data"), p.root, temp)
	if !strings.Contains(s.Log.String(), rescued) {
		t.Errorf("it does not say that the groups are in %s\n%s", rescued, s.Log)
	}
	got, err := read(rescued)
	p.must(err)
	m.compare(t, "in the file that was kept aside", got, false)
	if x.left != "" && !bytes.Equal(readFile(t, p.in(x.left)), left) {
		t.Error("the file that somebody else has put there was changed")
	}
}

// rescuedIn finds the one file that a gateway has written as it ended.
func rescuedIn(t *testing.T, dirs ...string) string {
	t.Helper()
	var all []string
	for _, dir := range dirs {
		found, err := filepath.Glob(filepath.Join(dir, "*.rescued-*"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	if len(all) != 1 {
		t.Fatalf("files that were kept aside: %q, want one", all)
	}
	return all[0]
}

// TestMountedOver mounts a file system over the directory of the file, and takes
// it away again.
func TestMountedOver(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "4m") // in a name space of its own
	file := filepath.Join(dir, "journal")
	s, m := start(t, file), newModel(1, 4)
	for _, g := range m.groups {
		s.must(change{group: g, method: http.MethodPut, number: m.next(), families: smallNames})
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	s.awaitTaken(m, removed, "0s")
	if err := syscall.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	s.awaitWritable(m, removed)
	m.settle()
	s.Kill()
	m.compare(t, "after a start", start(t, file).scrape(), false)
}

// TestTouched sets the time of the file, as backups do, which is no reason to
// refuse anything.
func TestTouched(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "journal")
	s, m := start(t, file), newModel(1, 4)
	for n := range 3 {
		for _, g := range m.groups {
			s.must(change{group: g, method: http.MethodPut, number: m.next(), families: smallNames})
		}
		if err := os.Chtimes(file, time.Time{}, time.Unix(int64(n), 0)); err != nil {
			t.Fatal(err)
		}
	}
	s.must(change{group: m.groups[0], method: http.MethodPut, number: m.next(), families: smallNames})
	s.Kill()
	m.compare(t, "after a start", start(t, file).scrape(), false)
}

// TestTakenWhilePushed takes the file away from under clients that push all the
// time. What was taken of their pushes is in the file that was taken away, or
// else in memory, and then in the new one.
func TestTakenWhilePushed(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name string
		take func(file string) error
	}{
		{"renamed", func(file string) error { return os.Rename(file, file+".away") }},
		{"removed", os.Remove},
		{"emptied", func(file string) error { return os.Truncate(file, 0) }},
		{"cut off", func(file string) error { return os.Truncate(file, 8192) }},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "journal")
			s, m := start(t, file), newModel(8, 1)
			s.takeWhilePushed(m, func() error { return x.take(file) })
			m.compare(t, "without the file", s.scrape(), false)
			if x.name == "renamed" {
				s.Kill()
				got, err := read(file + ".away")
				if err != nil {
					t.Fatal(err)
				}
				m.compare(t, "in the file that was taken away", got, true)
				return
			}
			if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			s.Stop()
			m.compare(t, "after a start", start(t, file).scrape(), false)
		})
	}
}

// takeWhilePushed lets a client push to each group until one of its pushes is
// refused.
func (s *server) takeWhilePushed(m *model, take func() error) {
	s.t.Helper()
	var wg sync.WaitGroup
	for _, g := range m.groups {
		wg.Go(func() {
			deadline := time.Now().Add(testproc.Patience)
			for n := 1; time.Now().Before(deadline); n++ {
				c := change{group: g, method: http.MethodPut, number: n, families: smallNames}
				a, err := sendVia(client, s.Addr, &c)
				if err != nil {
					s.t.Errorf("a push got no answer: %v", err)
					return
				}
				if !a.taken(c) {
					s.checkRefusal(a, "moved, removed, replaced or changed")
					return
				}
			}
			s.t.Error("pushes are taken though the file is not there")
		})
	}
	time.Sleep(200 * time.Millisecond) // of pushes
	if err := take(); err != nil {
		s.t.Error(err)
	}
	wg.Wait()
}
