package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"pushgateway/internal/natstest"
)

// joinCluster starts a gateway that shares its groups through NATS servers.
func joinCluster(t testing.TB, c interface{ URLs() []string }, stream string, args ...string) *server {
	t.Helper()
	return start(t, append(clusterArgs(c, stream), args...)...)
}

// clusterArgs are the arguments of a gateway that does so.
func clusterArgs(c interface{ URLs() []string }, stream string) []string {
	args := []string{"--cluster.stream=" + stream, fmt.Sprint("--cluster.replicas=", len(c.URLs())), "--web.enable-admin-api"}
	for _, url := range c.URLs() {
		args = append(args, "--cluster.url="+url)
	}
	return args
}

// eventually waits until a condition holds. Other members lag a little.
func (s *server) eventually(what string, holds func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience / 4); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("%s: it never came\n%s", what, s.log)
		}
	}
}

// exposes waits until a scrape contains a line, or lacks it.
func (s *server) exposes(line string, want bool) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%q in scrapes: %v", line, want), func() bool {
		return strings.Contains(s.scrape().body, line+"\n") == want
	})
}

// TestClusterMembers uses two gateways that share a stream as one.
func TestClusterMembers(t *testing.T) {
	c := natstest.Start(t, 1)
	for name, test := range map[string]func(t *testing.T, a, b *server){
		"pushes":       clusterPush,
		"merges":       clusterMerge,
		"wipes":        clusterWipe,
		"time-to-live": clusterTTL,
		"many-groups":  clusterMany,
		"refusals":     clusterRefusals,
		"conflicts":    clusterConflicts,
		"races":        clusterRace,
		"sums":         clusterSums,
		"series-ttl":   clusterSeriesTTL,
		"expired-keys": clusterExpiredKeys,
		"history":      clusterHistory,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, joinCluster(t, c, name), joinCluster(t, c, name))
		})
	}
}

func clusterPush(t *testing.T, a, b *server) {
	a.push("/metrics/job/j", "# TYPE m gauge\nm 1\n", 200)
	if !strings.Contains(a.scrape().body, `m{instance="",job="j"} 1`) {
		t.Error("the next scrape of the member that answered lacks the push")
	}
	b.exposes(`m{instance="",job="j"} 1`, true)
	b.push("/metrics/job/j", "m 2\n", 200)
	a.exposes(`m{instance="",job="j"} 2`, true)
	if got := b.want(202, http.MethodDelete, "/metrics/job/j", ""); got.body != "" {
		t.Errorf("a delete of a group answers %q", got.body)
	}
	a.exposes(`m{instance="",job="j"} 2`, false)
	a.push("/metrics/job/j", "m 3\n", 200)
	if got := b.want(202, http.MethodDelete, "/metrics/job/j", ""); got.body != "" {
		t.Errorf("a delete just after a push to another member did not find the group: %q", got.body)
	}
	if got := a.want(202, http.MethodDelete, "/metrics/job/j", ""); !strings.Contains(got.body, "Nothing was deleted") {
		t.Errorf("a second delete answers %q", got.body)
	}
}

func clusterMerge(t *testing.T, a, b *server) {
	a.push("/metrics/job/j", "one 1\n", 200)
	b.want(200, http.MethodPost, "/metrics/job/j", "two 2\n")
	a.want(200, http.MethodPost, "/metrics/job/j", "three 3\n")
	b.want(200, http.MethodPost, "/metrics/job/j?merge=series", "one{x=\"1\"} 1\n")
	for _, s := range []*server{a, b} {
		s.exposes(`one{instance="",job="j"} 1`, true)
		s.exposes(`one{instance="",job="j",x="1"} 1`, true)
		s.exposes(`two{instance="",job="j"} 2`, true)
		s.exposes(`three{instance="",job="j"} 3`, true)
	}
}

