package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/journaltest"
)

func most(n int) guard.Quota { return guard.Quota{Most: n, At: "gateway.yml:1"} }

// series returns a push of n series of one family.
func series(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "m{i=\"%d\"} 1\n", i)
	}
	return b.String()
}

// within pushes n series within quotas.
func within(t testing.TB, g *gateway.Gateway, k grouping.Key, n int, q guard.Quotas) error {
	t.Helper()
	return g.Push(context.Background(), gateway.Push{Key: k, Blocks: blocks(t, k, series(n)), Mode: gateway.Replace, Quotas: &q})
}

// wantOver wants a push to be refused by a limit, or taken if limit is "".
func wantOver(t testing.TB, what string, err error, limit guard.Limit) {
	t.Helper()
	var got guard.Limit
	if over := (*guard.LimitError)(nil); errors.As(err, &over) && over.Stored {
		got = over.Limit
	}
	if got != limit || limit == "" && err != nil {
		t.Errorf("%s: got %v, want to be over the limit %q", what, err, limit)
	}
}

func labelNames(k grouping.Key) (names string) {
	for _, l := range k.Labels() {
		names += l.Name + ","
	}
	return names
}

// checkStock compares what is counted with what the view has.
func checkStock(t testing.TB, g *gateway.Gateway) {
	t.Helper()
	var want gateway.Stored
	sets, jobs := make(map[string]bool), make(map[*guard.Quotas]gateway.Use)
	bounds := make(map[string]*guard.Quotas)
	for group := range g.View().EachGroup("") {
		if group.Pushed.IsZero() {
			continue
		}
		want.Groups++
		want.Series += group.Series
		sets[labelNames(group.Key)] = true
		job, _ := group.Key.Value("job")
		if bounds[job] == nil {
			bounds[job] = &guard.Quotas{JobGroups: most(1)}
		}
		j := jobs[bounds[job]]
		jobs[bounds[job]] = gateway.Use{Groups: j.Groups + 1, Series: j.Series + group.Series}
	}
	want.LabelSets = len(sets)
	if got := g.Stored(); got != want {
		t.Errorf("%+v are counted, but the groups have %+v", got, want)
	}
	g.Bound(func(k grouping.Key) *guard.Quotas {
		job, _ := k.Value("job")
		return bounds[job]
	})
	used := g.JobUse()
	for job, q := range bounds {
		if used[q] != jobs[q] {
			t.Errorf("job %s: %+v is counted, but its groups have %+v", job, used[q], jobs[q])
		}
	}
}

// TestQuotasCount pushes, merges, fails, deletes and lets groups expire at random,
// and counts all again.
func TestQuotasCount(t *testing.T) {
	clock := newClock()
	store := journaltest.NewShared(t)
	a, b := open(t, gateway.Config{Journal: store.Member(), Now: clock.now}), open(t, gateway.Config{Journal: store.Member(), Now: clock.now})
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		g := a
		if random.IntN(2) == 0 {
			g = b
		}
		k := key(t, fmt.Sprint("j", random.IntN(3)), fmt.Sprint("l", random.IntN(4)), fmt.Sprint(random.IntN(3)))
		switch random.IntN(8) {
		case 0:
			if err := g.Delete(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		case 1:
			g.Refuse(k, "192.0.2.1", errors.New("bad"))
		case 2:
			clock.turn(time.Minute)
		default:
			p := gateway.Push{Key: k, Blocks: blocks(t, k, series(random.IntN(4))), Mode: gateway.Mode(random.IntN(3)), Quotas: &guard.Quotas{Series: most(40), JobGroups: most(5)}}
			if random.IntN(3) == 0 {
				p.TTL = 3 * time.Minute
			}
			if err := g.Push(t.Context(), p); err != nil && !errors.As(err, new(*guard.LimitError)) {
				t.Fatal(err)
			}
		}
		if random.IntN(20) == 0 {
			checkStock(t, a)
			checkStock(t, b)
		}
	}
	checkStock(t, a)
	if got := a.Stored().Series; got > 40 {
		t.Errorf("%d series are stored", got)
	}
}

// TestQuotasTogether has many clients push at once, each within the quotas but not
// all together.
func TestQuotasTogether(t *testing.T) {
	q := guard.Quotas{Groups: most(20), Series: most(50), LabelSets: most(3), JobSeries: most(30), JobGroups: most(9)}
	g := open(t, gateway.Config{})
	for i := range 3000 { // so that numbers are read while they change
		k := key(t, fmt.Sprint("many", i))
		if err := g.Push(t.Context(), gateway.Push{Key: k, Blocks: blocks(t, k, ""), Quotas: &guard.Quotas{JobGroups: most(1)}}); err != nil {
			t.Fatal(err)
		}
	}
	q.Groups.Most += 3000
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for n := range 50 {
				g.JobUse()
				k := key(t, fmt.Sprint("j", n%3), fmt.Sprint("l", i%5), fmt.Sprint(n%7))
				_ = within(t, g, k, n%6, q)
				if n%11 == 0 {
					_ = g.Delete(context.Background(), k)
				}
			}
		})
	}
	all.Wait()
	if s := g.Stored(); s.Groups > 3020 || s.Series > 50 || s.LabelSets > 3 {
		t.Errorf("%+v are stored", s)
	}
}

