package crash

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
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

// calls reads what strace has noted.
func calls(t *testing.T, path string) (all []call) {
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
		d.sync(d.open[n[0]])
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

// powerCut pushes to a gateway under strace, one push after the other, and
// gives what it did and what was pushed.
func powerCut(t *testing.T, file string) (done []call, pushed []change, names []string) {
	noted := filepath.Join(t.TempDir(), "strace")
	s := start(t, file, "strace", "-f", "-qq", "--seccomp-bpf", "-xx", "-s", "10000000", "-o", noted,
		"-e", "trace=openat,close,pwrite64,ftruncate,fdatasync,fsync,renameat,unlinkat,write")
	r := random(t)
	for i := range 60 {
		name, c := fmt.Sprint("g", r.IntN(8)), randomChange(r, i+1)
		if status, answer, err := s.do(c.method, "/metrics/job/"+name, c.body); err != nil || status >= 300 {
			t.Fatalf("%d %q %v", status, answer, err)
		}
		pushed, names = append(pushed, c), append(names, name)
	}
	s.kill()
	return calls(t, noted), pushed, names
}

// TestPowerCut cuts the power after each call of a gateway that makes a new
// file, and of one that imports a file of Pushgateway 1.11.
func TestPowerCut(t *testing.T) {
	straced(t)
	t.Run("new file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "journal")
		cutEverywhere(t, file, file, 0)
	})
	t.Run("import", func(t *testing.T) {
		legacy, err := os.ReadFile("../testdata/compat/persistence/1.11.3-legacy.gob")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "metrics")
		if err := os.WriteFile(file, legacy, 0o600); err != nil {
			t.Fatal(err)
		}
		const imported = 8 // groups, see the recorded answer beside it
		cutEverywhere(t, file, file+".db", imported)
	})
}

// cutEverywhere makes several disks for each moment and looks at the journal.
func cutEverywhere(t *testing.T, file, journal string, imported int) {
	done, pushed, names := powerCut(t, file)
	d := &disk{open: make(map[int64]string), names: make(map[string]*inode), durable: make(map[string]*inode)}
	m, r := newModel(), random(t)
	left := filepath.Join(t.TempDir(), "left")
	answered, images, absent := 0, 0, 0
	begin := func() {
		if answered < len(pushed) {
			c, name := pushed[answered], names[answered]
			m.doubt[name] = []group{c.after(m.known[name])}
		}
	}
	begin()
	for _, c := range done {
		if c.name == "write" && bytes.HasPrefix(c.text, []byte("HTTP/1.1 20")) {
			m.known[names[answered]] = m.doubt[names[answered]][0]
			delete(m.doubt, names[answered])
			answered++
			begin()
		}
		d.apply(c)
		if !strings.Contains("pwrite64 ftruncate fdatasync fsync renameat write", c.name) || c.name == "" {
			continue
		}
		for range 3 {
			content, ok := d.after(r, journal)
			images++
			if !ok {
				if absent++; answered > 0 {
					t.Fatalf("the journal is gone after %d answers", answered)
				}
				continue
			}
			if err := os.WriteFile(left, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := m.lookAt(left, imported); err != nil {
				t.Fatalf("after %d answers, at %s(%s: %v", answered, c.name, c.args, err)
			}
		}
	}
	t.Logf("%d calls, %d answers, %d disks, %d of them without the journal", len(done), answered, images, absent)
	if answered != len(pushed) {
		t.Errorf("%d answers were seen, and %d were given", answered, len(pushed))
	}
}

// lookAt holds a journal against the model, without changing it.
func (m *model) lookAt(path string, imported int) error {
	var text strings.Builder
	others := 0
	s, err := boltjournal.Read(context.Background(), path, func(batch []gateway.Applied) {
		for _, a := range batch {
			ours := false
			for _, h := range a.Group.Families {
				if strings.HasPrefix(h.Name, "crash_") {
					ours = true
					text.Write(h.Text())
				}
			}
			if !ours {
				others++
			}
		}
	})
	switch {
	case err != nil:
		return err
	case len(s.Faults) > 0:
		return errors.New(s.Faults[0].String())
	case others != imported:
		return fmt.Errorf("%d groups of the import are there, want %d", others, imported)
	}
	found, err := read(text.String())
	if err != nil {
		return err
	}
	for name := range found {
		if m.known[name] == nil && m.doubt[name] == nil {
			return fmt.Errorf("group %s is there, and nobody has pushed it", name)
		}
	}
	for i := range 8 {
		if name := fmt.Sprint("g", i); !m.allows(name, found[name]) {
			return fmt.Errorf("group %s has %v; answered was %v, possible would be %v", name, found[name], m.known[name], m.doubt[name])
		}
	}
	return nil
}
