package e2e

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/httpapi"
	"pushgateway/internal/intake"
	"pushgateway/internal/natstest"
	"pushgateway/internal/record"
	gatewayserver "pushgateway/internal/server"
	"pushgateway/internal/storage"
	"pushgateway/internal/testproc"
)

// olderMember is a member in the process of the test that acts as a version from
// before the present format of records.
type olderMember struct {
	*server
	gw   *gatewayserver.Server
	http *httptest.Server
}

func openOlder(t testing.TB, c interface{ URLs() []string }, address string) (*gatewayserver.Server, error) {
	return gatewayserver.Open(t.Context(), gatewayserver.Config{
		Logger: slog.New(slog.DiscardHandler),
		Storage: storage.Config{Cluster: &storage.Cluster{
			URLs: c.URLs(), Stream: "S", Replicas: len(c.URLs()), Address: address, Newest: gateway.NewestFormat - 1,
		}},
	})
}

func joinOlder(t testing.TB, c interface{ URLs() []string }, address string) *olderMember {
	t.Helper()
	gw, err := openOlder(t, c, address)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(gw.Handler(httpapi.Config{TelemetryPath: "/metrics", UI: http.NotFoundHandler()}, intake.Config{}))
	m := &olderMember{&server{t: t, addr: s.Listener.Addr().String(), base: s.URL, log: new(testproc.Log)}, gw, s}
	t.Cleanup(m.leave)
	return m
}

// leave ends the member in order.
func (m *olderMember) leave() {
	m.http.Close()
	if err := m.gw.Close(); err != nil {
		m.t.Error(err)
	}
}

// balancer sends pushes to members in turn.
type balancer struct {
	mu      sync.Mutex
	members []*server
	next    int
}

func (b *balancer) set(members ...*server) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.members = members
}

func (b *balancer) pick() *server {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	return b.members[b.next%len(b.members)]
}

// counting adds to a group of its own, with a key for each addition, and tries
// again until it is acknowledged.
func (b *balancer) counting(t testing.TB, n int, stop <-chan struct{}) (added int) {
	path := fmt.Sprintf("/metrics/job/load/n/%d?merge=sum", n)
	for ; ; added++ {
		for tries := 0; ; tries++ {
			select {
			case <-stop:
				if tries == 0 {
					return added
				}
			default:
			}
			req, _ := http.NewRequest(http.MethodPost, b.pick().base+path, strings.NewReader("# TYPE load_total counter\nload_total 1\n")) // it is one
			req.Header.Set("Idempotency-Key", fmt.Sprint(added))
			answer, err := http.DefaultClient.Do(req)
			if err == nil {
				_ = answer.Body.Close()
				if answer.StatusCode == http.StatusOK {
					break
				}
			}
			if tries > 1000 {
				t.Errorf("group %d: an addition is refused: %v, %v", n, answer, err)
				return added
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// TestRollingUpgrade replaces members of an older version by those of this one,
// one at a time, while clients add to groups. Nothing may be lost, and the older
// members must understand everything that is stored while they live.
func TestRollingUpgrade(t *testing.T) {
	c := natstest.Start(t, 3)
	first, second := joinOlder(t, c, "first:9091"), joinOlder(t, c, "second:9091")
	lives := new(balancer)
	lives.set(first.server, second.server)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	var added [6]atomic.Int64
	for n := range added {
		clients.Go(func() { added[n].Store(int64(lives.counting(t, n, stop))) })
	}
	end := sync.OnceFunc(func() { close(stop); clients.Wait() })
	defer end()

	third := joinCluster(t, c, "S")
	lives.set(first.server, second.server, third)
	wantOlder := func(s *server, address string) {
		t.Helper()
		s.eventually("a refusal of what "+address+" cannot read", func() bool { // signs of life come in a moment
			got := s.do(http.MethodPost, "/metrics/job/short?merge=sum", "# TYPE short_total counter\nshort_total 1\n", "X-Pushgateway-Series-TTL", "10h")
			if got.status != http.StatusServiceUnavailable {
				t.Fatalf("what an older member cannot read: %d %q", got.status, got.body)
			}
			return strings.Contains(got.body, "the member "+address+" has an older version")
		})
	}
	wantOlder(third, "first:9091")
	lives.set(second.server, third)
	first.leave()
	wantOlder(third, "second:9091")
	fourth := joinCluster(t, c, "S")
	lives.set(second.server, third, fourth)
	wantOlder(fourth, "second:9091")
	second.exposes(`load_total{instance="",job="load",n="0"} 0`, false)
	if got := second.scrape().body; !strings.Contains(got, "pushgateway_cluster_unreadable_groups_total 0\n") {
		t.Error("the older member cannot read all groups")
	}
	lives.set(third, fourth)
	second.leave()
	fourth.eventually("a push that older members cannot read", func() bool {
		return fourth.do(http.MethodPost, "/metrics/job/short?merge=sum", "# TYPE short_total counter\nshort_total 1\n", "X-Pushgateway-Series-TTL", "10h").status == http.StatusOK
	})
	end()
	for n := range added {
		for _, s := range []*server{third, fourth} {
			s.exposes(fmt.Sprintf(`load_total{instance="",job="load",n="%d"} %d`, n, added[n].Load()), true)
		}
	}
	third.exposes(`short_total{instance="",job="short"} 1`, true)
	if _, err := openOlder(t, c, "late:9091"); !errors.Is(err, record.ErrNewer) {
		t.Errorf("an older member that starts when it is too late: %v", err)
	}
}