// clusterSums adds through both members. A push with a key counts once, also if it
// is sent again to the other member, or to one that starts later.
func clusterSums(t *testing.T, a, b *server) {
	const add = "/metrics/job/j?merge=sum"
	replayed := func(s *server, key string, want bool) {
		t.Helper()
		got := s.want(200, http.MethodPost, add, "# TYPE m counter\nm 1\n", "Idempotency-Key", key)
		if is := got.header.Get("Idempotency-Replayed") == "true"; is != want {
			t.Errorf("the push with the key %s is replayed: %v, want %v", key, is, want)
		}
	}
	for i := range 20 {
		first, other := a, b
		if i%2 == 1 {
			first, other = b, a
		}
		replayed(first, fmt.Sprint("k", i), false)
		replayed(other, fmt.Sprint("k", i), true)
	}
	a.want(202, http.MethodDelete, "/metrics/job/j", "")
	replayed(b, "k0", true)
	replayed(b, "new", false)
	for _, s := range []*server{a, b} {
		s.exposes(`m{instance="",job="j"} 1`, true)
	}
	late := start(t, a.proc.Cmd.Args[1:]...)
	replayed(late, "k1", true)
	replayed(late, "new", true)
	for i := range 4 { // an export of deltas counts once by itself
		body := exportOf("", deltaOf("c", pointOf(1+i/2, "1")))
		[]*server{a, b, late}[i%3].want(200, http.MethodPost, "/v1/metrics", body, "Content-Type", otlpJSON)
	}
	for _, s := range []*server{a, b, late} {
		s.exposes(`c_total{instance="",job="a",n="1"} 2`, true)
	}
	a.want(200, http.MethodPut, "/metrics/job/owner", takenGauge)
	a.exportTaken(false)
	b.exportTaken(true)
	b.want(202, http.MethodDelete, "/metrics/job/owner", "")
	a.exposes("taken_total", false)
	for _, s := range []*server{a, b, late, start(t, a.proc.Cmd.Args[1:]...)} {
		s.exportTaken(true)
	}
}

// clusterExpiredKeys lets a group expire to which a push with a key was added. The
// push must not count again, at whichever member, also if all have started since.
func clusterExpiredKeys(t *testing.T, a, b *server) {
	add := func(s *server, replayed string) {
		t.Helper()
		got := s.want(200, http.MethodPost, "/metrics/job/j?merge=sum", "# TYPE m counter\nm 1\n", "Idempotency-Key", `"k"`, "X-Pushgateway-TTL", "1s")
		if is := got.header.Get("Idempotency-Replayed"); is != replayed {
			t.Errorf("the push is replayed: %q, want %q", is, replayed)
		}
	}
	add(a, "")
	a.exposes(`m{instance="",job="j"} 1`, false)
	b.exposes(`m{instance="",job="j"} 1`, false)
	args := a.proc.Cmd.Args[1:]
	add(start(t, args...), "true")
	for _, s := range []*server{a, b} {
		s.proc.Stop()
	}
	late := start(t, args...)
	add(late, "true")
	late.exposes(`m{instance="",job="j"} 1`, false)
	late.exposes("pushgateway_groups 0", true)
	late.push("/metrics/job/j", "n 1\n", 200)
	late.exposes(`n{instance="",job="j"} 1`, true)
	add(late, "true")
}

func clusterWipe(t *testing.T, a, b *server) {
	for i := range 30 {
		[]*server{a, b}[i%2].push(fmt.Sprintf("/metrics/job/j/n/%d", i), "m 1\n", 200)
	}
	got := b.want(200, http.MethodPost, "/api/v1/admin/delete_groups?match[]={n=~\"1.*\"}", "")
	if !strings.Contains(got.body, `"deleted":11`) || strings.Count(got.body, `"n":"1`) != 11 {
		t.Errorf("a delete by selector answers %s", got.body)
	}
	a.exposes(`m{instance="",job="j",n="12"} 1`, false)
	a.exposes(`m{instance="",job="j",n="2"} 1`, true)
	a.want(202, http.MethodPut, "/api/v1/admin/wipe", "")
	for _, s := range []*server{a, b} {
		s.eventually("no group", func() bool { return !strings.Contains(s.scrape().body, `job="j"`) })
	}
}

func clusterTTL(t *testing.T, a, b *server) {
	a.push("/metrics/job/short", "m 1\n", 200, "X-Pushgateway-TTL", "2s")
	a.push("/metrics/job/long", "m 1\n", 200, "X-Pushgateway-TTL", "1h")
	b.exposes(`m{instance="",job="short"} 1`, true)
	for _, s := range []*server{a, b} {
		s.exposes(`m{instance="",job="short"} 1`, false)
		s.exposes(`m{instance="",job="long"} 1`, true)
	}
	b.push("/metrics/job/short", "m 2\n", 200)
	a.exposes(`m{instance="",job="short"} 2`, true)
}

