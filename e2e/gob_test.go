package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/gobfile"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// stored are groups that an older Pushgateway can hold, sorted by key.
var stored = []struct {
	path string
	key  grouping.Key
	body string
}{
	{"/metrics/job/x/empty_label@base64/=", "empty_label\xff\xffjob\xffx", "with_empty_label NaN\n"},
	{"/metrics/job/backup/instance/db1", "instance\xffdb1\xffjob\xffbackup", "" +
		"# HELP backup_seconds How\\nlong.\n# TYPE backup_seconds gauge\nbackup_seconds{disk=\"1\"} 12.5\nbackup_seconds{disk=\"2\"} -1e-300\n" +
		"# TYPE backup_latency summary\nbackup_latency{quantile=\"0.5\"} 0.2\nbackup_latency_sum 3\nbackup_latency_count 10\n" +
		"# TYPE backup_bytes histogram\nbackup_bytes_bucket{le=\"1000\"} 1\nbackup_bytes_bucket{le=\"+Inf\"} 3\nbackup_bytes_sum 4000\nbackup_bytes_count 3\n"},
	{"/metrics/job@base64/YS9i/path@base64/L3Zhci90bXA=", "job\xffa/b\xffpath\xff/var/tmp", "# TYPE slashes_total counter\nslashes_total{a=\"q\\\"uo\\nte\"} +Inf\n"},
	{"/metrics/job/nothing", "job\xffnothing", ""},
	{"/metrics/job/titan/name/%CE%A0%CF%81%CE%BF", "job\xfftitan\xffname\xffΠρο", "greek 1\n"},
}

// TestGobOfContradictions hands groups to a Pushgateway 1.5, which refuses all scrapes
// and pushes if they contradict each other. Those without a good push are left out.
func TestGobOfContradictions(t *testing.T) {
	peer, err := exec.LookPath("prometheus-pushgateway")
	if err != nil {
		t.Skip("prometheus-pushgateway is missing")
	}
	file := filepath.Join(t.TempDir(), "metrics")
	s := start(t, "--persistence.file="+file)
	s.push("/metrics/job/a/instance@base64/=", "m 1 1\n", http.StatusBadRequest) // has a timestamp
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	s.proc.Stop()
	export := func(says ...string) {
		t.Helper()
		code, _, errs := command(t, "export", "--format=gob", "--output="+file+".gob", file)
		if code != 0 || strings.Count(errs, "\n") != len(says) {
			t.Errorf("exit code %d: %s", code, errs)
		}
		for _, text := range says {
			if !strings.Contains(errs, "pushgateway export: "+text) {
				t.Errorf("%q does not say %q", errs, text)
			}
		}
	}
	const left = `left out the group {instance="",job="a"}, whose pushes have all been refused`
	export(left)
	p := startProcess(t, peer, "--web.listen-address=127.0.0.1:0", "--persistence.file="+file+".gob")
	old := &server{t: t, addr: p.Addr, base: "http://" + p.Addr, log: p.Log, proc: p}
	old.wantSeries([]string{`m{instance="",job="a"} 1`}, nil)
	old.push("/metrics/job/c", "m 5\n", http.StatusOK)

	s = start(t, "--persistence.file="+file, "--push.disable-consistency-check")
	s.push("/metrics/job/b", "# TYPE m counter\nm 2\nn 3\n", http.StatusAccepted)
	s.push("/metrics/job/b/instance@base64/=", "o 4\n", http.StatusAccepted)
	s.proc.Stop()
	export(left, `m of the group {job="b"} contradicts another group`, `the group {instance="",job="b"} contradicts another group`)
}

