package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// busyClient pushes a group again and again, each time with the next number in
// all of its series.
type busyClient struct {
	begun, taken atomic.Int64 // the last number pushed, and the last acknowledged
}

const (
	busyFamilies = 10
	busySeries   = 3 // of each family
)

func (c *busyClient) push(s *server, path string) {
	n := c.begun.Add(1)
	var b strings.Builder
	for f := range busyFamilies {
		for i := range busySeries {
			fmt.Fprintf(&b, "busy_%d{i=\"%d\"} %d\n", f, i, n)
		}
	}
	if a := s.do(http.MethodPut, path, b.String()); a.status != http.StatusOK {
		s.t.Errorf("%s: got %d %q", path, a.status, a.body)
		return
	}
	c.taken.Store(n)
}

// keepBusy has clients push until the returned function is called.
func (s *server) keepBusy(n int) (clients []*busyClient, stop func()) {
	end := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		c := new(busyClient)
		clients = append(clients, c)
		path := fmt.Sprintf("/metrics/job/%d", i)
		c.push(s, path)
		wg.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
					c.push(s, path)
				}
			}
		})
	}
	return clients, sync.OnceFunc(func() { close(end); wg.Wait() })
}

func numbers(clients []*busyClient, of func(*busyClient) *atomic.Int64) (all []int64) {
	for _, c := range clients {
		all = append(all, of(c).Load())
	}
	return all
}

var busyLine = regexp.MustCompile(`^busy_\d+\{i="\d+",instance="",job="(\d+)"\} (\S+)$`)

// wantConsistent looks for groups that are there by half, older than what had
// been acknowledged before, or newer than what had been pushed after.
func wantConsistent(t testing.TB, lines []string, from, to []int64) {
	t.Helper()
	series, value := make([]int, len(from)), make([]int64, len(from))
	for _, line := range lines {
		m := busyLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		i := must(strconv.Atoi(m[1]))
		n := int64(must(strconv.ParseFloat(m[2], 64)))
		if series[i]++; series[i] > 1 && n != value[i] {
			t.Errorf("group %d has %d and %d", i, value[i], n)
		}
		value[i] = n
	}
	for i, n := range series {
		if n != busyFamilies*busySeries || value[i] < from[i] || value[i] > to[i] {
			t.Errorf("group %d has %d series with %d; it had %d before, and %d after", i, n, value[i], from[i], to[i])
		}
	}
}