func clusterMany(t *testing.T, a, b *server) {
	b.push("/metrics/job/x", "# TYPE m counter\nm 1\n", 200)
	a.exposes(`m{instance="",job="x"} 1`, true)
	var body strings.Builder
	for i := range 100 {
		fmt.Fprintf(&body, "n{job=\"j%d\"} 1\n", i)
	}
	got := a.want(200, http.MethodPut, "/api/v1/push?group_by=job", body.String())
	if !strings.Contains(got.body, `"pushed":100`) && strings.Count(got.body, `"job":"j`) != 100 {
		t.Errorf("a push of 100 groups answers %s", clip(got.body))
	}
	b.exposes(`n{instance="",job="j99"} 1`, true)
	got = b.want(400, http.MethodPut, "/api/v1/push?group_by=job", "# TYPE m gauge\nm{job=\"y\"} 1\n# TYPE n untyped\nn{job=\"z\"} 1\n")
	if strings.Count(got.body, `"error":`) != 2 || !strings.Contains(got.body, "1 of 2 groups were refused") {
		t.Errorf("a push of which one group is refused answers %s", got.body)
	}
	a.exposes(`n{instance="",job="z"} 1`, true)
}

func clusterRefusals(t *testing.T, a, b *server) {
	a.push("/metrics/job/j", "# TYPE m gauge\nm 1\n", 200)
	b.exposes(`m{instance="",job="j"} 1`, true)
	b.push("/metrics/job/other", "# TYPE m counter\nm 1\n", 400)
	for _, s := range []*server{a, b} {
		s.eventually("the failure of a group without a push", func() bool {
			body := s.get("/api/v1/groups?status=failure").body
			return strings.Contains(body, `"job":"other"`) && !strings.Contains(body, `"job":"j"`)
		})
	}
	b.push("/metrics/job/j", "m{a=\"1\"} 1 1234\n", 400) // a timestamp
	var times []string
	for _, s := range []*server{a, b} {
		s.eventually("the failure of a group", func() bool {
			return strings.Contains(s.get("/api/v1/groups?status=failure").body, `"job":"j"`)
		})
		times = append(times, lineOf(s.scrape().body, `push_failure_time_seconds{instance="",job="j"}`))
	}
	if times[0] != times[1] || times[0] == "" {
		t.Errorf("the members expose different failure times: %q", times)
	}
	b.want(202, http.MethodDelete, "/metrics/job/other", "")
	a.eventually("the end of a failure", func() bool { return !strings.Contains(a.get("/api/v1/groups").body, `"job":"other"`) })
}

// lineOf returns the line of an exposition that begins with a series.
func lineOf(body, series string) string {
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, series+" ") {
			return line
		}
	}
	return ""
}

// clusterConflicts pushes contradictory groups to both members at the same
// moment. Whatever is stored, both must expose the same one.
func clusterConflicts(t *testing.T, a, b *server) {
	both := 0
	for i := range 20 {
		name := fmt.Sprint("m", i)
		var wg sync.WaitGroup
		statuses := make([]int, 2)
		for n, s := range []*server{a, b} {
			wg.Go(func() {
				typ := []string{"gauge", "counter"}[n]
				statuses[n] = s.do(http.MethodPut, fmt.Sprintf("/metrics/job/%s/n/%d", name, n), fmt.Sprintf("# TYPE %s %s\n%s 1\n", name, typ, name)).status
			})
		}
		wg.Wait()
		if statuses[0] != 200 && statuses[1] != 200 {
			t.Fatalf("both of two conflicting pushes are refused: %v", statuses)
		}
		if statuses[0] == 200 && statuses[1] == 200 {
			both++
		}
		line := func(s *server) string { return lineOf(s.scrape().body, "# TYPE "+name) }
		a.eventually("the same exposition", func() bool { return line(a) == line(b) && line(a) != "" })
	}
	t.Logf("both of the conflicting pushes were stored %d times", both)
}

// clusterRace merges into one group through both members at once. None of the
// merges may be lost.
func clusterRace(t *testing.T, a, b *server) {
	const pushes = 40
	var wg sync.WaitGroup
	for n, s := range []*server{a, b} {
		wg.Go(func() {
			for i := range pushes {
				s.want(200, http.MethodPost, "/metrics/job/j", fmt.Sprintf("m_%d_%d 1\n", n, i))
			}
		})
	}
	wg.Wait()
	for _, s := range []*server{a, b} {
		for n := range 2 {
			for i := range pushes {
				s.exposes(fmt.Sprintf(`m_%d_%d{instance="",job="j"} 1`, n, i), true)
			}
		}
	}
}

