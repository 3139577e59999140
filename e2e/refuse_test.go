package e2e

import (
	"bytes"
	bytesOf "encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cespare/xxhash/v2"
	"go.etcd.io/bbolt"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// makeJournal gives a journal with groups {job="0000"} and so on, as large as
// it has to be, alone in its directory.
func makeJournal(t testing.TB, groups int) (file string) {
	t.Helper()
	all := make([]*gateway.Group, groups)
	for i := range all {
		key := grouping.Key(fmt.Sprintf("job\xff%04d", i))
		g := gateway.Group{Key: key, Pushed: storedGroupsAt}
		for _, b := range renderText(t, key, fmt.Sprintf("# HELP m Help.\n# TYPE m gauge\nm{a=\"%x\"} %d\n", xxhash.Sum64String(string(key)), i)) {
			g.Families = append(g.Families, gateway.Held{Block: b, Pushed: g.Pushed})
		}
		all[i] = gateway.Restore(g)
	}
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	writeGob(t, old, all)
	if code, _, errs := command(t, "import", old); code != 0 {
		t.Fatal(errs)
	}
	if err := os.Remove(old); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "metrics")
	if err := os.Rename(old+".db", file); err != nil {
		t.Fatal(err)
	}
	return file
}

// flipIn flips a bit in the record of a group.
func flipIn(t testing.TB, file, job string) {
	t.Helper()
	b := []byte(readFile(t, file))
	key := []byte("job\xff" + job)
	at := bytes.LastIndex(b, key)
	if at < 0 {
		t.Fatalf("there is no group of job %s", job)
	}
	b[at+len(key)+20] ^= 4
	writeFile(t, file, string(b))
}

func truncate(t testing.TB, file string, size int64) {
	t.Helper()
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
}

