package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// wantLeft compares what is exposed of the family m, without the labels of
// groups.
func wantLeft(t *testing.T, g *gateway.Gateway, when string, want ...string) {
	t.Helper()
	lines := exposedLines(g.View(), "m")
	for i, line := range lines {
		lines[i] = strings.NewReplacer(`instance="",job="a",`, "", `{instance="",job="a"}`, "").Replace(line)
	}
	if !slices.Equal(lines, want) {
		t.Errorf("%s there are %q, want %q", when, lines, want)
	}
}

// mustAddFor adds series that end after a while.
func mustAddFor(t *testing.T, g *gateway.Gateway, k grouping.Key, text string, ttl time.Duration) {
	t.Helper()
	if err := addFor(t, g, k, text, ttl); err != nil {
		t.Fatal(err)
	}
}

// TestSeriesEnd lets series end that nobody adds to, and the group with the last
// of them.
func TestSeriesEnd(t *testing.T) {
	c, j := newClock(), newStrict()
	g := open(t, gateway.Config{Now: c.now, Journal: j})
	a := key(t, "a")
	mustAddFor(t, g, a, "m{x=\"1\"} 1\nm{x=\"2\"} 1\n", time.Hour)
	mustAddFor(t, g, a, "m{x=\"3\"} 1\nn 1\n", 0)
	c.turn(30 * time.Minute)
	mustAddFor(t, g, a, "m{x=\"2\"} 1\n", time.Hour)
	c.turn(30*time.Minute - 1)
	wantLeft(t, g, "just before its time", `m{x="1"} 1`, `m{x="2"} 2`, `m{x="3"} 1`)
	c.turn(1)
	if n := len(exposedLines(g.View(), "m")); n != 2 || g.View().Series != 3 || g.View().Group(a).Series != 3 {
		t.Errorf("%d series are exposed of %d, want 2 of 3", n, g.View().Series)
	}
	wantLeft(t, g, "at its time", `m{x="2"} 2`, `m{x="3"} 1`)
	if g.Group(a).Revision != g.View().Group(a).Revision || g.View().SeriesExpired != 1 || g.View().Expired != 0 {
		t.Errorf("%d series have expired and %d groups, want 1 and 0", g.View().SeriesExpired, g.View().Expired)
	}
	mustAddFor(t, g, a, "m{x=\"1\"} 1\n", time.Hour)
	mustAddFor(t, g, a, "m{x=\"3\"} 1\nn 1\n", 2*time.Hour)
	wantLeft(t, g, "after new pushes", `m{x="2"} 2`, `m{x="3"} 2`, `m{x="1"} 1`)
	if at := g.View().Group(a).Expires; !at.Equal(c.now().Add(2 * time.Hour)) {
		t.Errorf("the group expires at %v, want the end of its last series", at)
	}
	c.turn(2*time.Hour - 1)
	wantLeft(t, g, "then", `m{x="3"} 2`)
	c.turn(1)
	if wantLeft(t, g, "in the end"); g.View().Groups() != 0 {
		t.Error("the group without series has not expired")
	}
	j.await(t, a, false)
	mustAddFor(t, g, a, "m 1\n", time.Hour)
	wantLeft(t, g, "in the next life", `m 1`)
}

// TestSeriesEndByOtherPushes pushes in other ways to a group whose series end.
func TestSeriesEndByOtherPushes(t *testing.T) {
	for name, tt := range map[string]struct {
		push gateway.Push
		text string
		want []string
	}{
		"replaced":         {gateway.Push{Mode: gateway.Replace}, "m{x=\"2\"} 7\n", []string{`m{x="2"} 7`}},
		"family replaced":  {gateway.Push{}, "m{x=\"2\"} 7\n", []string{`m{x="2"} 7`}},
		"other family":     {gateway.Push{}, "n 1\n", nil},
		"merged by series": {gateway.Push{Mode: gateway.MergeSeries}, "m{x=\"2\"} 7\nm{x=\"3\"} 8\n", []string{`m{x="2"} 7`, `m{x="3"} 8`}},
		"added for ever":   {gateway.Push{Mode: gateway.Sum}, "m{x=\"2\"} 7\nm{x=\"3\"} 8\n", []string{`m{x="2"} 8`, `m{x="3"} 8`}},
		"the group first":  {gateway.Push{Mode: gateway.Sum, TTL: time.Minute}, "m{x=\"2\"} 7\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			g := open(t, gateway.Config{Now: c.now})
			a := key(t, "a")
			mustAddFor(t, g, a, "m{x=\"1\"} 1\nm{x=\"2\"} 1\n", time.Hour)
			p := tt.push
			p.Key, p.Blocks = a, blocks(t, a, tt.text)
			if err := g.Push(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			c.turn(time.Hour)
			if wantLeft(t, g, "in the end", tt.want...); p.TTL == 0 && g.View().Group(a) == nil {
				t.Error("the group has expired")
			}
		})
	}
}