// TestGobMovesToAndFrom15 hands groups to a Pushgateway 1.5 and takes them
// back, each time as a file.
func TestGobMovesToAndFrom15(t *testing.T) {
	peer, err := exec.LookPath("prometheus-pushgateway")
	if err != nil {
		t.Skip("prometheus-pushgateway is missing")
	}
	file := filepath.Join(t.TempDir(), "metrics")
	groups := storedGroups(t)
	writeGob(t, file, groups)

	p := startProcess(t, peer, "--web.listen-address=127.0.0.1:0", "--persistence.file="+file)
	s := &server{t: t, addr: p.Addr, base: "http://" + p.Addr, log: p.Log, proc: p}
	s.wantExposed(groups)

	for _, g := range stored {
		s.push(g.path, g.body, http.StatusOK)
		s.want(http.StatusOK, http.MethodPost, g.path, "again 1\n")
	}
	var api struct{ Data []json.RawMessage }
	if err := json.Unmarshal([]byte(s.get("/api/v1/metrics").body), &api); err != nil || len(api.Data) != len(stored) {
		t.Errorf("pushes again made %d groups of %d, %v", len(api.Data), len(stored), err)
	}
	scrape := exactScrape(s.scrape().body)

	p.Stop()
	back := readGob(t, file)
	if got := exposedText(back); !slices.Equal(got, scrape) {
		t.Errorf("read back: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(scrape, "\n"))
	}
	for i, g := range back {
		if g.Key != stored[i].key || g.Pushed.IsZero() || g.Find("again") == nil {
			t.Errorf("group %d is %s, pushed %v", i, g.Key, g.Pushed)
		}
	}
}

// storedGroupsAt is a time in the past.
var storedGroupsAt = time.Date(2026, 11, 22, 17, 20, 44, 870041445, time.UTC)

// storedGroups makes the groups as our own gateway has them after pushes.
func storedGroups(t *testing.T) (groups []*gateway.Group) {
	t.Helper()
	at := storedGroupsAt
	for i, s := range stored {
		at = at.Add(1234567 * time.Nanosecond)
		g := gateway.Group{Key: s.key, Pushed: at}
		if i%2 == 1 {
			g.Failed = at.Add(987654321)
		}
		for _, b := range renderText(t, s.key, s.body) {
			g.Families = append(g.Families, gateway.Held{Block: b, Pushed: at})
		}
		groups = append(groups, gateway.Restore(g))
	}
	return groups
}

func renderText(t testing.TB, key grouping.Key, body string) []*exposition.Block {
	t.Helper()
	p := exposition.GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(families, func(a, b *metric.Family) int { return strings.Compare(a.Name, b.Name) })
	blocks, err := exposition.Render(families, exposition.Options{Grouping: key.Labels()})
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

func writeGob(t testing.TB, file string, groups []*gateway.Group) {
	t.Helper()
	var b bytes.Buffer
	if err := gobfile.Write(&b, slices.Values(groups)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readGob(t *testing.T, file string) []*gateway.Group {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !gobfile.Is(b) {
		t.Errorf("it does not look like a persistence file: %q", b[:min(len(b), gobfile.SniffLen)])
	}
	f, err := gobfile.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Problems {
		t.Error(p)
	}
	if len(f.Groups) != len(stored) {
		t.Fatalf("read back: %d groups of %d", len(f.Groups), len(stored))
	}
	return f.Groups
}

// wantExposed holds a scrape against what we would expose of groups.
func (s *server) wantExposed(groups []*gateway.Group) {
	s.t.Helper()
	got, want := exactScrape(s.scrape().body), exposedText(groups)
	if !slices.Equal(got, want) {
		s.t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// exactScrape sorts the lines of a scrape and takes out the gateway's own.
func exactScrape(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if !ownFamily.MatchString(line) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	slices.Sort(lines)
	return lines
}

// exposedText are the sorted lines of all families of groups.
func exposedText(groups []*gateway.Group) (lines []string) {
	for _, g := range groups {
		blocks := []*exposition.Block{g.PushTime(), g.FailureTime()}
		for _, h := range g.Families {
			blocks = append(blocks, h.Block)
		}
		for _, b := range blocks {
			if b.Help != "" {
				lines = append(lines, fmt.Sprintf("# HELP %s %s", b.Name, strings.ReplaceAll(b.Help, "\n", `\n`)))
			}
			lines = append(lines, fmt.Sprintf("# TYPE %s %s", b.Name, b.Type))
			lines = append(lines, strings.Split(strings.TrimSuffix(string(b.Text()), "\n"), "\n")...)
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}
