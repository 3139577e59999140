package crash_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/daemon"
)

// A power cut leaves on disk what was synced, and of the rest whatever the
// system happened to have written. No machine is switched off for that, nor a
// block device needed: strace notes every write, sync and rename of the real
// binary, with its bytes, and in the same order the answers that it gives. From
// that the test makes the disks that a cut at each point could leave.
//
// It assumes what docs/durability.md does: a sector is written whole or not at
// all, and names are durable when their directory has been synced.

// call is one system call of the binary. What it writes counts from when it
// was begun, what it syncs from when it was done.
type call struct {
	name   string
	text   []byte // path or bytes, decoded
	second []byte // path of a rename
	args   string // everything outside of quotes
	result int
}

// readTrace reads what strace has noted.
func readTrace(t *testing.T, path string) (all []call) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	begun := make(map[string]int) // by thread: where in all its call is
	lines := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return all
		}
		thread, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		switch {
		case strings.HasPrefix(rest, "<... "):
			i, ok := begun[thread]
			if !ok {
				continue
			}
			c := all[i]
			c.result = result(rest)
			if strings.HasSuffix(c.name, "sync") {
				all[i].name = "" // it counts from here on
				all = append(all, c)
			} else {
				all[i] = c
			}
			delete(begun, thread)
		case strings.HasSuffix(rest, "<unfinished ...>"):
			all = append(all, parse(t, rest))
			begun[thread] = len(all) - 1
		case strings.Contains(rest, "("):
			all = append(all, parse(t, rest))
		}
	}
}

func result(s string) int {
	_, after, _ := strings.Cut(s[strings.LastIndex(s, ")")+1:], "= ")
	number, _, _ := strings.Cut(after, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return -1
	}
	return n
}

func parse(t *testing.T, s string) (c call) {
	name, rest, _ := strings.Cut(s, "(")
	parts := strings.Split(rest, `"`)
	c.name = name
	for i, p := range parts {
		if i%2 == 0 {
			c.args += p
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(p, `\x`, ""))
		if err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
		if i == 1 {
			c.text = b
		} else {
			c.second = b
		}
	}
	if !strings.Contains(c.args, "<unfinished") {
		c.result = result(s)
	}
	return c
}

// numbers are the arguments that are numbers, in their order.
func (c call) numbers() (all []int64) {
	before, _, _ := strings.Cut(c.args, ")")
	before, _, _ = strings.Cut(before, "<unfinished")
	for _, p := range strings.Split(before, ",") {
		if n, err := strconv.ParseInt(strings.TrimSpace(p), 10, 64); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// inode is a file without its name.
type inode struct {
	synced  []byte
	pending []write
}

// write is one that was not synced: bytes, or a new size.
type write struct {
	at   int64
	data []byte // nil: the file gets the size at
}

// disk is what the system knows, and what it has written for sure.
type disk struct {
	open    map[int64]string // paths by file descriptor
	names   map[string]*inode
	durable map[string]*inode
}

func (d *disk) apply(c call) {
	n := c.numbers()
	switch c.name {
	case "openat":
		path := string(c.text)
		d.open[int64(c.result)] = path
		if strings.Contains(c.args, "O_CREAT") && d.names[path] == nil && c.result >= 0 {
			d.names[path] = new(inode)
		}
	case "close":
		delete(d.open, n[0])
	case "pwrite64":
		if f := d.names[d.open[n[0]]]; f != nil {
			f.pending = append(f.pending, write{n[2], c.text})
		}
	case "ftruncate":
		if f := d.names[d.open[n[0]]]; f != nil {
			f.pending = append(f.pending, write{n[1], nil})
		}
	case "fsync", "fdatasync":
		if path := d.open[n[0]]; c.result == 0 {
			d.sync(path)
		} else if f := d.names[path]; f != nil {
			f.pending = nil // the system gives up on it, but shows it until the end
		}
	case "renameat":
		d.names[string(c.second)] = d.names[string(c.text)]
		delete(d.names, string(c.text))
		for fd, path := range d.open {
			if path == string(c.text) {
				d.open[fd] = string(c.second)
			}
		}
	case "unlinkat":
		delete(d.names, string(c.text))
	}
}

func (d *disk) sync(path string) {
	if f := d.names[path]; f != nil {
		for _, w := range f.pending {
			f.synced = w.on(f.synced)
		}
		f.pending = nil
		return
	}
	d.durable = maps.Clone(d.names) // of a directory; there is only one
}

// on gives the content with the write.
func (w write) on(content []byte) []byte {
	size := int(w.at)
	if w.data != nil {
		size = max(len(content), int(w.at)+len(w.data))
	}
	out := make([]byte, size)
	copy(out, content)
	copy(out[min(int(w.at), size):], w.data)
	return out
}

// after gives what is at path after a power cut: nothing, or the synced
// content with some of the rest, in pieces that are written at once.
func (d *disk) after(r *rand.Rand, path string) ([]byte, bool) {
	names := d.durable
	if r.IntN(2) == 0 {
		names = d.names
	}
	f := names[path]
	if f == nil {
		return nil, false
	}
	content := f.synced
	most := r.IntN(3) // 0: hardly any of the rest, 2: nearly all
	for _, w := range f.pending {
		if w.data == nil {
			if r.IntN(2) == 0 {
				content = w.on(content)
			}
			continue
		}
		const page = 4096
		piece := page
		if w.at < 2*page {
			piece = 512 // where the two meta pages are
		}
		for from := 0; from < len(w.data); from += piece {
			if r.IntN(4) < 1+most {
				content = write{w.at + int64(from), w.data[from:min(from+piece, len(w.data))]}.on(content)
			}
		}
	}
	return content, true
}

// traceOfPushes pushes to a gateway under strace, one change after the other,
// and gives what it did, and the changes. Their groups are those of a model
// that knows nothing yet.
func traceOfPushes(t *testing.T, r *rand.Rand, file string) (done []call, changes []change, m *model) {
	trace := filepath.Join(t.TempDir(), "trace")
	under := traced(trace, "-xx", "-s", "10000000", "-e", "trace=openat,close,pwrite64,ftruncate,fdatasync,fsync,renameat,unlinkat,write")
	s := start(t, file, under...)
	const groups = 8
	live := newModel(1, groups)
	m = newModel(1, groups)
	for range 60 {
		g := r.IntN(groups)
		c := randomChange(r, live.groups[g], live.next())
		s.must(c)
		c.group = m.groups[g]
		changes = append(changes, c)
	}
	s.Kill()
	awaitEndOf(t, trace)
	return readTrace(t, trace), changes, m
}

// awaitEndOf waits until strace has written that the process was killed.
func awaitEndOf(t *testing.T, trace string) {
	t.Helper()
	for deadline := time.Now().Add(daemon.Patience); ; time.Sleep(10 * time.Millisecond) {
		content := readFile(t, trace)
		lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
		if bytes.HasSuffix(lines[len(lines)-1], []byte("+++ killed by SIGKILL +++")) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("strace does not end: %s", clip(string(lines[len(lines)-1])))
		}
	}
}

// TestPowerCut cuts the power after each call of a gateway that makes a new
// file, and of one that imports a file of Pushgateway 1.11.
func TestPowerCut(t *testing.T) {
	needStrace(t)
	t.Run("new file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "journal")
		cutEverywhere(t, file, file)
	})
	t.Run("import", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "metrics")
		if err := os.WriteFile(file, readFile(t, "../testdata/compat/persistence/1.11.3-legacy.gob"), 0o600); err != nil {
			t.Fatal(err)
		}
		cutEverywhere(t, file, file+".db")
	})
}

