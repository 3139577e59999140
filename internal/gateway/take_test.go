package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/config"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// replacing is a rule that takes names from groups of over an hour.
var replacing = &config.Rule{OnConflict: config.Replace, LongAgo: config.Duration(time.Hour)}

func take(t *testing.T, g *gateway.Gateway, k grouping.Key, text string) error {
	t.Helper()
	return g.Push(context.Background(), gateway.Push{Key: k, Blocks: blocks(t, k, text), Mode: gateway.Replace, Rule: replacing})
}

// TestTakesUnchecked pushes without the consistency check. A push must take a
// name from an old group, and be stored without taking it from another.
func TestTakesUnchecked(t *testing.T) {
	c := newClock()
	g := open(t, gateway.Config{Unchecked: true, Now: c.now})
	mustPush(t, g, key(t, "old"), "# TYPE m counter\nm 1\n")
	if err := take(t, g, key(t, "live"), "# TYPE m gauge\nm 2\n"); err != nil {
		t.Error(err)
	}
	wantLines(t, g, "m", `m{instance="",job="old"} 1`)
	c.turn(time.Hour)
	if err := take(t, g, key(t, "live"), "# TYPE m gauge\nm 3\n"); err != nil {
		t.Error(err)
	}
	wantLines(t, g, "m", `m{instance="",job="live"} 3`)
	mustPush(t, g, key(t, "old"), "# TYPE m counter\nm 4\n")
	wantLines(t, g, "m", `m{instance="",job="live"} 3`)
	if n := g.Taken(); n != 1 {
		t.Errorf("%d names were taken, want 1", n)
	}
}

// TestTakesForEach lets two groups take a name. When the first one ends, the old
// group must not come back, because the second one has taken the name as well.
func TestTakesForEach(t *testing.T) {
	for name, c := range map[string]struct{ old, live string }{
		"types":    {"# TYPE m counter\nm 1\n", "# TYPE m gauge\nm 2\n"},
		"suffixes": {"m_count 1\n", "# TYPE m summary\nm_count 2\n"},
		"series":   {"m{i=\"1\"} 1\nm{i=\"2\"} 1\n", "m{x=\"1\"} 2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c1 := newClock()
			g := open(t, gateway.Config{Now: c1.now})
			mustPush(t, g, key(t, "j", "x", "1"), c.old)
			c1.turn(time.Hour)
			for i := range 2 {
				if err := take(t, g, key(t, "j", "i", fmt.Sprint(i+1)), c.live); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 2 {
				if n := g.View().LeftOut; n != 1 {
					t.Errorf("%d families are left out, want 1", n)
				}
				if err := g.Delete(t.Context(), key(t, "j", "i", fmt.Sprint(i+1))); err != nil {
					t.Fatal(err)
				}
			}
			if n := g.View().LeftOut; n != 0 {
				t.Errorf("%d families are left out, want 0", n)
			}
		})
	}
}

// TestTakesBack lets an old group take its name back once the other one is old.
func TestTakesBack(t *testing.T) {
	c := newClock()
	g := open(t, gateway.Config{Now: c.now})
	mustPush(t, g, key(t, "a"), "# TYPE m counter\nm 1\n")
	for i, job := range []string{"b", "a", "b", "a"} {
		text := "# TYPE m counter\nm 1\n"
		if job == "b" {
			text = "# TYPE m gauge\nm 1\n"
		}
		var conflict *gateway.ConflictError
		if err := take(t, g, key(t, job), text); !errors.As(err, &conflict) {
			t.Errorf("push %d takes the name too soon: %v", i, err)
		}
		c.turn(time.Hour)
		if err := take(t, g, key(t, job), text); err != nil {
			t.Error(err)
		}
		wantLines(t, g, "m", fmt.Sprintf(`m{instance="",job=%q} 1`, job))
	}
}

