package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"pushgateway/internal/natstest"
	"pushgateway/internal/testproc"
)

// TestClusterOutage pauses and kills the servers of a cluster. Scrapes go on,
// pushes are refused in time, and everything recovers without a hand.
func TestClusterOutage(t *testing.T) {
	t.Parallel() // mostly it waits
	servers := natstest.Launch(t, 3)
	a, b := joinCluster(t, servers, "S"), joinCluster(t, servers, "S")
	a.push("/metrics/job/j", "m 1\n", 200)
	b.exposes(`m{instance="",job="j"} 1`, true)

	for i := range 3 {
		servers.Pause(i)
	}
	pushesAreRefused(t, a)
	for _, s := range []*server{a, b} {
		s.exposes(`m{instance="",job="j"} 1`, true)
		s.get("/-/ready")
		s.eventually("refusals at once", func() bool { return s.do(http.MethodGet, "/-/ready?for=push", "").status == 503 })
		s.eventually("a lag", func() bool { return s.do(http.MethodGet, "/-/ready?max_lag=5s", "").status == 503 })
	}
	late := lateMember(t, servers)
	for i := range 3 {
		servers.Resume(i)
	}
	for _, s := range []*server{a, b, late} {
		s.recovers()
		s.exposes(`m{instance="",job="j"} 1`, true)
	}

	const sum = "/metrics/job/sum?merge=sum"
	replayed := func(s *server) bool {
		got := s.want(http.StatusOK, http.MethodPost, sum, "# TYPE c counter\nc 1\n", "Idempotency-Key", "k")
		return got.header.Get("Idempotency-Replayed") == "true"
	}
	if replayed(a) {
		t.Error("the first push with a key is replayed")
	}
	leader := servers.Leader("S")
	servers.Kill(leader)
	for i := range 5 {
		path := fmt.Sprint("/metrics/job/k/n/", i)
		a.eventually("a push without the leader", func() bool { return a.do(http.MethodPut, path, "m 1\n").status == 200 })
	}
	if !replayed(b) {
		t.Error("a push with the key through another member, after the leader was lost, counts again")
	}
	servers.Run(leader)
	for _, s := range []*server{b, late} {
		s.recovers()
		s.exposes(`m{instance="",job="k",n="4"} 1`, true)
	}
}

// pushesAreRefused pushes from many clients while no server answers.
func pushesAreRefused(t *testing.T, s *server) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			started := time.Now()
			got := s.do(http.MethodPut, fmt.Sprint("/metrics/job/refused/n/", i%50), "m 1\n")
			if got.status != 503 || got.header.Get("Retry-After") == "" {
				t.Errorf("a push while no server answers: got %d %q", got.status, got.body)
			}
			if took := time.Since(started); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
	wg.Wait()
}

// recovers waits until pushes are accepted.
func (s *server) recovers() {
	s.t.Helper()
	s.eventually("that pushes are accepted", func() bool { return s.do(http.MethodGet, "/-/ready?for=push", "").status == 200 })
	s.eventually("no lag", func() bool { return s.do(http.MethodGet, "/-/ready?max_lag=5s", "").status == 200 })
}

// lateMember starts a gateway while no server answers. It must be alive, but
// not ready, and say what it waits for.
func lateMember(t *testing.T, servers *natstest.Processes) *server {
	t.Helper()
	p := testproc.Launch(t, exec.Command(binary, append([]string{"--web.listen-address=127.0.0.1:0"}, clusterArgs(servers, "S")...)...))
	if !p.AwaitListening() {
		t.Fatal("it ended")
	}
	s := &server{t: t, addr: p.Addr, base: "http://" + p.Addr, log: p.Log, proc: p}
	s.get("/-/healthy")
	s.eventually("what it waits for", func() bool {
		got := s.want(503, http.MethodGet, "/-/ready", "")
		return strings.Contains(got.body, "it waits: connecting to nats://127.0.0.1")
	})
	return s
}

// TestClusterFull fills a stream. New groups are refused before it is full, so
// that the groups that exist can be pushed to and deleted.
func TestClusterFull(t *testing.T) {
	c := natstest.Start(t, 1)
	s := joinCluster(t, c, "S", "--cluster.max-bytes=2MiB")
	body := randomMetrics(400)
	refused := 0
	for i := 0; refused == 0 && i < 1000; i++ {
		got := s.do(http.MethodPut, fmt.Sprint("/metrics/job/j/n/", i), body)
		if got.status == 503 {
			refused = i
			if !strings.Contains(got.body, "the stream is full") || got.header.Get("Retry-After") == "" {
				t.Errorf("a push of a new group to a full stream answers %q", got.body)
			}
		}
		if i%20 == 0 {
			time.Sleep(50 * time.Millisecond)
		}
	}
	if refused == 0 {
		t.Fatal("the stream was never full")
	}
	s.want(202, http.MethodDelete, "/metrics/job/j/n/0", "")
	s.want(202, http.MethodPut, "/api/v1/admin/wipe", "")
	s.eventually("room again", func() bool { return s.do(http.MethodPut, "/metrics/job/new", body).status == 200 })
}

// randomMetrics makes a body that hardly compresses.
func randomMetrics(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "m{i=\"%d\"} %v\n", i, rand.Float64())
	}
	return b.String()
}

// TestClusterPayload pushes a group that the servers cannot take.
func TestClusterPayload(t *testing.T) {
	c := natstest.Start(t, 1)
	s := joinCluster(t, c, "S")
	got := s.push("/metrics/job/j", randomMetrics(80_000), 413)
	if !strings.Contains(got.body, "bytes compressed, and the NATS servers accept messages of 1048576 bytes") {
		t.Errorf("got %q", got.body)
	}
}

// TestClusterSettings starts gateways that cannot work together with the
// servers. Each must say why.
func TestClusterSettings(t *testing.T) {
	c := natstest.Start(t, 1)
	joinCluster(t, c, "S")
	url := "--cluster.url=" + c.URLs()[0]
	for want, args := range map[string][]string{
		"num_replicas is 1, but must be 3":            {url, "--cluster.stream=S"},
		"or make the servers a cluster":               {url, "--cluster.stream=T"},
		"leave out --persistence.file":                {url, "--persistence.file=" + t.TempDir() + "/f"},
		"not in both; remove this":                    {"--config.file=" + newConfig(t, "cluster: {url: [nats://127.0.0.1:1]}\n").path, "--persistence.file=" + t.TempDir() + "/f"},
		"it must be 1, 3 or 5":                        {url, "--cluster.replicas=2"},
		"it must be a URL like nats://nats-1:4222":    {"--cluster.url=nats-1"},
		"raise max_file_store of the servers, or":     {url, "--cluster.stream=T", "--cluster.replicas=1", "--cluster.max-bytes=1TiB"},
		"--cluster.credentials-file: it needs":        {"--cluster.credentials-file=x"},
		"--cluster.stream=\"a.b\": it must be a name": {url, "--cluster.stream=a.b"},
	} {
		out, err := exec.Command(binary, append([]string{"--web.listen-address=127.0.0.1:0"}, args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: got %v, %s\nwant %q", args, err, out, want)
		}
	}
}
