package natsjournal_test

import (
	"fmt"
	"sync"
	"testing"

	"pushgateway/internal/gateway"
	"pushgateway/internal/natstest"
)

// TestManyKeys adds to one group through two members, with more keys than its
// message has room for. All are known, also to a member that starts later, and
// the message stays small.
func TestManyKeys(t *testing.T) {
	const clients, each = 100, 30
	c := natstest.StartUnsynced(t)
	a, b := open(t, c.URLs(), 1), open(t, c.URLs(), 1)
	key := keyOf(t, "a")
	add := func(g *gateway.Gateway, once string) (replayed bool) {
		p := pushOf(t, key, "# TYPE n counter\nn 1\n")
		p.Mode, p.Once = gateway.Sum, gateway.NewOnce(key, once, [16]byte{1})
		if err := g.Push(t.Context(), p); err != nil {
			t.Errorf("the push %s: %v", once, err)
		}
		return p.Once.Replayed
	}
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			for i := range each {
				if add([]*gateway.Gateway{a, b}[i%2], fmt.Sprint(n, "-", i)) {
					t.Error("a new push did not count")
				}
			}
		})
	}
	all.Wait()
	late := open(t, c.URLs(), 1)
	for n := range clients {
		for i := range each {
			if !add([]*gateway.Gateway{a, b, late}[(n+i)%3], fmt.Sprint(n, "-", i)) {
				t.Fatalf("the push %d-%d counts again", n, i)
			}
		}
	}
	if n := late.Receipts(); n != clients*each {
		t.Errorf("a member that starts later knows %d keys, want %d", n, clients*each)
	}
	js, err := newOperator(t, c).JetStream()
	if err != nil {
		t.Fatal(err)
	}
	last, err := js.GetLastMsg("S", subjectOf(key))
	if err != nil {
		t.Fatal(err)
	}
	if size, naive := len(last.Header.Get("Pushgateway-Receipts")), clients*each*54; size == 0 || size > naive/2 {
		t.Errorf("the keys in the message of the group take %d bytes, and all would take %d", size, naive)
	}
}