// TestBackup copies a gateway that is being pushed to.
func TestBackup(t *testing.T) {
	for name, file := range map[string]string{"from a file": filepath.Join(t.TempDir(), "metrics"), "from memory": ""} {
		t.Run(name, func(t *testing.T) {
			dir, temp := t.TempDir(), t.TempDir()
			t.Setenv("TMPDIR", temp)
			s := startAt(t, "/gw", "--web.enable-admin-api", "--web.route-prefix=/gw", "--persistence.file="+file)
			clients, stop := s.keepBusy(8)
			defer stop()
			copied := filepath.Join(dir, "copy")
			for range 5 { // each replaces the one before
				from := numbers(clients, func(c *busyClient) *atomic.Int64 { return &c.taken })
				code, out, errs := command(t, "backup", "--url="+s.base, copied)
				to := numbers(clients, func(c *busyClient) *atomic.Int64 { return &c.begun })
				if code != 0 || !strings.HasPrefix(out, copied+": journal of format 1") || !strings.HasSuffix(out, " 8 whole groups with 240 series, 0 faults\n") || errs != "" {
					t.Fatalf("exit code %d, %q, %q", code, out, errs)
				}
				wantWhole(t, copied)
				wantConsistent(t, exportedLines(t, copied), from, to)
			}
			stop()
			if names := lookAt(t, dir).names(); len(names) != 1 {
				t.Errorf("beside the copy there are %v", names)
			}
			if names := lookAt(t, temp).names(); len(names) != 0 {
				t.Errorf("among temporary files there are %v", names)
			}
			if file != "" {
				if names := lookAt(t, filepath.Dir(file)).names(); len(names) != 1 {
					t.Errorf("beside the persistence file there are %v", names)
				}
			}
			lines := exportedLines(t, copied)
			s = start(t, "--persistence.file="+copied)
			if got := exactScrape(s.scrape().body); !slices.Equal(got, lines) {
				t.Errorf("a gateway that was started from the copy has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
			}
			s.push("/metrics/job/more", "more 1\n", http.StatusOK)
		})
	}
}

// TestBackupOfSomethingElse keeps the copy that there is where no other comes.
func TestBackupOfSomethingElse(t *testing.T) {
	cut := readFile(t, makeJournal(t, 30))
	for name, body := range map[string]string{"a page": "<html>Log in first</html>\n", "a part": cut[:len(cut)/2], "nothing": ""} {
		page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		defer page.Close()
		copied := makeJournal(t, 3)
		before := lookAt(t, filepath.Dir(copied))
		code, out, errs := command(t, "backup", "--url="+page.URL, copied)
		if wantSentence(t, errs, copied, "complete journal"); code != 1 || out != "" {
			t.Errorf("%s: exit code %d, %q", name, code, out)
		}
		before.wantUntouched(t, filepath.Dir(copied))
	}
}

// TestSnapshot asks for a copy without the command.
func TestSnapshot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "metrics")
	s := start(t, "--web.enable-admin-api", "--web.enable-openmetrics", "--push.enable-utf8-names", "--persistence.file="+file)
	all := s.pushEverything()
	a := s.get("/api/v1/admin/snapshot")
	if got := a.header.Get("Content-Type"); got != "application/octet-stream" {
		t.Errorf("got content type %q", got)
	}
	if got := a.header.Get("Content-Disposition"); !regexp.MustCompile(`^attachment; filename="pushgateway-\d{8}T\d{6}Z\.db"$`).MatchString(got) {
		t.Errorf("got content disposition %q", got)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	writeFile(t, copied, a.body)
	wantWhole(t, copied)
	start(t, "--persistence.file="+copied, "--web.enable-openmetrics", "--push.enable-utf8-names").wantEverything(all)
	s.wantEverything(all)
}

// TestSnapshotElsewhere takes away the room beside the persistence file.
func TestSnapshotElsewhere(t *testing.T) {
	dir, temp := filepath.Join(t.TempDir(), "data"), t.TempDir()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temp)
	s := start(t, "--web.enable-admin-api", "--persistence.file="+filepath.Join(dir, "metrics"))
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if code, _, errs := command(t, "backup", "--url="+s.base, copied); code != 0 {
		t.Fatalf("exit code %d, %q", code, errs)
	}
	if got := exportedLines(t, copied); !slices.Contains(got, `m{instance="",job="a"} 1`) {
		t.Errorf("the copy has %v", got)
	}
	if names := lookAt(t, temp).names(); len(names) != 0 {
		t.Errorf("among temporary files there are %v", names)
	}
	if err := os.Remove(temp); err != nil {
		t.Fatal(err)
	}
	a := s.want(http.StatusInternalServerError, http.MethodGet, "/api/v1/admin/snapshot", "")
	for _, part := range []string{dir, "$TMPDIR", temp} {
		if !strings.Contains(a.body, part) {
			t.Errorf("%q does not say %q", a.body, part)
		}
	}
	// There is no place for the groups at the end either, which it tells.
	if err := s.proc.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.proc.AwaitExit(1)
}

func TestSnapshotNeedsTheFlag(t *testing.T) {
	s := start(t)
	if a := s.want(http.StatusForbidden, http.MethodGet, "/api/v1/admin/snapshot", ""); !strings.Contains(a.body, "--web.enable-admin-api") {
		t.Errorf("got %q", a.body)
	}
	dir := t.TempDir()
	copied := filepath.Join(dir, "copy")
	writeFile(t, copied, "an older copy")
	before := lookAt(t, dir)
	code, out, errs := command(t, "backup", "--url="+s.base, copied)
	if wantSentence(t, errs, s.base, copied, "403 Forbidden", "--web.enable-admin-api"); code != 1 || out != "" {
		t.Errorf("exit code %d, %q", code, out)
	}
	before.wantUntouched(t, dir)
}

