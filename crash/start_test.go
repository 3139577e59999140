package crash_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/storage"
	"pushgateway/internal/testproc"
)

// beginning is something that a start does beyond reading a journal, and that
// may be interrupted.
type beginning struct {
	name string
	// given are the files that it finds, by name.
	given map[string][]byte
	// file is the persistence file, and journal what it means.
	file, journal string
	args          []string
	// aside tells that what was given as the journal must not be lost.
	aside bool
	want  *regexp.Regexp // its log has to say so
	sees  func(*server) string
	state string // that the start must lead to
}

const journal = "journal"

// beginnings prepares all of them, each with the state that an undisturbed
// start leads to.
func beginnings(t *testing.T) []*beginning {
	t.Helper()
	all := []*beginning{creation(), importing(t, "legacy"), importing(t, "utf8"), compaction(t), salvage(t)}
	for _, b := range all {
		dir := t.TempDir()
		b.prepare(t, dir)
		s := b.start(t, dir)
		state := b.sees(s)
		if b.want != nil && !b.want.MatchString(s.Log.String()) {
			t.Fatalf("%s: the start did not do what it is tested for\n%s", b.name, s.Log)
		}
		s.Kill()
		if b.state == "" {
			b.state = state
		}
		if state != b.state {
			t.Fatalf("%s: got\n%s\nwant\n%s", b.name, clip(state), clip(b.state))
		}
	}
	return all
}

func creation() *beginning {
	return &beginning{name: "create", file: journal, journal: journal, sees: (*server).groups}
}

// importing is the first start with a file that 1.11.3 has written.
func importing(t *testing.T, name string) *beginning {
	t.Helper()
	path := "../testdata/compat/persistence/1.11.3-" + name
	return &beginning{
		name:    "import " + name,
		given:   map[string][]byte{"metrics": readFile(t, path+".gob")},
		file:    "metrics",
		journal: "metrics" + storage.Suffix,
		want:    regexp.MustCompile("Imported the file of Pushgateway 1.11"),
		sees:    (*server).pushedLines,
	}
}

// compaction is a start with a journal that is mostly empty.
func compaction(t *testing.T) *beginning {
	t.Helper()
	const groups, kept = 24, 3
	file := filepath.Join(t.TempDir(), journal)
	s := start(t, file)
	m := newModel(1, groups)
	for _, g := range m.groups {
		s.must(change{group: g, method: http.MethodPut, number: m.next(), families: []string{"crash_gauge", noise}, noise: 700})
	}
	for _, g := range m.groups[kept:] {
		s.must(change{group: g, method: http.MethodDelete, number: m.next()})
	}
	before := s.scrape()
	m.compare(t, "before a start", before, false)
	s.Stop()
	return &beginning{
		name:  "compact",
		given: map[string][]byte{journal: readFile(t, file)},
		file:  journal, journal: journal,
		want:  regexp.MustCompile("Shrank the journal"),
		sees:  (*server).groups,
		state: before.text(),
	}
}

// salvage is a start with a journal of which one group is damaged.
func salvage(t *testing.T) *beginning {
	t.Helper()
	file := filepath.Join(t.TempDir(), journal)
	s := start(t, file)
	m := newModel(1, 8)
	for _, g := range m.groups {
		s.must(change{group: g, method: http.MethodPut, number: m.next(), families: []string{"crash_gauge", noise}, noise: 20})
	}
	whole := s.scrape()
	m.compare(t, "before a start", whole, false)
	s.Stop()
	content := readFile(t, file)
	content[whereabouts(t, content, 4)] ^= 1
	delete(whole, m.groups[3].id())
	return &beginning{
		name:  "salvage",
		given: map[string][]byte{journal: content},
		file:  journal, journal: journal, args: []string{"--persistence.salvage"},
		aside: true,
		want:  regexp.MustCompile("Salvage: continuing with the intact records"),
		sees:  (*server).groups,
		state: whole.text(),
	}
}

// whereabouts finds the noise of a push in a file. Compression leaves parts of
// it as they are.
func whereabouts(t *testing.T, content []byte, number int) int {
	t.Helper()
	const part = 24
	for i := range 20 {
		for text := random(number, i); len(text) >= part; text = text[1:] {
			if at := bytes.Index(content, []byte(text[:part])); at >= 0 {
				return at
			}
		}
	}
	t.Fatal("the push is not in the file as it was sent")
	return 0
}