// TestTakesFromAll holds a name with several groups, one of which is pushed to.
// The refusal must name that one.
func TestTakesFromAll(t *testing.T) {
	c := newClock()
	g := open(t, gateway.Config{Now: c.now})
	for i := range 5 {
		mustPush(t, g, key(t, "old", "i", fmt.Sprint(i)), "# TYPE m counter\nm 1\n")
	}
	c.turn(59 * time.Minute)
	mustPush(t, g, key(t, "old", "i", "3"), "# TYPE m counter\nm 1\n")
	c.turn(time.Minute)
	err := take(t, g, key(t, "live"), "# TYPE m gauge\nm 1\n")
	want := `family "m": its type is counter in group {i="3",job="old"}, but gauge in this push; use one type everywhere, or another name (last push to that group: 1m ago; rules[0].long_ago=1h is longer)`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	c.turn(59 * time.Minute)
	if err := take(t, g, key(t, "live"), "# TYPE m gauge\nm 1\n"); err != nil || g.View().LeftOut != 5 {
		t.Errorf("got %v, and %d families are left out", err, g.View().LeftOut)
	}
}

// TestTwinsTellTheirAge refuses a push whose times another group exposes.
func TestTwinsTellTheirAge(t *testing.T) {
	c := newClock()
	g := open(t, gateway.Config{Now: c.now})
	mustPush(t, g, key(t, "a"), "m 1\n")
	c.turn(800 * 24 * time.Hour)
	if err := push(t, g, key(t, "a", "instance", ""), "n 1\n"); err == nil || !strings.Contains(err.Error(), "(last push to that group: 2y 70d ago; delete it if its job is gone)") {
		t.Errorf("got %v", err)
	}
}

// TestTakesConcurrently pushes to an old group while others take its name. Each
// push that was stored must be exposed.
func TestTakesConcurrently(t *testing.T) {
	for name, c := range map[string]struct{ old, live string }{
		"types":    {"# TYPE m counter\nm 1\n", "# TYPE m gauge\nm 2\n"},
		"suffixes": {"m_count 1\n", "# TYPE m summary\nm_count 2\n"},
		"series":   {"m{i=\"1\"} 1\n", "m{x=\"1\"} 2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 200 {
				at := newClock()
				g := open(t, gateway.Config{Now: at.now})
				old, live := key(t, "j", "x", "1"), key(t, "j", "i", "1")
				mustPush(t, g, old, c.old)
				at.turn(time.Hour)
				done := make(chan error)
				go func() { done <- take(t, g, live, c.live) }()
				again := push(t, g, old, c.old)
				taken := <-done
				if again == nil && taken == nil {
					t.Fatal("both pushes were stored")
				}
				v := g.View()
				if shown := v.Exposes(v.Group(old), &v.Group(old).Families[0]); shown != (taken != nil) {
					t.Fatalf("the old group is exposed: %t; its push: %v; the other: %v", shown, again, taken)
				}
			}
		})
	}
}

// TestTakesFromMany holds a name with more groups than a push takes it from.
func TestTakesFromMany(t *testing.T) {
	c := newClock()
	g := open(t, gateway.Config{Now: c.now})
	for i := range 3001 {
		mustPush(t, g, key(t, "old", "i", fmt.Sprint(i)), "# TYPE m counter\nm 1\n")
	}
	c.turn(time.Hour)
	if err := take(t, g, key(t, "live"), "# TYPE m gauge\nm 1\n"); err == nil || !strings.Contains(err.Error(), "a push takes names from at most 2000 groups, so delete those that are gone") {
		t.Errorf("got %v", err)
	}
	left := 0
	if _, err := g.DeleteMatching(t.Context(), func(*gateway.Group) bool { left++; return left > 2000 }); err != nil {
		t.Fatal(err)
	}
	if err := take(t, g, key(t, "live"), "# TYPE m gauge\nm 1\n"); err != nil || g.View().LeftOut != 2000 {
		t.Errorf("got %v, and %d families are left out", err, g.View().LeftOut)
	}
}