// fromTheFuture makes the file one of the next format.
func fromTheFuture(t testing.TB, file string) {
	t.Helper()
	db := must(bbolt.Open(file, 0o600, nil))
	err := db.Update(func(tx *bbolt.Tx) error {
		state := tx.Bucket([]byte("state"))
		b := slices.Clone(state.Get([]byte("state")))
		b[0]++
		bytesOf.LittleEndian.PutUint64(b[1:], xxhash.Sum64(slices.Concat(b[:1], b[9:])))
		return state.Put([]byte("state"), b)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// ofAnotherProgram makes a file of bbolt that is none of ours.
func ofAnotherProgram(t testing.TB, file string) {
	t.Helper()
	db := must(bbolt.Open(file, 0o600, nil))
	err := db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("theirs"))
		if err != nil {
			return err
		}
		return b.Put([]byte("key"), []byte("value"))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestStartErrors starts with files that cannot be used. Each error says in a
// line which file, what is wrong and what can be done; nothing is changed.
func TestStartErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare  func(t *testing.T) (file string)
		says     []string
		salvages bool // --persistence.salvage can do something
	}{
		"directory": {func(t *testing.T) string { return t.TempDir() }, []string{"is a directory", "name a file in it"}, false},
		"pipe": {func(t *testing.T) string {
			file := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(file, 0o600); err != nil {
				t.Fatal(err)
			}
			return file
		}, []string{"a pipe", "name a regular file"}, false},
		"missing directory": {func(t *testing.T) string { return filepath.Join(t.TempDir(), "nowhere", "metrics") },
			[]string{"no such file or directory", "create the directory"}, false},
		"file in place of a directory": {func(t *testing.T) string {
			file := filepath.Join(t.TempDir(), "file")
			writeFile(t, file, "x")
			return filepath.Join(file, "metrics")
		}, []string{"not a directory", "create the directory"}, false},
		"link to nothing": {func(t *testing.T) string {
			file := filepath.Join(t.TempDir(), "metrics")
			if err := os.Symlink("elsewhere", file); err != nil {
				t.Fatal(err)
			}
			return file
		}, []string{"a link to elsewhere", "does not exist", "remove the link"}, false},
		"empty file": {func(t *testing.T) string {
			file := filepath.Join(t.TempDir(), "metrics")
			writeFile(t, file, "")
			return file
		}, []string{"it is empty", "Remove it", "backup"}, false},
		"text": {func(t *testing.T) string {
			file := filepath.Join(t.TempDir(), "metrics")
			writeFile(t, file, "# TYPE m gauge\nm 1\n")
			return file
		}, []string{"not a journal of this program", "ame another file", "restore a backup"}, false},
		"long text": {func(t *testing.T) string {
			file := filepath.Join(t.TempDir(), "metrics")
			writeFile(t, file, strings.Repeat("# TYPE m gauge\nm 1\n", 10_000))
			return file
		}, []string{"not a journal of this program", "ame another file", "restore a backup"}, false},
		"another program's": {func(t *testing.T) string {
			file := filepath.Join(t.TempDir(), "metrics")
			ofAnotherProgram(t, file)
			return file
		}, []string{"bbolt", "of another program", "ame another file"}, false},
		"newer version": {func(t *testing.T) string {
			file := makeJournal(t, 3)
			fromTheFuture(t, file)
			return file
		}, []string{"newer version", "format is 2, but this version reads 1", "start the newer version"}, false},
		"damaged gob": {func(t *testing.T) string {
			file := copyRecorded(t, "1.11.3-legacy")
			truncate(t, file, 4000)
			return file
		}, []string{"Pushgateway 1.11", "at byte 4000", "truncated", "backup"}, false},
		"truncated": {func(t *testing.T) string {
			file := makeJournal(t, 500)
			truncate(t, file, int64(len(readFile(t, file))/2))
			return file
		}, []string{"damaged", "the file ends before", "pushgateway verify", "--persistence.salvage", "backup"}, true},
		"truncated by a byte": {func(t *testing.T) string {
			file := makeJournal(t, 3)
			truncate(t, file, int64(len(readFile(t, file))-1))
			return file
		}, []string{"damaged", "the file ends before", "pushgateway verify", "--persistence.salvage", "backup"}, true},
		"flipped bit": {func(t *testing.T) string {
			file := makeJournal(t, 20)
			flipIn(t, file, "0007")
			return file
		}, []string{"damaged", `group {job="0007"}`, "checksum", "pushgateway verify", "--persistence.salvage", "backup"}, true},
		"journal of an upgrade": {func(t *testing.T) string {
			file := copyRecorded(t, "1.11.3-legacy")
			if code, _, errs := command(t, "import", file); code != 0 {
				t.Fatal(errs)
			}
			truncate(t, file+".db", 10_000)
			return file
		}, []string{".db", "damaged", "the file ends before", "--persistence.salvage"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			file := tt.prepare(t)
			dir := filepath.Dir(file)
			for {
				if info, err := os.Stat(dir); err == nil && info.IsDir() {
					break
				}
				dir = filepath.Dir(dir)
			}
			before := lookAt(t, dir)
			runs := [][]string{nil}
			if !tt.salvages {
				runs = append(runs, []string{"--persistence.salvage"})
			}
			for _, args := range runs {
				wantSentence(t, refusedStart(t, append(args, "--persistence.file="+file)...), append(tt.says, file)...)
				before.wantUntouched(t, dir)
			}
		})
	}
}

// wantSentence looks for parts in what must be one line.
func wantSentence(t testing.TB, said string, parts ...string) {
	t.Helper()
	if !strings.HasPrefix(said, "pushgateway: ") || strings.Count(said, "\n") != 1 || !strings.HasSuffix(said, "\n") {
		t.Errorf("this is not one line: %q", said)
	}
	for _, part := range parts {
		if !strings.Contains(said, part) {
			t.Errorf("it does not say %q: %q", part, said)
		}
	}
}

func TestStartOnFileInUse(t *testing.T) {
	file := makeJournal(t, 3)
	s := start(t, "--persistence.file="+file)
	before := lookAt(t, filepath.Dir(file))
	parts := []string{file, "another process uses", "stop that process first", "`pushgateway backup`"}
	wantSentence(t, refusedStart(t, "--persistence.file="+file), parts...)
	wantSentence(t, refusedStart(t, "--persistence.file="+file, "--persistence.salvage"), parts...)
	for _, args := range [][]string{{"verify", file}, {"export", "--format=gob", file}} {
		code, out, errs := command(t, args...)
		if wantSentence(t, errs, parts...); code != 1 || out != "" {
			t.Errorf("%v: exit code %d, %q", args, code, out)
		}
	}
	before.wantUntouched(t, filepath.Dir(file))
	s.push("/metrics/job/a", "more 1\n", http.StatusOK)
}

// nobody is a user without rights, on Debian and others.
const nobody = 65534

// asNobody makes commands run without the rights of root. It gives a directory
// that belongs to their user.
func asNobody(t *testing.T) (dir string, run func(args ...string) *exec.Cmd) {
	t.Helper()
	dir = t.TempDir()
	run = func(args ...string) *exec.Cmd { return exec.Command(binary, args...) }
	if os.Geteuid() != 0 {
		return dir, run
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Skipf("a directory cannot be given to another user: %v", err)
	}
	for _, d := range []string{filepath.Dir(dir), filepath.Dir(binary)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run = func(args ...string) *exec.Cmd {
		cmd := exec.Command(binary, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return cmd
	}
	if err := run("--version").Run(); err != nil {
		t.Skipf("another user cannot run the gateway here: %v", err)
	}
	return dir, run
}

func TestStartWithoutPermission(t *testing.T) {
	for name, tt := range map[string]struct {
		file, dir fs.FileMode
		exists    bool
	}{
		"to read":        {0o200, 0o700, true},
		"to write":       {0o400, 0o700, true},
		"to make a file": {0, 0o500, false},
		"to look":        {0o600, 0o600, true},
	} {
		t.Run(name, func(t *testing.T) {
			journal := makeJournal(t, 3)
			dir, run := asNobody(t)
			file := filepath.Join(dir, "metrics")
			if tt.exists {
				writeFile(t, file, readFile(t, journal))
				if err := errors.Join(os.Chown(file, os.Geteuid(), os.Getegid()), os.Chmod(file, tt.file)); err != nil {
					t.Fatal(err)
				}
				if os.Geteuid() == 0 {
					if err := os.Chown(file, nobody, nobody); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := os.Chmod(dir, tt.dir); err != nil {
				t.Fatal(err)
			}
			var errs bytes.Buffer
			cmd := run("--web.listen-address=127.0.0.1:0", "--log.level=error", "--persistence.file="+file)
			cmd.Stderr = &errs
			if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 {
				t.Errorf("it ended with %v", err)
			}
			wantSentence(t, errs.String(), file, "permission denied", "read and write the file")
			if tt.file == 0o400 { // enough to look at it
				if out, err := run("verify", file).CombinedOutput(); err != nil {
					t.Errorf("verify: %v, %s", err, out)
				}
			} else if tt.exists {
				out, _ := run("verify", file).CombinedOutput()
				wantSentence(t, string(out), file, "permission denied", "as the user of the gateway")
			}

			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			names := lookAtNames(t, dir)
			if !tt.exists && len(names) > 0 || tt.exists && !slices.Equal(names, []string{"metrics"}) {
				t.Errorf("there are %v", names)
			}
		})
	}
}

func lookAtNames(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestStartSalvages goes on with what is whole of a damaged file.
func TestStartSalvages(t *testing.T) {
	const groups = 500
	for name, tt := range map[string]struct {
		damage func(t *testing.T, file string)
		lost   string // the one group that is, "" if others are
	}{
		"flipped bit":         {func(t *testing.T, file string) { flipIn(t, file, "0123") }, "0123"},
		"truncated":           {func(t *testing.T, file string) { truncate(t, file, int64(len(readFile(t, file))/2)) }, ""},
		"truncated by a byte": {func(t *testing.T, file string) { truncate(t, file, int64(len(readFile(t, file))-1)) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := makeJournal(t, groups)
			whole := exportedLines(t, file)
			tt.damage(t, file)
			damaged := readFile(t, file)
			s := start(t, "--persistence.file="+file, "--persistence.salvage")
			got := exactScrape(s.scrape().body)
			for _, line := range got {
				if _, found := slices.BinarySearch(whole, line); !found {
					t.Errorf("%s was not there before", line)
				}
			}
			log := s.log.String()
			for _, part := range []string{"Salvage", "groups_before=", "damaged_file=" + file + ".damaged-"} {
				if !strings.Contains(log, part) {
					t.Errorf("the log does not say %q:\n%s", part, log)
				}
			}
			if tt.lost != "" {
				if len(got) != len(whole)-3 || s.value("pushgateway_groups") != groups-1 {
					t.Errorf("%d lines of %d are left", len(got), len(whole))
				}
				s.wantSeries(nil, []string{fmt.Sprintf(`push_time_seconds{instance="",job=%q} 0`, tt.lost)})
				if !strings.Contains(log, fmt.Sprintf(`group="{job=\"%s\"}"`, tt.lost)) {
					t.Errorf("the log does not name the group:\n%s", log)
				}
			}
			s.push("/metrics/job/more", "more 1\n", http.StatusOK)
			s.proc.Stop()
			wantWhole(t, file)

			names := lookAt(t, filepath.Dir(file)).names()
			if len(names) != 2 || !strings.HasPrefix(names[1], "metrics.damaged-") {
				t.Fatalf("there are %v", names)
			}
			if readFile(t, filepath.Join(filepath.Dir(file), names[1])) != damaged {
				t.Error("what is kept aside is not the damaged file")
			}
			// A file without damage is nothing to be salvaged.
			s = start(t, "--persistence.file="+file, "--persistence.salvage")
			s.wantSeries([]string{`more{instance="",job="more"} 1`}, nil)
			if again := lookAt(t, filepath.Dir(file)).names(); !slices.Equal(again, names) || strings.Contains(s.log.String(), "Salvage") {
				t.Errorf("there are %v", again)
			}
		})
	}
}

// TestStartThroughLink wants what a link leads to to be written anew, not the
// link to be replaced by a file in another place.
func TestStartThroughLink(t *testing.T) {
	file := makeJournal(t, 20)
	dir := t.TempDir()
	link := filepath.Join(dir, "metrics")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	flipIn(t, file, "0007")
	s := start(t, "--persistence.file="+link, "--persistence.salvage")
	s.push("/metrics/job/more", "more 1\n", http.StatusOK)
	s.proc.Stop()
	if d := lookAt(t, dir); len(d) != 1 || d["metrics"].mode != os.ModeSymlink {
		t.Errorf("the link has become a file, or there are others beside: %v", d.names())
	}
	wantWhole(t, file)
	if names := lookAt(t, filepath.Dir(file)).names(); len(names) != 2 || !strings.HasPrefix(names[1], "metrics.damaged-") {
		t.Errorf("there are %v", names)
	}
	start(t, "--persistence.file="+link).wantSeries([]string{`more{instance="",job="more"} 1`}, nil)
}

// TestNamesBeside makes journals beside files of which the names look like those
// of something temporary.
func TestNamesBeside(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "metrics")
	other := start(t, "--persistence.file="+file+".new")
	writeFile(t, file+".partial", "precious")
	start(t, "--persistence.file="+file).proc.Stop()
	other.push("/metrics/job/a", "m 1\n", http.StatusOK)
	other.proc.Stop()
	if names := lookAt(t, dir).names(); !slices.Equal(names, []string{"metrics", "metrics.new", "metrics.partial"}) {
		t.Errorf("there are %v", names)
	}
	start(t, "--persistence.file="+file+".new").wantSeries([]string{`m{instance="",job="a"} 1`}, nil)
}

// exportedLines are the sorted lines of an export as text.
func exportedLines(t *testing.T, file string) []string {
	t.Helper()
	code, out, errs := command(t, "export", "--format=text", file)
	if code != 0 || errs != "" {
		t.Fatalf("exporting: exit code %d, %s", code, errs)
	}
	return exactScrape(out)
}