// prepare puts into a directory what the start finds.
func (b *beginning) prepare(t testing.TB, dir string) {
	t.Helper()
	for name, content := range b.given {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *beginning) launch(t testing.TB, dir string, under ...string) *server {
	t.Helper()
	cmd := command(filepath.Join(dir, b.file), under...)
	cmd.Args = append(cmd.Args, b.args...)
	return &server{testproc.Launch(t, cmd), t}
}

func (b *beginning) start(t testing.TB, dir string, under ...string) *server {
	t.Helper()
	s := b.launch(t, dir, under...)
	if !s.awaitReady() {
		t.Fatalf("%s: it exited at startup\n%s", b.name, s.Log)
	}
	return s
}

// check starts the gateway undisturbed: it has to find its way from wherever
// it was stopped. What was given to it must still be there.
func (b *beginning) check(t testing.TB, dir string) {
	t.Helper()
	s := b.start(t, dir)
	if got := b.sees(s); got != b.state {
		t.Errorf("%s: after an interrupted start: got\n%s\nwant\n%s\n%s", b.name, clip(got), clip(b.state), s.Log)
	}
	x := change{group: &group{client: 9}, method: http.MethodPut, number: 1, families: smallNames}
	s.must(x)
	s.Kill()
	got, err := read(filepath.Join(dir, b.journal))
	if err != nil || !x.group.is(x.group.acked, got[x.group.id()]) {
		t.Errorf("%s: what was pushed after an interrupted start is not there: %v", b.name, err)
	}
	b.checkFiles(t, dir)
}

// checkFiles looks for what was given, and for what should not have been left.
func (b *beginning) checkFiles(t testing.TB, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	kept := false
	for _, path := range files {
		name := filepath.Base(path)
		given := b.given[name]
		switch {
		case strings.HasPrefix(name, b.journal+".damaged-"):
			kept = kept || bytes.Equal(readFile(t, path), b.given[b.journal])
		case name == b.journal:
		case given == nil:
			t.Errorf("%s: an interrupted start has left %s", b.name, name)
		case !bytes.Equal(readFile(t, path), given):
			t.Errorf("%s: %s has been changed", b.name, name)
		}
	}
	if b.aside && !kept {
		t.Errorf("%s: the damaged file is gone; there are %q", b.name, files)
	}
}

// TestKillAtStart kills the gateway while it makes a journal, imports one,
// makes one smaller, or salvages one, several times in a row.
func TestKillAtStart(t *testing.T) {
	t.Parallel()
	r := randomness(t)
	for _, b := range beginnings(t) {
		took := b.measure(t)
		for range max(1, *rounds/10) {
			dir := t.TempDir()
			b.prepare(t, dir)
			for range 1 + r.IntN(3) {
				b.interrupt(t, dir, r, took)
			}
			b.check(t, dir)
			if t.Failed() {
				return
			}
		}
	}
}

// measure tells how long an undisturbed start takes after its first words.
func (b *beginning) measure(t *testing.T) time.Duration {
	t.Helper()
	dir := t.TempDir()
	b.prepare(t, dir)
	s := b.launch(t, dir)
	s.awaitFirstWords()
	began := time.Now()
	if !s.awaitReady() {
		t.Fatalf("%s: it does not start\n%s", b.name, s.Log)
	}
	defer s.Kill()
	return time.Since(began)
}

func (s *server) awaitFirstWords() {
	s.t.Helper()
	for deadline := time.Now().Add(testproc.Patience); !strings.Contains(s.Log.String(), "Starting pushgateway"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("it does not start\n%s", s.Log)
		}
	}
}

// interrupt kills a start at a random moment.
func (b *beginning) interrupt(t *testing.T, dir string, r *rand.Rand, took time.Duration) {
	t.Helper()
	s := b.launch(t, dir)
	s.awaitFirstWords()
	<-time.After(time.Duration(r.Int64N(int64(took))))
	s.Kill()
}

// groups shows all groups of the model as they are scraped.
func (s *server) groups() string {
	s.t.Helper()
	return s.scrape().text()
}

func (s snapshot) text() string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s\n%s\n", id, s[id])
	}
	return b.String()
}

// pushedLines are all lines of a scrape but for those of the gateway itself.
func (s *server) pushedLines() string {
	s.t.Helper()
	var lines []string
	for line := range strings.Lines(s.get("/metrics").body) {
		if own := regexp.MustCompile(`^(# (HELP|TYPE) )?(pushgateway|go|process)_`); !own.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
