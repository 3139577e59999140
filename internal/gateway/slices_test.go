package gateway_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pushgateway/internal/gateway"
)

// TestExpiredClaimDecidesNothing pushes a name whose oldest claim has just expired,
// with the type of that claim, while a younger group holds it with another type.
// Nobody has asked for the state since, so the expired group may still be stored.
func TestExpiredClaimDecidesNothing(t *testing.T) {
	for name, c := range map[string]struct{ expired, stays, pushed string }{
		"type":   {"# TYPE m counter\nm 1\n", "# TYPE m gauge\nm 2\n", "# TYPE m counter\nm 3\n"},
		"suffix": {"# TYPE m summary\nm_sum 1\nm_count 1\n", "m_count 2\n", "# TYPE m summary\nm_sum 3\nm_count 3\n"},
	} {
		t.Run(name, func(t *testing.T) {
			now, j := newClock(), newStrict()
			unchecked := open(t, gateway.Config{Now: now.now, Journal: j, Unchecked: true})
			mustPushTTL(t, unchecked, key(t, "a"), c.expired, time.Hour)
			mustPush(t, unchecked, key(t, "b"), c.stays)
			if err := unchecked.Close(); err != nil {
				t.Fatal(err)
			}
			g := open(t, gateway.Config{Now: now.now, Journal: j})
			now.turn(2 * time.Hour)
			if push(t, g, key(t, "c"), c.pushed) == nil {
				t.Error("the push was stored, although an older group hides what it brings")
			}
		})
	}
}

// widest is a journal that knows how many changes the largest commit had.
type widest struct {
	gateway.Memory
	most int
}

func (w *widest) Commit(ctx context.Context, changes []gateway.Change) []gateway.Outcome {
	w.most = max(w.most, len(changes))
	return w.Memory.Commit(ctx, changes)
}

// TestDeleteOfManyYields deletes many groups. No commit may have so many that
// pushes to others wait long for it.
func TestDeleteOfManyYields(t *testing.T) {
	j := &widest{}
	g := open(t, gateway.Config{Journal: j})
	const groups, most = 2500, 1000
	for i := range groups {
		mustPush(t, g, key(t, "many", "i", fmt.Sprint(i)), "m 1\n")
	}
	mustPush(t, g, key(t, "other"), "m 1\n")
	ended, err := g.DeleteMatching(t.Context(), func(group *gateway.Group) bool { return group.Key != key(t, "other") })
	if err != nil || len(ended) != groups {
		t.Fatalf("%d groups ended, want %d: %v", len(ended), groups, err)
	}
	if n := g.View().Groups(); n != 1 {
		t.Errorf("%d groups are left, want 1", n)
	}
	if j.most > most {
		t.Errorf("a commit ends %d groups, want %d at most", j.most, most)
	}
}
