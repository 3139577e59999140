package crash_test

import (
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// What a process has written and not synced is shown to the next one as if it
// were on disk, and so is what a failed sync has given up. A power cut then
// takes it away from under what was acknowledged since.

// earlier is how a gateway leaves the file in which it deletes a group.
type earlier struct {
	name   string
	inject string // for the last sync of the delete
	goesOn bool   // it survives, and need not be started again
}

// TestPowerCutAfter cuts the power under a gateway that goes on with a file
// that has more to show than is on disk.
func TestPowerCutAfter(t *testing.T) {
	needStrace(t)
	for _, e := range []earlier{
		{name: "a kill", inject: "signal=KILL"},
		{name: "a failed sync", inject: "error=EIO", goesOn: true},
		{name: "a failed sync and a kill", inject: "error=EIO"},
	} {
		t.Run(e.name, e.run)
	}
}

// life is one process: what it did, and what it was asked for.
type life struct {
	calls   []call
	changes []change
	taken   []bool
}

func (e earlier) run(t *testing.T) {
	r := randomness(t)
	file := filepath.Join(t.TempDir(), "journal")
	m := newModel(1, 8)
	s := start(t, file)
	for _, g := range m.groups {
		s.must(change{group: g, method: http.MethodPut, number: m.next(), families: smallNames})
	}
	s.Stop()
	d := newDisk(map[string][]byte{file: readFile(t, file)})
	before := m.copied()

	gone := m.groups[0]
	var lives []life
	l := recorded(t, file, "inject=fdatasync:"+e.inject+":when=1", func(s *server, l *life) {
		l.try(s, change{group: gone, method: http.MethodDelete, number: m.next()})
		for n := 0; e.goesOn && !l.taken[n]; n++ {
			time.Sleep(50 * time.Millisecond)
			l.try(s, change{group: m.groups[1], method: http.MethodPut, number: m.next(), families: smallNames})
		}
	})
	if l.taken[0] {
		t.Skip("the sync that was to fail has been another one")
	}
	lives = append(lives, l, recorded(t, file, "", func(s *server, l *life) {
		l.try(s, change{group: gone, method: http.MethodDelete, number: m.next()})
		for range 10 {
			c := randomChange(r, m.groups[1+r.IntN(len(m.groups)-1)], m.next())
			if c.method == http.MethodPost {
				c.method = http.MethodPut // does not depend on what was there
			}
			l.try(s, c)
		}
	}))
	before.cutThrough(t, r, d, file, lives)
}

// recorded runs a gateway under strace until it has done what it is for.
func recorded(t *testing.T, file, inject string, do func(*server, *life)) (l life) {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	args := []string{"-xx", "-s", "10000000", "-e", fileCalls}
	if inject != "" {
		args = append(args, "-e", inject)
	}
	s := start(t, file, traced(trace, args...)...)
	do(s, &l)
	s.Kill()
	awaitEndOf(t, trace)
	l.calls = readTrace(t, trace)
	return l
}

// try makes a change that may end the gateway.
func (l *life) try(s *server, c change) {
	a, err := sendVia(client, s.Addr, &c)
	l.changes, l.taken = append(l.changes, c), append(l.taken, err == nil && a.taken(c))
}

// copied gives a model that knows what this one does, for changes to be gone
// through again.
func (m *model) copied() *model {
	c := &model{number: m.number}
	for _, g := range m.groups {
		again := *g
		c.groups = append(c.groups, &again)
	}
	return c
}

// cutThrough goes through lives and makes disks for each moment.
func (m *model) cutThrough(t *testing.T, r *rand.Rand, d *disk, journal string, lives []life) {
	t.Helper()
	left := filepath.Join(t.TempDir(), "left")
	disks := 0
	for n, l := range lives {
		d.open = make(map[int64]string)
		answered := 0
		l.begin(m, answered)
		for _, c := range l.calls {
			if c.isAnswer() && isOfChange(c.text) {
				for !l.taken[answered] {
					answered++
				}
				l.of(m, answered).answered(true)
				answered++
				l.begin(m, answered)
			}
			if d.apply(c); !slices.Contains([]string{"pwrite64", "ftruncate", "fdatasync", "fsync", "renameat", "write"}, c.name) {
				continue
			}
			for range 4 {
				content, ok := d.cut(r)[journal]
				if disks++; !ok {
					t.Fatal("the journal is gone")
				}
				if err := os.WriteFile(left, content, 0o600); err != nil {
					t.Fatal(err)
				}
				got, err := read(left)
				if err == nil {
					err = m.allows(got)
				}
				if err != nil {
					t.Fatalf("life %d, after %d answers, at %s(%s: %v", n, answered, c.name, c.args, err)
				}
			}
		}
	}
	t.Logf("%d disks", disks)
}

// begin puts in doubt what may be under way once so many changes have been
// answered: all up to the next that was taken.
func (l *life) begin(m *model, answered int) {
	for i := answered; i < len(l.changes); i++ {
		l.of(m, i).answered(false)
		if l.taken[i] {
			return
		}
	}
}

// of gives a change as that of the group that a model has.
func (l *life) of(m *model, i int) change {
	c := l.changes[i]
	c.group = m.groups[c.group.number]
	return c
}
