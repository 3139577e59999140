package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/natstest"
)

// clusterSeriesTTL lets a series end. Each member hides it, also one that starts
// later.
func clusterSeriesTTL(t *testing.T, a, b *server) {
	a.add("j", "m{x=\"1\"} 1\nm{x=\"2\"} 1\n", 200, "X-Pushgateway-Series-TTL", "2s")
	b.add("j", "m{x=\"2\"} 1\n", 200, "X-Pushgateway-Series-TTL", "1h")
	a.add("k", "m{x=\"1\"} 1\n", 200, "X-Pushgateway-Series-TTL", "1s")
	b.exposes(`m{instance="",job="j",x="1"} 1`, true)
	for _, s := range []*server{a, b, start(t, a.proc.Cmd.Args[1:]...)} {
		s.exposes(`m{instance="",job="j",x="1"} 1`, false)
		s.exposes(`m{instance="",job="k",x="1"} 1`, false)
		s.exposes(`m{instance="",job="j",x="2"} 2`, true)
		s.awaitGone("/metrics/job/k")
	}
	b.add("j", "m{x=\"1\"} 1\n", 200)
	a.exposes(`m{instance="",job="j",x="1"} 1`, true)
}

// addition is a push that adds up, with a key.
type addition struct {
	job string
	n   int
	key string
}

// body has a counter, and a histogram with one observation.
func (a addition) body() string {
	low := 0
	if a.n <= 5 {
		low = 1
	}
	return fmt.Sprintf("# TYPE c counter\nc %d\n# TYPE h histogram\nh_bucket{le=\"5\"} %d\nh_bucket{le=\"+Inf\"} 1\nh_sum %[1]d\nh_count 1\n", a.n, low)
}

// send sends the push once.
func (a addition) send(s *server) (status int, replayed bool) {
	req, err := http.NewRequest(http.MethodPost, s.base+"/metrics/job/"+a.job+"?merge=sum", strings.NewReader(a.body()))
	if err != nil {
		s.t.Error(err)
		return 0, false
	}
	req.Header.Set("Idempotency-Key", strconv.Quote(a.key))
	res, err := client.Do(req)
	if err != nil {
		return 0, false
	}
	defer res.Body.Close()
	return res.StatusCode, res.Header.Get("Idempotency-Replayed") == "true"
}

// pair are two members, one of which may be replaced at any time.
type pair [2]atomic.Pointer[server]

// insist sends a push to one member or the other until one takes it.
func (p *pair) insist(t *testing.T, r *rand.Rand, a addition) (replayed bool) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		status, replayed := a.send(p[r.IntN(2)].Load())
		switch status {
		case http.StatusOK:
			return replayed
		case 0, http.StatusServiceUnavailable:
		default:
			t.Errorf("the push %s is answered %d", a.key, status)
			return false
		}
	}
	t.Errorf("the push %s is not taken", a.key)
	return false
}

// TestClusterSumsKilled adds through two members, which are killed meanwhile. What
// was not answered is sent again, and some of what was. Each push counts once.
func TestClusterSumsKilled(t *testing.T) {
	const clients, kills = 6, 4
	c := natstest.Start(t, 1)
	var members pair
	for i := range members {
		members[i].Store(joinCluster(t, c, "S"))
	}
	var over atomic.Bool
	var mu sync.Mutex
	var all []addition
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 1))
			for i := 0; !over.Load(); i++ {
				a := addition{fmt.Sprint("j", r.IntN(2)), 1 + r.IntN(10), fmt.Sprint(n, "-", i)}
				members.insist(t, r, a)
				if r.IntN(3) == 0 {
					members.insist(t, r, a)
				}
				mu.Lock()
				all = append(all, a)
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for i := range kills {
		time.Sleep(50 * time.Millisecond)
		s := members[i%2].Load()
		s.proc.Kill()
		members[i%2].Store(start(t, s.proc.Cmd.Args[1:]...))
	}
	over.Store(true)
	wg.Wait()
	t.Logf("%d pushes", len(all))
	r := rand.New(rand.NewPCG(1, 2))
	want := make(map[string]int)
	for _, a := range all {
		want["c "+a.job] += a.n
		want["h "+a.job]++
		if !members.insist(t, r, a) {
			t.Errorf("the push %s counts again", a.key)
		}
	}
	for i := range members {
		for _, job := range []string{"j0", "j1"} {
			members[i].Load().exposes(fmt.Sprintf(`c{instance="",job=%q} %d`, job, want["c "+job]), true)
			members[i].Load().exposes(fmt.Sprintf(`h_count{instance="",job=%q} %d`, job, want["h "+job]), true)
			members[i].Load().exposes(fmt.Sprintf(`h_sum{instance="",job=%q} %d`, job, want["c "+job]), true)
		}
	}
}
