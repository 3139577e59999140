package gateway_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
)

// addOnce adds n to a counter of a group with a key.
func addOnce(t testing.TB, g *gateway.Gateway, k grouping.Key, once string, n int, limits *gateway.Limits) (replayed bool, err error) {
	t.Helper()
	text := fmt.Sprintf("# TYPE sum_total counter\nsum_total %d\n", n)
	sum := sha256.Sum256([]byte(text))
	o := gateway.NewOnce(k, once, [16]byte(sum[:16]))
	err = g.Push(context.Background(), gateway.Push{Key: k, Blocks: blocks(t, k, text), Mode: gateway.Sum, Once: o, Limits: limits})
	return o.Replayed, err
}

// Clients send each push until it is answered, and then some more, while commits
// fail now and then. Each counts once, in the group that it was sent to.
func TestEachKeyCountsOnce(t *testing.T) {
	j := new(slow)
	g := open(t, gateway.Config{Journal: j})
	keys := []grouping.Key{key(t, "a"), key(t, "b")}
	var want, fresh atomic.Int64
	var all sync.WaitGroup
	for c := range 16 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(2, uint64(c)))
			for i := range 30 {
				n, k := 1+r.IntN(9), keys[r.IntN(2)]
				want.Add(int64(n))
				j.fails.Store(r.IntN(4) == 0)
				var retries sync.WaitGroup
				for range 1 + r.IntN(3) {
					retries.Go(func() {
						for {
							replayed, err := addOnce(t, g, k, fmt.Sprint(c, " ", i), n, nil)
							if err == nil && !replayed {
								fresh.Add(1)
							}
							if err == nil {
								return
							}
							if !errors.Is(err, gateway.ErrUnavailable) {
								t.Error(err)
								return
							}
							j.fails.Store(false)
						}
					})
				}
				retries.Wait()
			}
		})
	}
	all.Wait()
	if got := sumOf(t, g, "sum_total"); got != float64(want.Load()) {
		t.Errorf("the sum is %v, want %d", got, want.Load())
	}
	if fresh.Load() != 16*30 || g.Receipts() != 16*30 {
		t.Errorf("%d pushes were answered as new and %d keys are known, want %d", fresh.Load(), g.Receipts(), 16*30)
	}
}

// A key is remembered for an hour, whatever becomes of the group, and not if its
// push was refused.
func TestKeyLasts(t *testing.T) {
	clock := newClock()
	g := open(t, gateway.Config{Journal: new(gateway.Memory), Now: clock.now})
	k := key(t, "lambda")
	try := func(once string, n int, wantReplayed bool, want error) {
		t.Helper()
		replayed, err := addOnce(t, g, k, once, n, nil)
		if replayed != wantReplayed || !errors.Is(err, want) {
			t.Fatalf("got replayed %v, %v; want %v, %v", replayed, err, wantReplayed, want)
		}
	}
	wantSum := func(want float64) {
		t.Helper()
		if got := sumOf(t, g, "sum_total"); got != want {
			t.Fatalf("the sum is %v, want %v", got, want)
		}
	}
	if _, err := addOnce(t, g, k, "x", -1, nil); err == nil {
		t.Fatal("a negative addend was taken")
	}
	try("x", 1, false, nil) // the refusal is forgotten
	try("x", 1, true, nil)
	try("x", 2, false, gateway.ErrKeyReused)
	try("y", 2, false, nil)
	wantSum(3)
	if err := g.Delete(context.Background(), k); err != nil {
		t.Fatal(err)
	}
	clock.turn(gateway.ReceiptLife - time.Second)
	try("x", 1, true, nil)
	wantSum(0)
	clock.turn(time.Second)
	try("x", 2, false, nil)
	wantSum(2)
	if n := g.Receipts(); n != 1 {
		t.Errorf("%d keys are known, want 1", n)
	}
}

// Beyond the limit, pushes with new keys are refused, and no key is forgotten.
func TestTooManyKeys(t *testing.T) {
	g := open(t, gateway.Config{Journal: new(slow)})
	limits := gateway.Limits(guard.GroupLimits{Receipts: 20}.WithDefaults())
	var taken, refused atomic.Int64
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			_, err := addOnce(t, g, key(t, fmt.Sprint("job", i%5)), fmt.Sprint(i), 1, &limits)
			var limit *guard.LimitError
			switch {
			case err == nil:
				taken.Add(1)
			case errors.As(err, &limit) && errors.Is(err, exposition.ErrBusy) && limit.Wait > 0:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if taken.Load() != 20 || refused.Load() != 40 || g.Receipts() != 20 || sumOf(t, g, "sum_total") != 20 {
		t.Errorf("%d were taken and %d refused, %d keys are known, and the sum is %v; want 20, 40, 20 and 20", taken.Load(), refused.Load(), g.Receipts(), sumOf(t, g, "sum_total"))
	}
}