// TestClusterScrapes scrapes two members. At the same revision their groups
// must be equal, byte for byte.
func TestClusterScrapes(t *testing.T) {
	c := natstest.Start(t, 1)
	a, b := joinCluster(t, c, "S", "--cluster.advertise-address=a:9091"), joinCluster(t, c, "S", "--cluster.advertise-address=b:9091")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for n, s := range []*server{a, b} {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				s.do(http.MethodPut, fmt.Sprintf("/metrics/job/j/n/%d", i%7), fmt.Sprintf("m{x=\"%d\"} %d\n", n, i))
				s.do(http.MethodPut, "/metrics/job/bad", "m{")
				s.do(http.MethodPut, fmt.Sprintf("/metrics/job/bad/n/%d", i%3), "m 1 12\n")
				if i%5 == 0 {
					s.do(http.MethodDelete, fmt.Sprintf("/metrics/job/j/n/%d", i%7), "")
				}
			}
		})
	}
	seen, compared := map[string]string{}, 0
	a.eventually("equal revisions", func() bool {
		for _, s := range []*server{a, b} {
			got := s.get("/metrics?own=false")
			revision := got.header.Get("X-Pushgateway-Revision")
			if revision == "" {
				t.Fatal("a scrape has no revision")
			}
			if strings.HasSuffix(revision, "+") {
				continue
			}
			if before, known := seen[revision]; known && before != got.body {
				t.Fatalf("two scrapes with the revision %s differ:\n%s\n%s", revision, before, got.body)
			} else if known {
				compared++
			}
			seen[revision] = got.body
		}
		return compared > 20
	})
	close(stop)
	wg.Wait()
	last := func(s *server) (revision, body string) {
		got := s.get("/metrics?own=false")
		return got.header.Get("X-Pushgateway-Revision"), got.body
	}
	a.eventually("the same groups", func() bool {
		r, x := last(a)
		q, y := last(b)
		return r == q && x == y && !strings.HasSuffix(r, "+")
	})
	ownMetricsApart(t, a, b)
}

func ownMetricsApart(t *testing.T, a, b *server) {
	if body := a.get("/metrics?own=false").body; strings.Contains(body, "pushgateway_groups ") || strings.Contains(body, "go_goroutines") {
		t.Error("a scrape without own metrics has some")
	}
	a.want(400, http.MethodGet, "/metrics?own=maybe", "")
	for _, s := range []*server{a, b} {
		body := s.get("/-/metrics").body
		if strings.Contains(body, `job="j"`) || !strings.Contains(body, "pushgateway_cluster_connected 1\n") || !strings.Contains(body, "pushgateway_groups ") {
			t.Errorf("the own metrics are %s", clip(body))
		}
		s.eventually("both members as targets", func() bool {
			got := s.get("/api/v1/targets")
			return got.header.Get("Content-Type") == "application/json" && strings.TrimSpace(got.body) == `[{"targets":["a:9091","b:9091"],"labels":{"__metrics_path__":"/-/metrics"}}]`
		})
	}
}

// TestClusterRefusedPushesExpire ends groups that have had only refused pushes, whichever
// members have refused them.
func TestClusterRefusedPushesExpire(t *testing.T) {
	c := natstest.Start(t, 1)
	join := func() *server { return joinCluster(t, c, "refused", "--push.ttl=1s") }
	a, b := join(), join()
	a.push("/metrics/job/good?ttl=0", "m 1\n", 200)
	b.exposes(`m{instance="",job="good"} 1`, true)
	groups := []string{"/metrics/job/a", "/metrics/job/b", "/metrics/job/both"}
	for i, members := range [][]*server{{a}, {b}, {a, b}} {
		for _, s := range members {
			s.push(groups[i], "# TYPE m counter\nm 1\n", 400)
		}
	}
	for _, s := range []*server{a, b} {
		for _, path := range groups {
			s.awaitGone(path)
		}
		s.exposes(`m{instance="",job="good"} 1`, true)
	}
	if n := join().groups("", 200).Data.Total; n != 1 {
		t.Errorf("a new member has %d groups, want 1", n)
	}
}