// cutEverywhere makes several disks for each moment and looks at the journal.
func cutEverywhere(t *testing.T, file, journal string) {
	r := randomness(t)
	done, changes, m := traceOfPushes(t, r, file)
	d := &disk{open: make(map[int64]string), names: make(map[string]*inode), durable: make(map[string]*inode)}
	final, err := read(journal)
	if err != nil {
		t.Fatal(err)
	}
	const imported = `client="",group=""` // all groups that nobody here has pushed
	left := filepath.Join(t.TempDir(), "left")
	answered, disks, absent := 0, 0, 0
	for _, c := range done {
		// From its beginning on a change may be there, from its answer on it must.
		if c.name == "write" && bytes.HasPrefix(c.text, []byte("HTTP/1.1 20")) && isOfChange(c.text) {
			changes[answered].answered(true)
			answered++
		}
		if answered < len(changes) {
			next := changes[answered]
			next.group.doubts = []state{next.after(next.group.acked)}
		}
		d.apply(c)
		if !slices.Contains([]string{"pwrite64", "ftruncate", "fdatasync", "fsync", "renameat", "write"}, c.name) {
			continue
		}
		for range 3 {
			content, ok := d.after(r, journal)
			if disks++; !ok {
				if absent++; answered > 0 {
					t.Fatalf("the journal is gone after %d answers", answered)
				}
				continue
			}
			if err := os.WriteFile(left, content, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := read(left)
			if err == nil && got[imported] != final[imported] {
				err = fmt.Errorf("what was imported is not there, or not all of it:\n%s", got[imported])
			}
			delete(got, imported)
			if err == nil {
				err = m.allows(got)
			}
			if err != nil {
				t.Fatalf("after %d answers, at %s(%s: %v", answered, c.name, c.args, err)
			}
		}
	}
	t.Logf("%d calls, %d answers, %d disks, %d of them without the journal", len(done), answered, disks, absent)
	if answered != len(changes) {
		t.Errorf("%d answers were seen, and %d were given", answered, len(changes))
	}
}

// isOfChange tells the answer to a change from that to a question, which has a
// body.
func isOfChange(answer []byte) bool { return bytes.Contains(answer, []byte("Content-Length: 0\r\n")) }

// allows finds a group that is neither as it was answered, nor as the change
// under way would leave it. Nothing is decided by that.
func (m *model) allows(got snapshot) error {
	known := 0
	for _, g := range m.groups {
		if _, ok := got[g.id()]; ok {
			known++
		}
		if !slices.ContainsFunc(append(slices.Clone(g.doubts), g.acked), func(s state) bool { return g.text(s) == got[g.id()] }) {
			return fmt.Errorf("group %s: got\n%s\n\nwant\n%s\n\nor one of %d in doubt%s", g.id(), clip(got[g.id()]), clip(g.text(g.acked)), len(g.doubts), g.textOfDoubts())
		}
	}
	if known != len(got) {
		return fmt.Errorf("%d groups are there that nobody has pushed", len(got)-known)
	}
	return nil
}
