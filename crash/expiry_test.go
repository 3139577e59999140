package crash_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

// mortal is a group with a time to live, as far as a client knows it.
type mortal struct {
	name string
	// earliest and latest are when it may end, after the last push that was
	// answered well; both are zero if it lives for ever.
	earliest, latest time.Time
	doubt            bool // a push after that was not answered
}

func (m *mortal) url(addr string) string {
	return "http://" + addr + "/metrics/job/mortal/name/" + m.name
}

// push lets the group live for a while, 0 for ever.
func (m *mortal) push(addr string, ttl time.Duration) error {
	before := time.Now()
	a, err := ask(client, http.MethodPut, m.url(addr), "m 1\n", "X-Pushgateway-TTL", ttl.String())
	if err != nil || a.status != http.StatusOK {
		m.doubt = true
		return fmt.Errorf("got %d %q: %w", a.status, a.body, err)
	}
	m.doubt, m.earliest, m.latest = false, time.Time{}, time.Time{}
	if ttl > 0 {
		m.earliest, m.latest = before.Add(ttl), time.Now().Add(ttl)
	}
	return nil
}

// check holds what a scrape between two moments had of the group, or had not,
// against its time.
func (m *mortal) check(t *testing.T, expires map[string]float64, before, after time.Time) {
	t.Helper()
	at, there := expires[m.name]
	switch {
	case m.doubt:
	case m.earliest.IsZero() && (!there || at != 0):
		t.Errorf("%s lives for ever, and there: %v, until %v", m.name, there, at)
	case m.earliest.IsZero():
	case there && before.After(m.latest):
		t.Errorf("%s is there %v after its time", m.name, before.Sub(m.latest))
	case !there && after.Before(m.earliest):
		t.Errorf("%s is gone %v before its time", m.name, m.earliest.Sub(after))
	case there && (at < seconds(m.earliest)-slack || at > seconds(m.latest)+slack):
		t.Errorf("%s ends at %v, want one from %v to %v", m.name, at, seconds(m.earliest), seconds(m.latest))
	}
}

// slack is what a float64 of seconds cannot tell.
const slack = 1e-6

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

var mortalLine = regexp.MustCompile(`(?m)^(m|push_expiry_time_seconds)\{instance="",job="mortal",name="(\d+)"\} (\S+)$`)

// mortals gives, by name, when the exposed groups end, 0 for never.
func (s *server) mortals() map[string]float64 {
	s.t.Helper()
	a := s.get("/metrics")
	if a.status != http.StatusOK {
		s.t.Fatalf("GET /metrics: got %d %q", a.status, clip(a.body))
	}
	expires := make(map[string]float64)
	for _, m := range mortalLine.FindAllStringSubmatch(a.body, -1) {
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			s.t.Fatal(err)
		}
		if expires[m[2]] += 0; m[1] != "m" {
			expires[m[2]] = v
		}
	}
	return expires
}

// TestKillExpiring kills the gateway again and again while groups end, some of
// them while it is down: none comes back after its time, and none is gone
// before.
func TestKillExpiring(t *testing.T) {
	t.Parallel()
	r := randomness(t)
	file := filepath.Join(t.TempDir(), "journal")
	var groups []*mortal
	for i := range 12 {
		groups = append(groups, &mortal{name: strconv.Itoa(i)})
	}
	check := func(s *server) {
		before := time.Now()
		expires := s.mortals()
		after := time.Now()
		for _, m := range groups {
			m.check(t, expires, before, after)
		}
	}
	s := start(t, file)
	for _, m := range groups {
		if err := m.push(s.Addr, 0); err != nil {
			t.Fatal(err)
		}
	}
	for round := range max(*rounds/10, 1) {
		for range 10 {
			m := groups[r.IntN(len(groups))]
			if err := m.push(s.Addr, randomLife(r)); err != nil {
				t.Fatal(err)
			}
			check(s)
		}
		s.killPushing(r, groups)
		time.Sleep(time.Duration(r.Int64N(int64(200 * time.Millisecond)))) // while it is down
		s = start(t, file)
		if check(s); t.Failed() {
			t.Fatalf("in round %d\n%s", round, s.Log)
		}
	}
}

// randomLife is often over before the next start.
func randomLife(r *rand.Rand) time.Duration {
	return []time.Duration{0, 20 * time.Millisecond, 300 * time.Millisecond, time.Hour}[r.IntN(4)]
}

// killPushing kills the gateway while somebody pushes.
func (s *server) killPushing(r *rand.Rand, groups []*mortal) {
	done := make(chan struct{})
	own := rand.New(rand.NewPCG(r.Uint64(), 0))
	go func() {
		defer close(done)
		for groups[own.IntN(len(groups))].push(s.Addr, randomLife(own)) == nil {
		}
	}()
	select {
	case <-time.After(time.Duration(r.Int64N(int64(30 * time.Millisecond)))):
	case <-done:
		s.t.Error("a push failed though nothing was killed")
	}
	s.Kill()
	select {
	case <-done:
	case <-time.After(testproc.Patience):
		s.t.Fatal("a push to a gateway that was killed is not answered")
	}
}
