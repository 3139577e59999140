package gateway_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/guard"
)

// TestShareOfKeys has clients that use up keys for as long as they can. There are
// always some left for others, and all of them come back.
func TestShareOfKeys(t *testing.T) {
	clock := newClock()
	g := open(t, gateway.Config{Now: clock.now})
	limits := gateway.Limits(guard.GroupLimits{Receipts: 1000}.WithDefaults())
	k, sent := key(t, "j"), 0
	push := func(client string) error {
		sent++
		return g.Push(t.Context(), gateway.Push{
			Key: k, Client: client, Blocks: blocks(t, k, "# TYPE m counter\nm 1\n"), Mode: gateway.Sum, Limits: &limits,
			Once: gateway.NewOnce(k, fmt.Sprint(sent), [16]byte{}),
		})
	}
	useUp := func(client string) (used int) {
		for ; ; used++ {
			var limit *guard.LimitError
			switch err := push(client); {
			case errors.As(err, &limit) && errors.Is(err, exposition.ErrBusy) && limit.Wait > 0:
				return used
			case err != nil:
				t.Fatal(err)
			}
		}
	}
	for round := range 2 {
		left := 1000
		for i := range 4 {
			used := useUp(fmt.Sprintf("10.0.%d.%d", round, i))
			if left -= used; used == 0 || left == 0 {
				t.Errorf("round %d: client %d used %d keys, %d are left", round, i, used, left)
			}
		}
		if n := useUp(fmt.Sprintf("10.0.%d.0", round)); n != 0 {
			t.Errorf("round %d: the first client used %d more", round, n)
		}
		if err := push("10.0.9.9"); err != nil {
			t.Errorf("round %d: a client that has used none: %v", round, err)
		}
		clock.turn(gateway.ReceiptLife + 20*time.Minute)
	}
	if n := useUp("10.0.0.0"); n != 751 {
		t.Errorf("a client alone used %d of 1000 keys", n)
	}
}
