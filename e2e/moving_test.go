package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pushgateway/internal/natstest"
)

// connection are the flags of a command that talks to a stream.
func connection(c interface{ URLs() []string }, stream string) []string {
	args := []string{"--cluster.stream=" + stream}
	for _, url := range c.URLs() {
		args = append(args, "--cluster.url="+url)
	}
	return args
}

// move runs a command that must succeed, and gives what it prints.
func move(t testing.TB, name string, args ...string) string {
	t.Helper()
	code, out, errs := command(t, append([]string{name}, args...)...)
	if code != 0 { // it may have told that it waits for the servers
		t.Fatalf("%s: exit code %d, %q, %q", name, code, out, errs)
	}
	return out
}

// makeMovable makes a persistence file with groups of every kind: also some that
// contradict each other, expire, or count pushes once.
func makeMovable(t *testing.T) (file string, all map[string]string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "metrics.db")
	s := start(t, movable("--persistence.file="+file)...)
	s.pushEverything()
	s.proc.Stop()
	s = start(t, movable("--persistence.file="+file, "--push.disable-consistency-check")...)
	for _, p := range [][2]string{{"z", "gauge"}, {"y", "counter"}, {"a", "summary"}, {"z", "gauge"}} { // z is still the oldest, and then y
		typed := map[string]string{"summary": "typed_sum 1\ntyped_count 1\n"}[p[1]]
		if typed == "" {
			typed = "typed 1\n"
		}
		s.push("/metrics/job/"+p[0], "# TYPE typed "+p[1]+"\n"+typed, http.StatusAccepted)
	}
	s.push("/metrics/job/ends", "ends 1\n", http.StatusAccepted, "X-Pushgateway-TTL", "10h")
	addOnce(s, "one", false)
	all = s.everything()
	s.proc.Stop()
	return file, all
}

// movable are the flags of a gateway that has such groups.
func movable(more ...string) []string {
	return append([]string{"--push.enable-utf8-names", "--web.enable-openmetrics"}, more...)
}

// addOnce adds with a key, which may have counted.
func addOnce(s *server, key string, counted bool) {
	s.t.Helper()
	got := s.do(http.MethodPost, "/metrics/job/sum?merge=sum", "# TYPE sum_total counter\nsum_total 1\n", "Idempotency-Key", key)
	if is := got.header.Get("Idempotency-Replayed") == "true"; got.status/100 != 2 || is != counted {
		s.t.Errorf("the push with the key %s: %d %q, replayed: %v, want %v", key, got.status, got.body, is, counted)
	}
}

// TestMoving takes groups from a file into a cluster, from there into another
// one, and back into a file. They must look the same everywhere, and behave so.
func TestMoving(t *testing.T) {
	file, all := makeMovable(t)
	c := natstest.Start(t, 3)
	unchecked := func(args ...string) []string { return movable(append(args, "--push.disable-consistency-check")...) }
	wantSame := func(s *server, what string) {
		t.Helper()
		for path, got := range s.everything() {
			if got != all[path] {
				t.Errorf("%s, %s: %s", what, path, firstDifference(got, all[path]))
			}
		}
	}
	if out := move(t, "import", append(connection(c, "A"), file)...); !strings.Contains(out, " groups of "+file+"; serve it with --cluster.stream=A --cluster.url=nats://") {
		t.Errorf("the import says %q", out)
	}
	a, b := joinCluster(t, c, "A", unchecked("--cluster.advertise-address=a:1")...), joinCluster(t, c, "A", unchecked("--cluster.advertise-address=b:1")...)
	wantSame(a, "in a cluster")
	wantSame(b, "in a cluster")
	addOnce(a, "one", true)
	wantRefused(t, append(connection(c, "A"), file), "the stream A already has", "--replace")

	dir := t.TempDir()
	direct, through, gob := filepath.Join(dir, "direct"), filepath.Join(dir, "through"), filepath.Join(dir, "gob")
	move(t, "backup", append(connection(c, "A"), direct)...)
	move(t, "backup", "--url="+b.base, through)
	move(t, "export", append(connection(c, "A"), "--format=gob", "-o", gob)...)
	if out := move(t, "export", append(connection(c, "A"), "--format=text")...); out != all[textAsPushed] {
		t.Errorf("exported: %s", firstDifference(out, all[textAsPushed]))
	}
	if got := a.get("/api/v1/targets").body; !strings.Contains(got, `["a:1","b:1"]`) {
		t.Errorf("commands are listed beside the gateways: %s", got)
	}

	config := newConfig(t, fmt.Sprintf("cluster: {url: [%q], stream: B, replicas: 3}\n", c.URLs()[0])).path
	move(t, "import", "--config.file="+config, through)
	move(t, "backup", "--config.file="+config, through)
	other := joinCluster(t, c, "B", unchecked()...)
	wantSame(other, "in another cluster")
	addOnce(other, "one", true)
	back := start(t, unchecked("--persistence.file="+direct)...)
	wantSame(back, "back in a file")
	addOnce(back, "one", true)
	for _, s := range []*server{other, back} { // the next oldest claim comes to light
		s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/z", "")
		s.push("/metrics/job/x", "# TYPE typed histogram\ntyped_sum 1\ntyped_count 1\n", http.StatusAccepted)
		s.wantSeries([]string{`typed{instance="",job="y"} 1`}, nil)
	}

	move(t, "import", append(connection(c, "C"), gob)...)
	old := joinCluster(t, c, "C", unchecked()...)
	old.wantSeries([]string{`ends{instance="",job="ends"} 1`, `replaced{instance="",job="merged"} 2`}, nil)
}