// TestSeriesEndMakesRoom pushes the series of a group elsewhere once they have
// ended, and its name with another type.
func TestSeriesEndMakesRoom(t *testing.T) {
	c := newClock()
	g := open(t, gateway.Config{Now: c.now})
	a, b := key(t, "a"), key(t, "a", "x", "1")
	mustAddFor(t, g, a, "m{x=\"1\"} 1\n", time.Hour)
	mustAddFor(t, g, a, "n 1\n", 0)
	for _, text := range []string{"m 2\n", "# TYPE m counter\nm 2\n"} {
		if push(t, g, b, text) == nil {
			t.Errorf("%q was stored", text)
		}
	}
	c.turn(time.Hour)
	mustPush(t, g, b, "# TYPE m counter\nm 2\n")
	if err := push(t, g, a, "m 3\n"); err == nil {
		t.Error("the name was stored with two types")
	}
}

// TestSeriesEndAfterRestart ends series while no gateway runs.
func TestSeriesEndAfterRestart(t *testing.T) {
	c, j := newClock(), newStrict()
	a := key(t, "a")
	g, err := gateway.Open(t.Context(), gateway.Config{Now: c.now, Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	mustAddFor(t, g, a, "m{x=\"1\"} 1\n", time.Hour)
	mustAddFor(t, g, a, "m{x=\"2\"} 1\n", 2*time.Hour)
	mustAddFor(t, g, a, "m{x=\"3\"} 1\n", 0)
	for _, want := range [][]string{{`m{x="1"} 1`, `m{x="2"} 1`, `m{x="3"} 1`}, {`m{x="2"} 1`, `m{x="3"} 1`}, {`m{x="3"} 1`}} {
		wantLeft(t, g, "before a restart", want...)
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		if g, err = gateway.Open(t.Context(), gateway.Config{Now: c.now, Journal: j}); err != nil {
			t.Fatal(err)
		}
		wantLeft(t, g, "after it", want...)
		c.turn(time.Hour)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

// older is a journal of which a member has an older version.
type older struct{ gateway.Memory }

func (*older) Writes() (gateway.Format, string) { return gateway.Format1, "b:9091" }

func TestSeriesEndBesideOlderMember(t *testing.T) {
	g := open(t, gateway.Config{Journal: new(older)})
	a := key(t, "a")
	err := addFor(t, g, a, "m 1\n", time.Hour)
	if !errors.Is(err, gateway.ErrUnavailable) || !strings.Contains(err.Error(), "b:9091") {
		t.Errorf("got %v, want an error about the older member", err)
	}
	mustAddFor(t, g, a, "m 1\n", 0)
	wantLeft(t, g, "then", "m 1")
}

// TestSeriesEndRandom adds to series of several groups, lets time pass, and
// compares what is exposed with a model.
func TestSeriesEndRandom(t *testing.T) {
	type series struct {
		key  grouping.Key
		x    int
		name string
	}
	type state struct {
		value int
		ends  time.Time
	}
	for seed := range uint64(20) {
		c, j, r := newClock(), newStrict(), rand.New(rand.NewPCG(seed, 1))
		g := open(t, gateway.Config{Now: c.now, Journal: j})
		want := make(map[series]state)
		for range 200 {
			c.turn(time.Duration(r.IntN(20)) * time.Minute)
			for s, is := range want {
				if !is.ends.IsZero() && !c.now().Before(is.ends) {
					delete(want, s)
				}
			}
			k, ttl, text := key(t, fmt.Sprint("job", r.IntN(3))), time.Duration(r.IntN(3))*time.Hour, ""
			for _, name := range []string{"m", "n"} {
				for x := range r.IntN(3) {
					s := series{k, x, name}
					is := want[s]
					is.value, is.ends = is.value+1, time.Time{}
					if ttl > 0 {
						is.ends = c.now().Add(ttl)
					}
					want[s] = is
					text += fmt.Sprintf("%s{x=\"%d\"} 1\n", name, x)
				}
			}
			mustAddFor(t, g, k, text, ttl)
			if r.IntN(3) > 0 {
				continue
			}
			got := 0
			for group := range g.View().EachGroup("") {
				for _, h := range group.Families {
					for s := range h.EachSeries {
						var x int
						_, _ = fmt.Sscan(s.Labels[2].Value, &x)
						got++
						if is := want[series{group.Key, x, h.Name}]; float64(is.value) != s.Value {
							t.Fatalf("seed %d: %s of %s is %v, want %d", seed, h.Name, group.Key, s.Value, is.value)
						}
					}
				}
			}
			if got != len(want) || g.View().Series != got {
				t.Fatalf("seed %d: there are %d series and %d are counted, want %d", seed, got, g.View().Series, len(want))
			}
		}
	}
}

// TestSeriesEndWhileRead lets the last series of a group end between two looks at the
// clock. Nobody sees the group without them.
func TestSeriesEndWhileRead(t *testing.T) {
	for name, read := range map[string]func(g *gateway.Gateway, k grouping.Key) *gateway.Group{
		"view":  func(g *gateway.Gateway, k grouping.Key) *gateway.Group { return g.View().Group(k) },
		"group": func(g *gateway.Gateway, k grouping.Key) *gateway.Group { return g.Group(k) },
	} {
		for before := range 4 {
			t.Run(fmt.Sprint(name, before), func(t *testing.T) {
				c, looks := newClock(), -1
				g := open(t, gateway.Config{Now: func() time.Time {
					if looks--; looks == 0 {
						c.turn(time.Hour)
					}
					return c.now()
				}})
				a := key(t, "a")
				mustAddFor(t, g, a, "m 1\n", time.Hour)
				looks = before + 1
				for range 3 {
					if group := read(g, a); group != nil && group.Series != 1 {
						t.Errorf("the group has %d series", group.Series)
					}
				}
				if looks < 0 && (g.View().Expired != 1 || g.View().SeriesExpired != 0) {
					t.Errorf("%d groups and %d series of others have expired, want 1 and 0", g.View().Expired, g.View().SeriesExpired)
				}
			})
		}
	}
}

// TestSeriesEndAtOnce adds to series that soon end, while others read. Nobody sees a
// series or a group after its time.
func TestSeriesEndAtOnce(t *testing.T) {
	g := open(t, gateway.Config{})
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	var all sync.WaitGroup
	for w := range 4 {
		k, r := key(t, fmt.Sprint("job", w%2)), rand.New(rand.NewPCG(9, uint64(w)))
		all.Go(func() {
			for ctx.Err() == nil {
				text := fmt.Sprintf("m{x=\"%d\"} 1\nn{x=\"%d\"} 1\n", r.IntN(3), r.IntN(3))
				if err := addFor(t, g, k, text, time.Duration(1+r.IntN(3000))*time.Microsecond); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for ctx.Err() == nil {
				began := time.Now().UnixNano()
				wantNoneOver(t, g.Group(k), began)
				for group := range g.View().EachGroup("") {
					wantNoneOver(t, group, began)
				}
			}
		})
	}
	all.Wait()
}

// wantNoneOver wants a group of which nothing had ended at a time. It may be nil.
func wantNoneOver(t *testing.T, group *gateway.Group, at int64) {
	t.Helper()
	if group == nil {
		return
	}
	if group.Series == 0 || group.Expires.UnixNano() <= at {
		t.Errorf("a group with %d series is there %v after its end", group.Series, time.Duration(at-group.Expires.UnixNano()))
	}
	for _, h := range group.Families {
		for _, end := range h.Ends.At() {
			if end <= at {
				t.Errorf("a series is there %v after its end", time.Duration(at-end))
			}
		}
	}
}
