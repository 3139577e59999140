package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pushgateway/internal/natstest"
)

// TestClusterImportTooLarge imports a file of which one group is too large for the
// servers. The others are stored, and the import says which one is not, with both
// sizes.
func TestClusterImportTooLarge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "metrics.db")
	s := start(t, "--persistence.file="+file)
	for _, job := range []string{"a", "z"} {
		s.push("/metrics/job/"+job, "m 1\n", http.StatusOK)
	}
	s.push("/metrics/job/large", randomMetrics(80_000), http.StatusOK)
	s.proc.Stop()
	c := natstest.Start(t, 1)
	for _, again := range []string{"", "--replace", "--merge"} {
		args := slices.DeleteFunc(append(connection(c, "S"), "--cluster.replicas=1", again, file), func(arg string) bool { return arg == "" })
		code, out, errs := command(t, append([]string{"import"}, args...)...)
		wantSentence(t, errs, "no messages as large as 1 of the groups", "raise max_payload", "to start again")
		if code != 1 || !strings.Contains(out, `group {job="large"} takes `) || !strings.Contains(out, "and the NATS servers accept messages of 1048576 bytes") {
			t.Errorf("import %s: exit code %d, %q", again, code, out)
		}
	}
	b := joinCluster(t, c, "S")
	b.wantSeries([]string{`m{instance="",job="a"} 1`, `m{instance="",job="z"} 1`, "pushgateway_groups 2"}, nil)
}

// addresses are those of servers.
type addresses []string

func (a addresses) URLs() []string { return a }

// TestClusterSetBack sets the stream back while a gateway is cut off, and lets another
// one take pushes. The first one has what the servers have lost. It says so, and what
// docs/cluster.md advises brings both together.
func TestClusterSetBack(t *testing.T) {
	c := natstest.Start(t, 1)
	links, urls := natstest.NewLinks(t, c)
	a := joinCluster(t, addresses(urls), "S")
	a.push("/metrics/job/both", "m 1\n", http.StatusOK)
	a.push("/metrics/job/old", "m 1\n", http.StatusOK)
	c.Stop(0)
	copied := c.Copy(0)
	c.Run(0)
	a.recovers()
	a.push("/metrics/job/old", "m 2\n", http.StatusOK)
	a.push("/metrics/job/lost", "m 2\n", http.StatusOK)
	links[0].Lose(true, true)
	c.Stop(0)
	c.Restore(0, copied)
	c.Run(0)
	b := joinCluster(t, c, "S")
	for i := range 40 {
		b.push("/metrics/job/both", fmt.Sprintf("m %d\n", 3+i), http.StatusOK)
	}
	b.push("/metrics/job/new", "m 3\n", http.StatusOK)
	links[0].Mend()
	a.eventually("that the gateway says so", func() bool {
		got := a.do(http.MethodPut, "/metrics/job/late", "m 1\n")
		return got.status == http.StatusServiceUnavailable && strings.Contains(got.body, "it was set back, and has gone on since")
	})
	if lines := a.scrape().body; !strings.Contains(lines, `m{instance="",job="lost"} 2`) {
		t.Error("the gateway has not kept what it had")
	}

	saved := filepath.Join(t.TempDir(), "saved.db")
	move(t, "backup", "--url="+a.base, saved)
	out := move(t, "import", append(connection(c, "S"), "--cluster.replicas=1", "--merge", saved)...)
	if !strings.Contains(out, "not imported, since the stream has them from the same push or a later one: 1 group\n") || !strings.Contains(out, "has 2 groups of "+saved) {
		t.Errorf("the import says %q", out)
	}
	a.proc.Stop()
	a = joinCluster(t, c, "S")
	for _, s := range []*server{a, b} {
		for job, value := range map[string]int{"both": 42, "old": 2, "lost": 2, "new": 3} {
			s.exposes(fmt.Sprintf(`m{instance="",job=%q} %d`, job, value), true)
		}
	}
}
