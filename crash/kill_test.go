package crash_test

import (
	"flag"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

var (
	rounds = flag.Int("crash.rounds", 100, "how often the gateway is killed while it serves")
	seed   = flag.Uint64("crash.seed", 0, "where randomness begins; 0 picks one")
)

// randomness gives a source of it that can be asked for again.
func randomness(t testing.TB) *rand.Rand {
	n := *seed
	if n == 0 {
		n = rand.Uint64()
	}
	t.Logf("-crash.seed=%d", n)
	return rand.New(rand.NewPCG(n, 0))
}

// TestKill kills the gateway at random moments while clients push, many times
// over the same file. After each start every acknowledged change is there, at
// most one unacknowledged change a client, none by half, and nothing that was
// deleted comes back.
func TestKill(t *testing.T) {
	t.Parallel()
	const clients, groups = 6, 4
	r := randomness(t)
	m := newModel(clients, groups)
	file := filepath.Join(t.TempDir(), "journal")
	changes := 0
	for round := range *rounds {
		s := start(t, file)
		m.compare(t, "after a start", s.scrape(), false)
		changes += s.storm(r, m, clients)
		got, err := read(file)
		if err != nil {
			t.Fatalf("round %d: after a kill: %v", round, err)
		}
		m.compare(t, "in the file", got, true)
		if t.Failed() {
			t.Fatalf("in round %d\n%s", round, s.Log)
		}
	}
	m.compare(t, "in the end", start(t, file).scrape(), false)
	t.Logf("%d changes were acknowledged in %d rounds", changes, *rounds)
}

// storm lets clients push, each to its own groups, until the gateway is killed
// under them. It gives the number of acknowledged changes.
func (s *server) storm(r *rand.Rand, m *model, clients int) int {
	var wg sync.WaitGroup
	var acked atomic.Int64
	enough, most := make(chan struct{}), int64(1+r.IntN(400))
	for c := range clients {
		own := rand.New(rand.NewPCG(r.Uint64(), 0))
		var mine []*group
		for _, g := range m.groups {
			if g.client == c {
				mine = append(mine, g)
			}
		}
		first := m.number + c + 1
		wg.Go(func() {
			via := &http.Client{Timeout: testproc.Patience, Transport: new(http.Transport)}
			defer via.CloseIdleConnections()
			for number := first; ; number += clients {
				x := randomChange(own, mine[own.IntN(len(mine))], number)
				a, err := sendVia(via, s.Addr, &x)
				if err != nil {
					return
				}
				if !a.taken(x) {
					s.t.Errorf("%s %s: got %d %q", x.method, x.group.path(), a.status, a.body)
					return
				}
				if acked.Add(1) == most {
					close(enough)
				}
			}
		})
	}
	select {
	case <-time.After(time.Duration(r.Int64N(int64(300 * time.Millisecond)))):
	case <-enough:
	}
	s.Kill()
	wg.Wait()
	m.number += clients * int(acked.Load()+2) // more than any of them has reached
	return int(acked.Load())
}
