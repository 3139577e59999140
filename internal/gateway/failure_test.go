package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// TestFloodOfFailures makes one client fail for far more groups than are kept.
// The groups of other clients must stay, even if they are older.
func TestFloodOfFailures(t *testing.T) {
	for name, c := range map[string]struct{ floods, neighbour string }{
		"IPv4": {"10.0.0.1", "10.0.0.2"},
		"IPv6": {"2001:db8:0:1::%x", "2001:db8:0:2::1"},
	} {
		g := open(t, gateway.Config{})
		mustPush(t, g, key(t, "good"), "m 1\n")
		var theirs []grouping.Key
		for i := range 20 {
			theirs = append(theirs, key(t, fmt.Sprint("nightly", i)))
			g.Refuse(theirs[i], c.neighbour, errDisk)
		}
		for i := range 15_000 {
			client := c.floods
			if strings.Contains(client, "%") {
				client = fmt.Sprintf(client, i)
			}
			g.Refuse(key(t, fmt.Sprint("flood", i)), client, errDisk)
		}
		v := g.View()
		if v.Groups() != 10_001 || v.Group(key(t, "good")) == nil {
			t.Errorf("%s: %d groups, want the good one and 10,000", name, v.Groups())
		}
		if i := slices.IndexFunc(theirs, func(k grouping.Key) bool { return v.Group(k) == nil }); i >= 0 {
			t.Errorf("%s: the failure of another client is gone: %s", name, theirs[i])
		}
	}
}

// TestSharedFailures makes two clients fail for the same groups. The client
// that takes more must not be able to take the groups over and push them out.
func TestSharedFailures(t *testing.T) {
	c := newClock()
	g := open(t, gateway.Config{Now: c.now})
	mine := key(t, "mine")
	flood := func(name string) {
		for i := range 11_000 {
			g.Refuse(key(t, fmt.Sprint(name, i)), "10.0.0.1", errDisk)
		}
	}
	flood("first")
	for range 2 {
		for _, client := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.1"} {
			c.turn(2 * time.Second)
			g.Refuse(mine, client, errDisk)
		}
		flood("second")
	}
	if g.View().Group(mine) == nil {
		t.Error("the group was removed with those of the other client")
	}
}

// TestFloodAfterARestart restarts during a flood. The older failures of another
// client must stay.
func TestFloodAfterARestart(t *testing.T) {
	journal := newStrict()
	g := open(t, gateway.Config{Journal: journal})
	mine := key(t, "nightly")
	g.Refuse(mine, "10.0.0.2", errDisk)
	for round := range 2 {
		for i := range 6_000 {
			g.Refuse(key(t, fmt.Sprint("flood", round, i)), "10.0.0.1", errDisk)
		}
		g = open(t, gateway.Config{Journal: journal})
	}
	if v := g.View(); v.Group(mine) == nil || v.Groups() != 10_000 {
		t.Errorf("%d groups, and that of the other client is %v", v.Groups(), v.Group(mine))
	}
}

// TestFailuresAreBoundedInBytes checks the bound with long keys.
func TestFailuresAreBoundedInBytes(t *testing.T) {
	g := open(t, gateway.Config{})
	for i := range 4000 {
		g.Refuse(key(t, "j", "l", fmt.Sprint(strings.Repeat("\"", 900), i)), "10.0.0.1", errDisk)
	}
	g.Refuse(key(t, "j", "l", strings.Repeat("x", 1000)), "10.0.0.1", errDisk)
	bytes := 0
	for group := range g.View().EachGroup("") {
		if len(group.Key) > 1000 {
			t.Errorf("a key of %d bytes was kept", len(group.Key))
		}
		for _, b := range group.Times() {
			bytes += len(b.Text())
		}
	}
	if bytes < 1<<20 || bytes > 5<<20 {
		t.Errorf("the groups without a good push take %d bytes in a scrape", bytes)
	}
}

// TestFailuresNeverEndGoodGroups runs a flood while groups that failed first
// receive a good push.
func TestFailuresNeverEndGoodGroups(t *testing.T) {
	g := open(t, gateway.Config{})
	k := key(t, "late")
	g.Refuse(k, "10.0.0.1", errDisk)
	mustPush(t, g, k, "")
	for i := range 11_000 {
		g.Refuse(key(t, fmt.Sprint("flood", i)), "10.0.0.1", errDisk)
	}
	if group := g.View().Group(k); group == nil || group.Pushed.IsZero() {
		t.Error("a group with a good push was removed")
	}
}

// TestTwins fails and pushes, in every order, for two groups whose times are
// the same series. A scrape must have them once, and prefer those of a good
// push, also after a restart.
func TestTwins(t *testing.T) {
	a, b := key(t, "j"), key(t, "j", "instance", "")
	for _, unchecked := range []bool{false, true} {
		for _, steps := range []string{"fa", "fafb", "fbpa", "fapb", "fafbpa", "fapbfa", "fapbfb", "fapbda", "fapbdb", "papb", "pafb", "fbpafbpb", "fbpadapb"} {
			c := newClock()
			journal := newStrict()
			g := open(t, gateway.Config{Unchecked: unchecked, Journal: journal, Now: c.now})
			good := make(map[grouping.Key]bool)
			for i := 0; i < len(steps); i += 2 {
				k := map[byte]grouping.Key{'a': a, 'b': b}[steps[i+1]]
				c.turn(2 * time.Second)
				switch steps[i] {
				case 'f':
					g.Refuse(k, "", errDisk)
				case 'd':
					if err := g.Delete(t.Context(), k); err != nil {
						t.Fatal(err)
					}
					delete(good, k)
				case 'p':
					err := push(t, g, k, fmt.Sprintf("m%d 1\n", i))
					if refused := len(good) > 0 && !good[k] && !unchecked; refused != (err != nil) {
						t.Errorf("unchecked %t, %s, step %d: got %v", unchecked, steps, i/2, err)
					}
					good[k] = good[k] || err == nil
				}
			}
			wantOnePair(t, g, good, fmt.Sprintf("unchecked %t, %s", unchecked, steps))
			again := open(t, gateway.Config{Unchecked: unchecked, Journal: journal, Now: c.now})
			wantOnePair(t, again, good, fmt.Sprintf("unchecked %t, %s, started again", unchecked, steps))
		}
	}
}

// wantOnePair checks that exactly one group exposes its times: a good one if
// there is one.
func wantOnePair(t *testing.T, g *gateway.Gateway, good map[grouping.Key]bool, when string) {
	t.Helper()
	v := g.View()
	var shown []grouping.Key
	size := 0
	for group := range v.EachGroup("") {
		if v.ExposesTimes(group) {
			shown = append(shown, group.Key)
			size += group.PushTime().DelimitedSize()
		}
	}
	if len(shown) != 1 || len(good) > 0 && !good[shown[0]] {
		t.Errorf("%s: the times of %q are exposed; good groups: %v", when, shown, good)
	}
	if times := v.Times(); times.Series != 1 || times.PushProto != size {
		t.Errorf("%s: the view counts %d times in %d bytes, want 1 in %d", when, times.Series, times.PushProto, size)
	}
}
