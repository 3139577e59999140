package natsjournal_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/natsjournal"
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

// TestKeyUsedAgain uses a key again after its hour, when its receipt was stored apart
// from the group. Its new receipt must be stored, also after later pushes.
func TestKeyUsedAgain(t *testing.T) {
	t.Parallel()
	const keys = 310 // some of them are stored apart
	c := natstest.StartUnsynced(t)
	var hours atomic.Int64
	join := func() *gateway.Gateway {
		g, err := gateway.Open(t.Context(), gateway.Config{
			Journal: natsjournal.New(natsjournal.Config{URLs: c.URLs(), Stream: "S"}), Wait: natsjournal.Wait,
			Now: func() time.Time { return time.Now().Add(time.Duration(hours.Load()) * time.Hour) },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = g.Close() })
		return g
	}
	a, key := join(), keyOf(t, "a")
	add := func(g *gateway.Gateway, once string) (replayed bool) {
		t.Helper()
		p := pushOf(t, key, "# TYPE n counter\nn 1\n")
		p.Mode, p.Once = gateway.Sum, gateway.NewOnce(key, once, [16]byte{1})
		if err := g.Push(t.Context(), p); err != nil {
			t.Fatalf("the push %s: %v", once, err)
		}
		return p.Once.Replayed
	}
	for i := range keys {
		add(a, fmt.Sprint("k", i))
	}
	js, err := newOperator(t, c).JetStream()
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ { // until receipts are stored apart
		add(a, fmt.Sprint("more", i))
		last, err := js.GetLastMsg("S", subjectOf(key))
		if err != nil {
			t.Fatal(err)
		}
		if len(last.Header.Get("Pushgateway-Receipts")) < keys*54/2 {
			break
		}
	}
	hours.Store(1)
	if add(a, "k0") {
		t.Error("a key is known after its hour")
	}
	add(a, "other")
	if late := join(); !add(late, "k0") {
		t.Error("a member that starts later does not know a key that was used again")
	}
}