func TestBackupErrors(t *testing.T) {
	file := makeJournal(t, 3)
	s := start(t, "--web.enable-admin-api", "--persistence.file="+file)
	gone := start(t)
	gone.proc.Stop()
	dir, odd := t.TempDir(), t.TempDir()
	pipe, dangling := filepath.Join(odd, "pipe"), filepath.Join(odd, "link")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink("nothing", dangling)); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		url, to string
		says    []string
	}{
		"nobody there":      {gone.base, filepath.Join(dir, "copy"), []string{"connection refused"}},
		"no gateway":        {s.base + "/nothing", filepath.Join(dir, "copy"), []string{"404 Not Found"}},
		"missing directory": {s.base, filepath.Join(dir, "nowhere", "copy"), []string{"the directory", "does not exist; create it first"}},
		"directory":         {s.base, dir, []string{"is a directory", "name a file in it"}},
		"pipe":              {s.base, pipe, []string{"is a device, a pipe", "name a regular file"}},
		"link to nothing":   {s.base, dangling, []string{"is a link to nothing", "name the file itself"}},
		"file in use":       {s.base, file, []string{"replacing", "another process uses"}},
	} {
		code, out, errs := command(t, "backup", "--url="+tt.url, tt.to)
		if wantSentence(t, errs, append(tt.says, tt.url, tt.to)...); code != 1 || out != "" {
			t.Errorf("%s: exit code %d, %q", name, code, out)
		}
	}
	if names := lookAt(t, dir).names(); len(names) != 0 {
		t.Errorf("there are %v", names)
	}
	for path, kind := range map[string]os.FileMode{pipe: os.ModeNamedPipe, dangling: os.ModeSymlink} {
		if info := must(os.Lstat(path)); info.Mode()&kind == 0 {
			t.Errorf("%s is %v now", path, info.Mode())
		}
	}
	s.push("/metrics/job/kept", "kept 1\n", http.StatusOK)
	s.proc.Stop()
	start(t, "--persistence.file="+file).wantSeries([]string{`kept{instance="",job="kept"} 1`}, nil)
}

// TestBackupThroughLink replaces the file that a link points to.
func TestBackupThroughLink(t *testing.T) {
	s := start(t, "--web.enable-admin-api", "--persistence.file="+makeJournal(t, 3))
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	writeFile(t, file, "an older copy")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command(t, "backup", "--url="+s.base, link); code != 0 {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	if to, err := os.Readlink(link); to != "file" {
		t.Errorf("the link leads to %q now, %v", to, err)
	}
	wantWhole(t, file)
}

// TestBackupWithPassword keeps the password out of what is shown.
func TestBackupWithPassword(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "web.yml")
	hash := must(bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost))
	writeFile(t, config, fmt.Sprintf("basic_auth_users: {someone: %s}\n", hash))
	s := start(t, "--web.enable-admin-api", "--web.config.file="+config)
	copied := filepath.Join(dir, "copy")
	code, out, errs := command(t, "backup", "--url=http://someone:guessed@"+s.addr, copied)
	if wantSentence(t, errs, "401 Unauthorized", copied); code != 1 || strings.Contains(errs+out, "guessed") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	if code, out, errs := command(t, "backup", "--url=http://someone:secret@"+s.addr, copied); code != 0 || strings.Contains(errs+out, "secret") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	wantWhole(t, copied)
}

// TestInterruptedSnapshots starts beside what a kill has left of a snapshot,
// and beside that of another gateway in the same directory.
func TestInterruptedSnapshots(t *testing.T) {
	dir := t.TempDir()
	ours, theirs := filepath.Join(dir, ".data.snapshot-1"), filepath.Join(dir, ".other.snapshot-1")
	for _, left := range []string{ours, theirs} {
		if err := os.Mkdir(left, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(left, "snapshot.db"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, "--persistence.file="+filepath.Join(dir, "data"), "--web.enable-admin-api")
	s.want(http.StatusOK, http.MethodGet, "/api/v1/admin/snapshot", "")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{".other.snapshot-1", "data"}; !slices.Equal(names, want) {
		t.Errorf("the directory has %q, want %q", names, want)
	}
}
