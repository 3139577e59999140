package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const recordedFiles = "../testdata/compat/persistence/"

// recordedGobs are the files that Pushgateway 1.11.3 wrote, without ".gob";
// see testdata/compat/README.md.
func recordedGobs(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob(recordedFiles + "1.11.3-*.gob")
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing is recorded: %v", err)
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".gob"))
	}
	return names
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// copyRecorded puts a recorded file into a directory of its own.
func copyRecorded(t *testing.T, name string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "metrics")
	writeFile(t, file, readFile(t, recordedFiles+name+".gob"))
	return file
}

// fileState is what must not change about a file.
type fileState struct {
	content  string
	mode     os.FileMode
	modified time.Time
}

// directory has the state of all files in a directory. Of what are no regular
// files only the names and kinds count.
type directory map[string]fileState

func lookAt(t testing.TB, dir string) directory {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := make(directory)
	for _, e := range entries {
		if !e.Type().IsRegular() {
			d[e.Name()] = fileState{mode: e.Type()}
			continue
		}
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		d[e.Name()] = fileState{readFile(t, filepath.Join(dir, e.Name())), info.Mode(), info.ModTime()}
	}
	return d
}

func (d directory) names() []string { return slices.Sorted(maps.Keys(d)) }

// wantUntouched looks for files that have changed, come or gone.
func (d directory) wantUntouched(t testing.TB, dir string) {
	t.Helper()
	now := lookAt(t, dir)
	if !slices.Equal(now.names(), d.names()) {
		t.Errorf("there were %v, and there are %v", d.names(), now.names())
	}
	for name, state := range d {
		if now[name] != state {
			t.Errorf("%s has changed", name)
		}
	}
}

