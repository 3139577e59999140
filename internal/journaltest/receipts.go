package journaltest

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// testReceipts commits changes with receipts. They must be applied with their
// change, and outlast a restart and the end of their group.
func testReceipts(t *testing.T, s Store) {
	j, r := open(t, s)
	want := make(map[gateway.Receipt]bool)
	for round := range 3 {
		for i := range 200 {
			key := keyOf(t, fmt.Sprint("job", i%7))
			c := change(t, r, key, fmt.Sprintf("m %d\n", i))
			for n := range i % 3 {
				receipt := gateway.Receipt{ID: [16]byte{byte(round), byte(i), byte(n)}, Content: [16]byte{byte(i)}, At: time.Now().UnixNano()}
				c.Receipts = append(c.Receipts, receipt)
				want[receipt] = true
			}
			must(t, j, c)
			wantReceipts(t, r, want)
		}
		must(t, j, change(t, r, keyOf(t, "job1"), "")) // its receipts stay
		if j, r = again(t, s, j, r); !s.Durable {
			clear(want)
		}
		wantReceipts(t, r, want)
	}
}

func wantReceipts(t *testing.T, r *reader, want map[gateway.Receipt]bool) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !maps.Equal(r.receipts, want) {
		t.Fatalf("%d receipts are known, want %d", len(r.receipts), len(want))
	}
}

// addOnce adds 1 to a counter with an idempotency key, and wants the push to have
// counted before or not.
func (m *member) addOnce(key grouping.Key, once string, wantReplayed bool) {
	m.t.Helper()
	o := gateway.NewOnce(key, once, [16]byte{1})
	p := pushOf(m.t, key, "# TYPE n counter\nn 1\n")
	p.Mode, p.Once = gateway.Sum, o
	if m.must(m.Push(m.t.Context(), p)); o.Replayed != wantReplayed {
		m.t.Errorf("the push with the key %s is replayed: %v, want %v", once, o.Replayed, wantReplayed)
	}
}

// testRetryElsewhere sends pushes with keys again through another member, which
// may not have seen yet what the first one stored.
func testRetryElsewhere(t *testing.T, s *Shared) {
	a, b := two(t, s)
	key, other := keyOf(t, "a"), keyOf(t, "b")
	a.addOnce(key, "1", false)
	b.addOnce(key, "1", true)
	b.journal.Lag(true)
	a.addOnce(key, "2", false)
	b.addOnce(key, "2", true) // stale, then known
	b.journal.Lag(true)
	a.addOnce(other, "3", false)
	a.must(a.Delete(t.Context(), other))
	b.addOnce(other, "3", true) // neither the sum nor its end was seen
	b.journal.Lag(false)
	c := join(t, s, time.Second) // a replay brings keys, too
	for _, once := range []string{"1", "2"} {
		c.addOnce(key, once, true)
	}
	c.addOnce(other, "3", true)
	c.addOnce(key, "4", false)
	a.addOnce(key, "4", true)
}
