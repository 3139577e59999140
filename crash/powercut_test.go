package crash_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// A power cut leaves on disk what was synced, and of the rest whatever the
// system happened to have written. No machine is switched off for that, nor a
// block device needed: strace notes every write, sync and rename of the real
// binary, with its bytes, and in the same order the answers that it gives. From
// that the test makes the disks that a cut at each point could leave.
//
// It assumes what docs/durability.md does: a sector is written whole or not at
// all, and names are durable when their directory has been synced.

// TestPowerCut cuts the power after each call of a gateway: while it makes a
// journal, imports one, makes one smaller, or salvages one, and then while one
// client pushes, or several at a time.
func TestPowerCut(t *testing.T) {
	needStrace(t)
	for _, b := range beginnings(t) {
		t.Run(b.name, func(t *testing.T) { b.cutEverywhere(t, 1, 32) })
	}
	t.Run("many clients", func(t *testing.T) { creation().cutEverywhere(t, 8, 128) })
}

// cutEverywhere makes several disks for each moment and looks at them.
func (b *beginning) cutEverywhere(t *testing.T, clients, pushes int) {
	r := randomness(t)
	dir := t.TempDir()
	b.prepare(t, dir)
	l := b.traceOfPushes(t, r, dir, clients, pushes)
	given := make(map[string][]byte)
	for name, content := range b.given {
		given[filepath.Join(dir, name)] = content
	}
	d, disks := newDisk(given), 0
	for _, c := range l.calls {
		l.follow(c)
		d.apply(c)
		if !slices.Contains([]string{"pwrite64", "ftruncate", "fdatasync", "fsync", "renameat", "write"}, c.name) {
			continue
		}
		for range 3 {
			disks++
			if err := b.judge(dir, d.cut(r), l); err != nil {
				t.Fatalf("after %d answers, at %s(%s: %v", l.answered, c.name, c.args, err)
			}
		}
	}
	t.Logf("%d calls, %d answers, %d disks", len(l.calls), l.answered, disks)
	if l.answered != len(l.changes) {
		t.Errorf("%d answers were seen, and %d were given", l.answered, len(l.changes))
	}
}

// judge looks at what a power cut has left. Before the first answer that may be
// what was given, and only that, but for a journal to be.
func (b *beginning) judge(dir string, files map[string][]byte, l *trace) error {
	path := filepath.Join(dir, b.journal)
	content, ok := files[path]
	delete(files, path)
	if err := b.judgeOthers(dir, files, content); err != nil {
		return err
	}
	given, was := b.given[b.journal]
	if l.answered == 0 && ok == was && bytes.Equal(content, given) {
		return nil
	}
	if !ok {
		return errors.New("the journal is gone")
	}
	if err := os.WriteFile(l.left, content, 0o600); err != nil {
		return err
	}
	got, err := read(l.left)
	if err != nil {
		return err
	}
	for id, text := range l.before {
		if got[id] != text {
			return fmt.Errorf("what was there before the pushes is not, or not all of it: got\n%s\n\nwant\n%s", got[id], text)
		}
		delete(got, id)
	}
	return l.model.allows(got)
}

// judgeOthers looks for the files that a start must not change, which a damaged
// journal is one of.
func (b *beginning) judgeOthers(dir string, others map[string][]byte, journal []byte) error {
	for name, content := range b.given {
		if name != b.journal && !bytes.Equal(others[filepath.Join(dir, name)], content) {
			return fmt.Errorf("%s has been changed", name)
		}
	}
	isGiven := func(content []byte) bool { return bytes.Equal(content, b.given[b.journal]) }
	if b.aside && !isGiven(journal) && !slices.ContainsFunc(slices.Collect(maps.Values(others)), isGiven) {
		return errors.New("the damaged file is gone")
	}
	return nil
}

// trace is what a gateway did from its start until it was killed, and what the
// clients know of it.
type trace struct {
	calls   []call
	changes map[int]change
	// before are the groups that were there before the clients pushed.
	before snapshot
	left   string // where a file can be put to be read

	// What follows is as far as the trace has been gone through.
	model    *model
	way      map[int64]change // those under way, by connection
	answered int
}

// traceOfPushes starts a gateway under strace and lets clients push, each to
// its own groups and one change after the other.
func (b *beginning) traceOfPushes(t *testing.T, r *rand.Rand, dir string, clients, pushes int) *trace {
	t.Helper()
	const groups = 8
	temp := t.TempDir()
	log := filepath.Join(temp, "trace")
	s := b.start(t, dir, traced(log, "-xx", "-s", "10000000", "-e", fileCalls)...)
	own := max(1, groups/clients)
	l := &trace{changes: make(map[int]change), left: filepath.Join(temp, "left"), model: newModel(clients, own), way: make(map[int64]change)}
	for _, g := range l.model.groups {
		g.client += 100 // none of those that have pushed before
	}
	live := l.model.copied()
	var mu sync.Mutex // of the changes
	var wg sync.WaitGroup
	for n := range clients {
		r := rand.New(rand.NewPCG(r.Uint64(), 0))
		wg.Go(func() {
			for number := n + 1; number <= pushes; number += clients {
				which := n*own + r.IntN(own)
				c := randomChange(r, live.groups[which], number)
				if a, err := sendVia(client, s.Addr, &c); err != nil || !a.taken(c) {
					t.Errorf("%s %s: got %d %q, %v", c.method, c.group.path(), a.status, a.body, err)
					return
				}
				c.group = l.model.groups[which]
				mu.Lock()
				l.changes[number] = c
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	s.Kill()
	awaitEndOf(t, log)
	l.calls = readTrace(t, log)
	all, err := read(filepath.Join(dir, b.journal))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range l.model.groups {
		delete(all, g.id())
	}
	l.before = all
	return l
}

var numberOfChange = regexp.MustCompile(numberHeader + `: (\d+)\r\n`)

// follow tells the model what a call means: from when its request is read a
// change may be in the file, and from its answer on it must.
func (l *trace) follow(c call) {
	switch c.name {
	case "read":
		if m := numberOfChange.FindSubmatch(c.text); m != nil {
			number, _ := strconv.Atoi(string(m[1]))
			l.way[c.numbers()[0]] = l.changes[number]
			l.changes[number].answered(false)
		}
	case "write":
		on := c.numbers()[0]
		if change, ok := l.way[on]; ok && c.isAnswer() {
			change.answered(true)
			delete(l.way, on)
			l.answered++
		}
	}
}

// isOfChange tells the answer to a change from that to a question, which has a
// body.
func isOfChange(answer []byte) bool {
	return bytes.Contains(answer, []byte("Content-Length: 0\r\n")) || bytes.Contains(answer, []byte("\r\n\r\nNothing was deleted"))
}

// allows finds a group that is neither as it was answered, nor as the change
// under way would leave it. Nothing is decided by that.
func (m *model) allows(got snapshot) error {
	known := 0
	for _, g := range m.groups {
		if _, ok := got[g.id()]; ok {
			known++
		}
		if !slices.ContainsFunc(append(slices.Clone(g.doubts), g.acked), func(s *state) bool { return g.is(s, got[g.id()]) }) {
			return fmt.Errorf("group %s: got\n%s\n\nwant\n%s\n\nor one of %d in doubt%s", g.id(), clip(got[g.id()]), clip(g.text(g.acked)), len(g.doubts), g.textOfDoubts())
		}
	}
	if known != len(got) {
		return fmt.Errorf("%d groups are there that nobody has pushed", len(got)-known)
	}
	return nil
}
