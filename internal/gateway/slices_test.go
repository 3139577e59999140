package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
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

func (w *widest) KeepsRecords() bool { return true }

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

// TestPushesWhileGroupsEnd pushes to groups while the readers end them with many
// others. What was pushed must stay, whichever came first.
func TestPushesWhileGroupsEnd(t *testing.T) {
	now := newClock()
	g := open(t, gateway.Config{Now: now.now})
	const groups, every = 4000, 10
	for i := range groups {
		mustPushTTL(t, g, key(t, "j", "i", fmt.Sprint(i)), "m 1\n", time.Hour)
	}
	now.turn(2 * time.Hour)
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() { g.View() })
	}
	for i := 0; i < groups; i += every {
		mustPushTTL(t, g, key(t, "j", "i", fmt.Sprint(i)), "m 2\n", time.Hour)
	}
	readers.Wait()
	if v := g.View(); v.Groups() != groups/every || len(exposedLines(v, "m")) != groups/every {
		t.Errorf("%d groups are left with %d series, want %d", v.Groups(), len(exposedLines(v, "m")), groups/every)
	}
	if n := g.View().Expired; n != groups {
		t.Errorf("%d groups have expired, want %d", n, groups)
	}
}

// TestEndOfLargeGroups lets groups with many families expire, and deletes them. They
// end a few at a time.
func TestEndOfLargeGroups(t *testing.T) {
	const groups, families = 20, 300
	var body strings.Builder
	for i := range families {
		fmt.Fprintf(&body, "m_%d 1\n", i)
	}
	for name, end := range map[string]func(*gateway.Gateway, *clock) error{
		"expire": func(_ *gateway.Gateway, now *clock) error { now.turn(2 * time.Hour); return nil },
		"delete": func(g *gateway.Gateway, _ *clock) error { return wipe(t.Context(), g) },
	} {
		t.Run(name, func(t *testing.T) {
			now := newClock()
			g := open(t, gateway.Config{Now: now.now})
			for i := range groups {
				mustPushTTL(t, g, key(t, "j", "i", fmt.Sprint(i)), body.String(), time.Hour)
			}
			if err := end(g, now); err != nil {
				t.Fatal(err)
			}
			if v := g.View(); v.Groups() != 0 || v.Held != 0 || v.Family("m_0") != nil {
				t.Errorf("%d groups and %d families are left", v.Groups(), v.Held)
			}
		})
	}
}