// wantRefused wants an import to fail and to say why.
func wantRefused(t *testing.T, args []string, parts ...string) {
	t.Helper()
	code, out, errs := command(t, append([]string{"import"}, args...)...)
	if wantSentence(t, errs, parts...); code != 1 || out != "" {
		t.Errorf("the import: exit code %d, %q", code, out)
	}
}

// TestMovingIntoLiveCluster imports while gateways take pushes. What they
// acknowledge meanwhile stays, unless the import does not have the group.
func TestMovingIntoLiveCluster(t *testing.T) {
	file, all := makeMovable(t)
	c := natstest.Start(t, 1)
	a, b := joinCluster(t, c, "S", movable()...), joinCluster(t, c, "S", movable()...)
	wantRefusedBy := func(why string) {
		t.Helper()
		wantRefused(t, append(connection(c, "S"), "--cluster.replicas=1", file), why)
	}
	a.push("/metrics/job/goes", "goes 1\n", http.StatusOK)
	wantRefusedBy("already has 1 groups")
	a.push("/metrics/job/goes", "goes 2\n", http.StatusOK)
	out := move(t, "import", append(connection(c, "S"), "--cluster.replicas=1", "--replace", file)...)
	if !strings.HasPrefix(out, "removed, since "+file+" does not have it: {job=\"goes\"}\n") {
		t.Errorf("the import says %q", out)
	}
	b.eventually("the import", func() bool { return withoutOwn(t, b.scrape("Accept", textAsPushed)) == all[textAsPushed] })
	a.wantEverything(all)
	addOnce(a, "one", true)
	a.push("/metrics/job/new", "# TYPE typed counter\ntyped 1\n", http.StatusBadRequest) // an older claim is in the import

	clients, stop := a.keepBusy(4)
	defer stop()
	for range 3 {
		out := move(t, "import", append(connection(c, "S"), "--cluster.replicas=1", "--replace", file)...)
		for line := range strings.Lines(out) {
			if !strings.Contains(line, `{job="`) && !strings.Contains(line, "serve it with") {
				t.Errorf("the import says %q", line)
			}
		}
		copied := filepath.Join(t.TempDir(), "copy")
		move(t, "backup", append(connection(c, "S"), copied)...)
	}
	stop()
	for i, last := range numbers(clients, func(c *busyClient) *atomic.Int64 { return &c.taken }) {
		b.exposes(fmt.Sprintf(`busy_0{i="0",instance="",job="%d"} %d`, i, last), true)
	}
	lines := exactScrape(b.scrape("Accept", textAsPushed).body)
	for _, line := range exactScrape(all[textAsPushed]) {
		if !slices.Contains(lines, line) {
			t.Errorf("the import lacks %q", line)
		}
	}
}