// wantRecorded compares with what 1.11.3 answered.
func (s *server) wantRecorded(name string) {
	s.t.Helper()
	got, want := exactScrape(s.scrape("Accept", textAsPushed).body), exactScrape(readFile(s.t, recordedFiles+name+".scrape.txt"))
	if !slices.Equal(got, want) {
		s.t.Errorf("scrape: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	got, want = exactMetrics(s.t, s.get("/api/v1/metrics").body), exactMetrics(s.t, readFile(s.t, recordedFiles+name+".api.json"))
	if !slices.Equal(got, want) {
		s.t.Errorf("/api/v1/metrics: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// exactMetrics gives the groups in an answer of /api/v1/metrics, sorted, and
// times in one form.
func exactMetrics(t testing.TB, text string) (groups []string) {
	t.Helper()
	var a struct{ Data []map[string]any }
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatal(err)
	}
	for _, group := range a.Data {
		for _, v := range group {
			if family, ok := v.(map[string]any); ok && family["time_stamp"] != nil {
				at, err := time.Parse(time.RFC3339Nano, family["time_stamp"].(string))
				if err != nil {
					t.Fatal(err)
				}
				family["time_stamp"] = at.UTC()
			}
		}
		groups = append(groups, marshal(t, group))
	}
	slices.Sort(groups)
	return groups
}

func TestUpgrade(t *testing.T) {
	for _, name := range recordedGobs(t) {
		t.Run(name, func(t *testing.T) {
			file := copyRecorded(t, name)
			before := lookAt(t, filepath.Dir(file))
			args := []string{"--persistence.file=" + file, "--web.enable-openmetrics"}
			s := start(t, args...)
			s.wantRecorded(name)
			s.proc.Stop()
			s = start(t, args...)
			s.wantRecorded(name)

			s.push("/metrics/job/backup/instance/db1", "backup_duration_seconds 13\n", http.StatusOK)
			s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/empty", "")
			s.push("/metrics/job/new", "new 1\n", http.StatusOK)
			all := s.everything()
			s.proc.Kill()
			s = start(t, args...)
			s.wantEverything(all)
			s.wantSeries([]string{`backup_duration_seconds{instance="db1",job="backup"} 13`, `new{instance="",job="new"} 1`}, nil)
			s.proc.Stop()

			after := lookAt(t, filepath.Dir(file))
			if want := []string{"metrics", "metrics.db"}; !slices.Equal(after.names(), want) {
				t.Errorf("there are %v, want %v", after.names(), want)
			}
			if after["metrics"] != before["metrics"] {
				t.Error("the file of 1.11 has changed")
			}
			wantWhole(t, file)
			wantWhole(t, file+".db")

			// Without the file of 1.11 the journal is what there is.
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			s = start(t, args...)
			s.wantEverything(all)
			s.proc.Stop()
			if names := lookAt(t, filepath.Dir(file)).names(); !slices.Equal(names, []string{"metrics.db"}) {
				t.Errorf("there are %v", names)
			}
		})
	}
}

// refusedStart starts a gateway that must end with exit code 1, and gives what
// it says beside its log.
func refusedStart(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := command(t, append([]string{"--web.listen-address=127.0.0.1:0"}, args...)...)
	if code != 1 || out != "" {
		t.Errorf("%v: exit code %d, %q on the standard output", args, code, out)
	}
	var said strings.Builder
	for line := range strings.Lines(errs) {
		if !strings.HasPrefix(line, "time=") {
			said.WriteString(line)
		}
	}
	return said.String()
}

// changedFile has a file of 1.11 that is not the one its journal was made of:
// the journal has a push more, and the file has the groups in stored.
func changedFile(t *testing.T) (file string, journal map[string]string) {
	t.Helper()
	file = copyRecorded(t, "1.11.3-legacy")
	s := start(t, "--persistence.file="+file, "--web.enable-openmetrics")
	s.push("/metrics/job/new", "new 1\n", http.StatusOK)
	journal = s.everything()
	s.proc.Stop()
	writeGob(t, file, storedGroups(t))
	return file, journal
}

func TestUpgradeOfChangedFile(t *testing.T) {
	file, _ := changedFile(t)
	before := lookAt(t, filepath.Dir(file))
	offers := fmt.Sprintf("pushgateway: the persistence file %[1]s is not the one that %[1]s.db was made from: Pushgateway 1.11 has written it since, or it was replaced. Neither was changed. Choose one of them:\n"+
		"  pushgateway import --replace %[1]s   uses the groups of %[1]s, and keeps the present %[1]s.db under another name\n"+
		"  pushgateway import --keep %[1]s      continues with %[1]s.db, and ignores what is new in %[1]s\n", file)
	for _, salvage := range []string{"--no-persistence.salvage", "--persistence.salvage"} {
		if said := refusedStart(t, "--persistence.file="+file, salvage); said != offers {
			t.Errorf("%s: got %q, want %q", salvage, said, offers)
		}
	}
	for _, args := range [][]string{{"import", file}, {"export", "--format=text", file}} {
		if code, out, errs := command(t, args...); code != 1 || out != "" || errs != offers {
			t.Errorf("%v: exit code %d, %q, %q", args, code, out, errs)
		}
	}
	before.wantUntouched(t, filepath.Dir(file))
}

func TestUpgradeKeepsTheJournal(t *testing.T) {
	file, journal := changedFile(t)
	changed := readFile(t, file)
	if code, out, errs := command(t, "import", "--keep", file); code != 0 || out != file+".db is ready; serve it with --persistence.file="+file+", as before\n" || errs != "" {
		t.Fatalf("exit code %d, %q, %q", code, out, errs)
	}
	s := start(t, "--persistence.file="+file, "--web.enable-openmetrics")
	s.wantEverything(journal)
	s.proc.Stop()
	if names := lookAt(t, filepath.Dir(file)).names(); !slices.Equal(names, []string{"metrics", "metrics.db"}) || readFile(t, file) != changed {
		t.Errorf("there are %v", names)
	}
}

func TestUpgradeReplacesTheJournal(t *testing.T) {
	file, journal := changedFile(t)
	changed := readFile(t, file)
	code, out, errs := command(t, "import", "--replace", file)
	if code != 0 || out != file+".db is ready; serve it with --persistence.file="+file+", as before\n" {
		t.Fatalf("exit code %d, %q, %q", code, out, errs)
	}
	s := start(t, "--persistence.file="+file, "--web.enable-openmetrics")
	s.wantExposed(storedGroups(t))
	s.proc.Stop()
	if readFile(t, file) != changed {
		t.Error("the file of 1.11 has changed")
	}
	names := lookAt(t, filepath.Dir(file)).names()
	if len(names) != 3 || !strings.HasPrefix(names[2], "metrics.db.replaced-") {
		t.Fatalf("there are %v", names)
	}
	aside := filepath.Join(filepath.Dir(file), names[2])
	if !strings.Contains(errs, aside) {
		t.Errorf("it does not say where the journal is: %q", errs)
	}
	wantWhole(t, aside)
	s = start(t, "--persistence.file="+aside, "--web.enable-openmetrics")
	s.wantEverything(journal)
}

// TestUpgradeReplacesBehindLink replaces the journal that a link leads to.
func TestUpgradeReplacesBehindLink(t *testing.T) {
	file, _ := changedFile(t)
	journal := filepath.Join(t.TempDir(), "journal")
	if err := errors.Join(os.Rename(file+".db", journal), os.Symlink(journal, file+".db")); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command(t, "import", "--replace", file); code != 0 {
		t.Fatal(errs)
	}
	if d := lookAt(t, filepath.Dir(file)); len(d) != 2 || d["metrics.db"].mode != os.ModeSymlink {
		t.Errorf("there are %v", d.names())
	}
	if names := lookAt(t, filepath.Dir(journal)).names(); len(names) != 2 || !strings.HasPrefix(names[1], "journal.replaced-") {
		t.Errorf("behind the link there are %v", names)
	}
	start(t, "--persistence.file="+file, "--web.enable-openmetrics").wantExposed(storedGroups(t))
}

// TestUpgradeAndBackTo15 has a Pushgateway 1.5 go on with its own file after
// an upgrade, and with an export.
func TestUpgradeAndBackTo15(t *testing.T) {
	peer, err := exec.LookPath("prometheus-pushgateway")
	if err != nil {
		t.Skip("prometheus-pushgateway is missing")
	}
	startPeer := func(file string) *server {
		p := startProcess(t, peer, "--web.listen-address=127.0.0.1:0", "--persistence.file="+file)
		return &server{t: t, addr: p.Addr, base: "http://" + p.Addr, log: p.Log, proc: p}
	}
	file := filepath.Join(t.TempDir(), "metrics")
	old := startPeer(file)
	for _, g := range stored {
		old.push(g.path, g.body, http.StatusOK)
	}
	scrape := exactScrape(old.scrape().body)
	old.proc.Stop()

	s := start(t, "--persistence.file="+file)
	if got := exactScrape(s.scrape().body); !slices.Equal(got, scrape) {
		t.Errorf("after the upgrade: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(scrape, "\n"))
	}
	s.push("/metrics/job/here", "here 1\n", http.StatusOK)
	scrape = exactScrape(s.scrape().body)
	s.proc.Stop()

	// Back, without what has happened since.
	old = startPeer(file)
	old.wantSeries([]string{`greek{instance="",job="titan",name="Προ"} 1`}, []string{`here{instance="",job="here"} 1`})
	old.push("/metrics/job/there", "there 1\n", http.StatusOK)
	old.proc.Stop()
	if said := refusedStart(t, "--persistence.file="+file); !strings.Contains(said, "import --replace "+file) || !strings.Contains(said, "import --keep "+file) {
		t.Errorf("got %q", said)
	}

	// Back, with all of it.
	exported := filepath.Join(t.TempDir(), "metrics")
	if code, _, errs := command(t, "export", "--format=gob", "--output="+exported, file+".db"); code != 0 || errs != "" {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	old = startPeer(exported)
	if got := exactScrape(old.scrape().body); !slices.Equal(got, scrape) {
		t.Errorf("exported: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(scrape, "\n"))
	}
	old.proc.Kill() // it has nothing to write, and may not listen to signals yet

	if code, _, errs := command(t, "import", "--replace", file); code != 0 {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	s = start(t, "--persistence.file="+file)
	s.wantSeries([]string{`there{instance="",job="there"} 1`}, []string{`here{instance="",job="here"} 1`})
}

// TestUpgradeRestored puts a backup in the place of the journal that was made
// of a file of 1.11, and in the place of that file.
func TestUpgradeRestored(t *testing.T) {
	file := copyRecorded(t, "1.11.3-legacy")
	s := start(t, "--persistence.file="+file, "--web.enable-admin-api", "--web.enable-openmetrics")
	s.push("/metrics/job/new", "new 1\n", http.StatusOK)
	all := s.everything()
	backup := filepath.Join(t.TempDir(), "backup")
	if code, _, errs := command(t, "backup", "--url="+s.base, backup); code != 0 {
		t.Fatal(errs)
	}
	s.push("/metrics/job/new", "new 2\n", http.StatusOK)
	s.proc.Stop()
	for _, place := range []string{file + ".db", file} {
		writeFile(t, place, readFile(t, backup))
		s = start(t, "--persistence.file="+file, "--web.enable-openmetrics")
		s.wantEverything(all)
		s.push("/metrics/job/new", "new 3\n", http.StatusOK)
		s.proc.Stop()
	}
	if !strings.Contains(s.log.String(), "ignoring the one beside it") {
		t.Errorf("the log does not say that there are two journals\n%s", s.log)
	}
}

// TestUpgradeSalvaged damages a journal that was made of a file of 1.11, in
// places that are read before its groups.
func TestUpgradeSalvaged(t *testing.T) {
	for name, tt := range map[string]struct {
		damage func(content []byte)
		warns  bool // it cannot be known any more what it was made of
	}{
		"meta page":       {func(b []byte) { b[20] ^= 1 }, false},
		"other meta page": {func(b []byte) { b[4096+20] ^= 1 }, false},
		"state": {func(b []byte) {
			for at, name := 0, []byte("state"); bytes.Contains(b[at:], name); {
				at += bytes.Index(b[at:], name) + len(name)
				b[at+10] ^= 1 // in the checksum, where it is the name of the value
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			file := copyRecorded(t, "1.11.3-legacy")
			if code, _, errs := command(t, "import", file); code != 0 {
				t.Fatal(errs)
			}
			content := []byte(readFile(t, file+".db"))
			tt.damage(content)
			writeFile(t, file+".db", string(content))
			wantSentence(t, refusedStart(t, "--persistence.file="+file), file+".db", "damaged", "--persistence.salvage")

			s := start(t, "--persistence.file="+file, "--persistence.salvage")
			s.wantRecorded("1.11.3-legacy")
			if warned := strings.Contains(s.log.String(), "which file it was made from"); warned != tt.warns {
				t.Errorf("it warns: %v\n%s", warned, s.log)
			}
			s.proc.Stop()
			start(t, "--persistence.file="+file).wantRecorded("1.11.3-legacy")
		})
	}
}