// TestQuotasOfExpired lets a group expire while a push to it is in progress: it
// adds all that it has then.
func TestQuotasOfExpired(t *testing.T) {
	clock := newClock()
	store := journaltest.NewShared(t)
	member := store.Member()
	g := open(t, gateway.Config{Journal: member, Now: clock.now})
	q := guard.Quotas{Series: most(10)}
	a, b := key(t, "a"), key(t, "b")
	if err := g.Push(t.Context(), gateway.Push{Key: a, Blocks: blocks(t, a, series(8)), TTL: time.Minute, Quotas: &q}); err != nil {
		t.Fatal(err)
	}
	wantOver(t, "beside it", within(t, g, b, 3, q), guard.LimitSeries)
	member.Before(func() {
		clock.turn(2 * time.Minute)
		wantOver(t, "once it has expired, beside its new push", within(t, g, b, 3, q), guard.LimitSeries)
	})
	wantOver(t, "again", within(t, g, a, 8, q), "")
	checkStock(t, g)
	clock.turn(time.Hour)
	wantOver(t, "beside it", within(t, g, b, 3, q), guard.LimitSeries)
	if err := g.Delete(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	wantOver(t, "once it is deleted", within(t, g, b, 10, q), "")
}

// TestQuotasOfEndedSeries lets series of a group end while a push to it is in progress
// that brings them again: it adds more than it did when it began.
func TestQuotasOfEndedSeries(t *testing.T) {
	clock := newClock()
	member := journaltest.NewShared(t).Member()
	g := open(t, gateway.Config{Journal: member, Now: clock.now})
	q := guard.Quotas{Series: most(10)}
	a, b := key(t, "a"), key(t, "b")
	for ttl, text := range map[time.Duration]string{0: "stays 1\n", time.Minute: series(8)} {
		if err := g.Push(t.Context(), gateway.Push{Key: a, Blocks: blocks(t, a, text), Mode: gateway.Sum, SeriesTTL: ttl, Quotas: &q}); err != nil {
			t.Fatal(err)
		}
	}
	member.Before(func() {
		clock.turn(2 * time.Minute)
		wantOver(t, "once the series have ended, beside the push that brings them", within(t, g, b, 3, q), guard.LimitSeries)
	})
	wantOver(t, "again", within(t, g, a, 8, q), "")
	checkStock(t, g)
}

// TestQuotasOfUnknown holds room for a change whose outcome is not known, until it
// is.
func TestQuotasOfUnknown(t *testing.T) {
	for _, arrives := range []bool{true, false} {
		store := journaltest.NewShared(t)
		member := store.Member()
		g := open(t, gateway.Config{Journal: member, Wait: 50 * time.Millisecond})
		q := guard.Quotas{Series: most(10)}
		member.Lose(false)
		if err := within(t, g, key(t, "a"), 8, q); !errors.Is(err, gateway.ErrUnavailable) {
			t.Fatal(err)
		}
		wantOver(t, "beside it", within(t, g, key(t, "b"), 3, q), guard.LimitSeries)
		member.Settle(arrives)
		want := guard.LimitSeries
		if !arrives {
			want = ""
		}
		wantOver(t, fmt.Sprintf("afterwards, %v", arrives), within(t, g, key(t, "b"), 3, q), want)
		checkStock(t, g)
	}
}

// TestQuotasAndFailures wants a refused push to add no group, and a group that has
// only failures to take no room.
func TestQuotasAndFailures(t *testing.T) {
	g := open(t, gateway.Config{})
	q := guard.Quotas{Groups: most(1)}
	g.Refuse(key(t, "failed"), "192.0.2.1", errors.New("bad"))
	wantOver(t, "the first good one", within(t, g, key(t, "a"), 1, q), "")
	wantOver(t, "the second", within(t, g, key(t, "b"), 1, q), guard.LimitGroups)
	wantOver(t, "one that has failures", within(t, g, key(t, "failed"), 1, q), guard.LimitGroups)
	wantOver(t, "one without its body", g.Admits(key(t, "failed"), &q), guard.LimitGroups)
	wantOver(t, "one that exists", g.Admits(key(t, "a"), &q), "")
	if n := g.View().Groups(); n != 2 {
		t.Errorf("there are %d groups", n)
	}
	wantOver(t, "more series", within(t, g, key(t, "a"), 2, guard.Quotas{Series: most(1)}), guard.LimitSeries)
	if !g.Group(key(t, "a")).Failing {
		t.Error("the group does not show that it was refused")
	}
}

// TestQuotasCostNothing compares what pushes allocate.
func TestQuotasCostNothing(t *testing.T) {
	g := open(t, gateway.Config{})
	k := key(t, "a", "k", "1")
	mustPush(t, g, k, series(10))
	fixed := blocks(t, k, series(10))
	cost := func(q *guard.Quotas) float64 {
		return testing.AllocsPerRun(200, func() {
			if err := g.Push(t.Context(), gateway.Push{Key: k, Blocks: append([]*exposition.Block(nil), fixed...), Mode: gateway.Replace, Quotas: q}); err != nil {
				t.Fatal(err)
			}
		})
	}
	none, all := cost(nil), cost(&guard.Quotas{Groups: most(1), Series: most(10), LabelSets: most(1), JobGroups: most(1), JobSeries: most(10)})
	if all > none+0.5 {
		t.Errorf("a push within quotas takes %v allocations, and %v without quotas", all, none)
	}
}
