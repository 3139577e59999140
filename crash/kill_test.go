package crash

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

var (
	rounds = flag.Int("crash.rounds", 100, "how often the gateway is killed")
	seed   = flag.Uint64("crash.seed", 0, "of the random numbers; 0 picks one")
)

const (
	clients         = 12
	groupsPerClient = 5
)

// random gives random numbers that can be had again.
func random(t *testing.T) *rand.Rand {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-crash.seed=%d", s)
	return rand.New(rand.NewPCG(s, 0))
}

// TestKill kills the gateway at random moments, while many clients push, and
// looks at what the next one has.
func TestKill(t *testing.T) {
	r, m := random(t), newModel()
	file := filepath.Join(t.TempDir(), "journal")
	answered := 0
	for round := range *rounds {
		s := start(t, file)
		m.check(s)
		var wg sync.WaitGroup
		counts := make([]int, clients)
		for c := range clients {
			own := rand.New(rand.NewPCG(r.Uint64(), uint64(c)))
			wg.Go(func() { counts[c] = pushUntilKilled(m, s, own, c, round) })
		}
		time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond) // the moment of the crash
		s.kill()
		wg.Wait()
		for _, n := range counts {
			answered += n
		}
	}
	s := start(t, file)
	m.check(s)
	t.Logf("%d changes were answered in %d lives", answered, *rounds)
	if answered < *rounds {
		t.Error("hardly any push was answered: this has shown nothing")
	}
}

// pushUntilKilled gives the number of changes that were answered.
func pushUntilKilled(m *model, s *server, r *rand.Rand, client, round int) (answered int) {
	for n := 1; ; n++ {
		name := fmt.Sprintf("c%d-%d", client, r.IntN(groupsPerClient))
		value := round*1_000_000 + n*clients + client
		if _, _, err := m.send(s, name, randomChange(r, value)); err != nil {
			return answered
		}
		answered++
	}
}
