package journaltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/config"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// RunMembers tests engines that share a store in memory. It checks what each
// engine promises its clients.
func RunMembers(t *testing.T) {
	for name, part := range map[string]func(*testing.T, *Shared){
		"pushes of two to one group":         testForeignChange,
		"a change beside an unknown one":     testForeignBesideUnknown,
		"only older claims refuse":           testOlderClaims,
		"a younger claim lets go":            testClaimsEnd,
		"names of groups that are gone":      testTakes,
		"a name is taken from a live group":  testTakesUnseen,
		"unknown, then stored or void":       testUnknown,
		"unknown, and stored at once":        testUnknownStored,
		"an unknown end":                     testUnknownEnd,
		"nobody waits for ever":              testPatience,
		"stale means that the newer is here": testStale,
		"what was acknowledged elsewhere":    testSync,
		"a delete that is not seen yet":      testDeleteNotSeen,
		"stamps":                             testSharedStamps,
		"whom failures count for":            testFailedBy,
		"two clocks":                         testTwoClocks,
		"the store ends groups":              testEndsGroups,
		"a replay":                           testReplay,
		"a retry through another member":     testRetryElsewhere,
		"series end":                         testSeriesEnd,
	} {
		t.Run(name, func(t *testing.T) { part(t, NewShared(t)) })
	}
}

// member is an engine and its journal.
type member struct {
	*gateway.Gateway
	journal *Member
	t       *testing.T
	ahead   time.Duration // how far its clock is ahead
}

// join opens another member of the store. A change of the member waits at most
// wait.
func join(t *testing.T, s *Shared, wait time.Duration) *member {
	t.Helper()
	m := &member{journal: s.Member(), t: t}
	g, err := gateway.Open(t.Context(), gateway.Config{
		Journal: m.journal, Wait: wait, Now: func() time.Time { return time.Now().Add(m.ahead) },
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Gateway = g
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// two opens two members whose changes wait for up to a minute.
func two(t *testing.T, s *Shared) (a, b *member) {
	t.Helper()
	return join(t, s, time.Minute), join(t, s, time.Minute)
}

func pushOf(t *testing.T, key grouping.Key, text string) gateway.Push {
	t.Helper()
	return gateway.Push{Key: key, Blocks: Blocks(t, key, text)}
}

// put pushes a text body, as POST does.
func (m *member) put(key grouping.Key, text string) error {
	m.t.Helper()
	return m.Push(context.Background(), pushOf(m.t, key, text))
}

func (m *member) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// lines returns the exposed lines of a family, or "" if there are none.
func (m *member) lines(name string) string {
	f := m.View().Family(name)
	if f == nil {
		return ""
	}
	var b strings.Builder
	for _, block := range f.Blocks() {
		b.Write(block.Text())
	}
	return b.String()
}

// refused reports a test error unless err is a conflict.
func refused(t *testing.T, err error, what string) {
	t.Helper()
	conflict, twin := (*gateway.ConflictError)(nil), (*gateway.TwinError)(nil)
	if !errors.As(err, &conflict) && !errors.As(err, &twin) {
		t.Errorf("%s: got %v, want a conflict", what, err)
	}
}

// unavailable reports a test error unless err wraps gateway.ErrUnavailable.
func unavailable(t *testing.T, err error, what string) {
	t.Helper()
	if !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("%s: got %v, want an error that wraps ErrUnavailable", what, err)
	}
}

const (
	gauge   = "# TYPE m gauge\nm 1\n"
	counter = "# TYPE m counter\nm 1\n"
)

// testForeignChange changes a group on one member while another member pushes
// to it. Afterwards no claim may be left over.
func testForeignChange(t *testing.T, s *Shared) {
	a, b := two(t, s)
	k := keyOf(t, "k")
	for _, texts := range [][2]string{{gauge, counter}, {counter, gauge}, {gauge, gauge}, {gauge, "n 1\n"}} {
		a.journal.Before(func() { b.must(b.put(k, texts[1])) })
		a.must(a.put(k, texts[0]))
		a.must(a.Delete(t.Context(), k))
	}
	for i, text := range []string{gauge, counter, "# TYPE m summary\nm_count 1\n", "# TYPE n counter\nn 1\n"} {
		for _, m := range []*member{a, b} {
			other := keyOf(t, fmt.Sprint("other", i))
			m.must(m.put(other, text))
			m.must(m.Delete(t.Context(), other))
		}
	}
}

// testForeignBesideUnknown changes a group on one member while the outcome of
// another member's push to it is unknown. The newer change settles that push.
func testForeignBesideUnknown(t *testing.T, s *Shared) {
	a, b := two(t, s)
	k := keyOf(t, "k")
	a.journal.Lose(false)
	unavailable(t, a.put(k, gauge), "a push without an answer")
	b.must(b.put(k, "n 1\n"))
	a.must(a.put(k, "n 2\n"))
	a.must(a.put(keyOf(t, "other"), counter))
	a.journal.Settle(true) // the newer change has won
	if lines := a.lines("m"); strings.Contains(lines, `job="k"`) {
		t.Errorf("a change that arrived too late is exposed: %s", lines)
	}
}

// testOlderClaims stores two groups that cannot be exposed together, one on
// each member. Both members must expose the group with the older claim, take
// further pushes to it, and refuse pushes to the other group.
func testOlderClaims(t *testing.T, s *Shared) {
	for name, c := range map[string]struct {
		first, second       grouping.Key
		older, younger      string
		family, newer, line string
		left                int
	}{
		"types":    {keyOf(t, "a"), keyOf(t, "b"), gauge, counter, "m", "# TYPE m gauge\nm 2\n", ` 2`, 1},
		"suffixes": {keyOf(t, "a"), keyOf(t, "b"), "h_count 1\n", "# TYPE h summary\nh_count 1\n", "h_count", "h_count 2\n", ` 2`, 1},
		"suffixes, the other way": {
			keyOf(t, "a"), keyOf(t, "b"), "# TYPE h summary\nh_count 1\n", "h_count 1\n", "h", "# TYPE h summary\nh_count 2\n", ` 2`, 1,
		},
		"series": {keyOf(t, "a"), keyOf(t, "a", label("x")), "m{x=\"1\"} 1\n", "m 1\n", "m", "m{x=\"1\"} 2\n", `x="1"} 2`, 1},
		"series, the other way": {
			keyOf(t, "a", label("x")), keyOf(t, "a"), "m 1\n", "m{x=\"1\"} 1\n", "m", "m 2\n", `x="1"} 2`, 1,
		},
		"twins": {keyOf(t, "a"), keyOf(t, "a", metric.Label{Name: metric.InstanceLabel}), "n 1\n", "m 1\n", "n", "n 2\n", ` 2`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewShared(t)
			a, b := two(t, s)
			a.journal.Lag(true)
			b.journal.Lag(true)
			a.must(a.put(c.first, c.older))
			b.must(b.put(c.second, c.younger))
			a.journal.Lag(false)
			b.journal.Lag(false)
			for _, m := range []*member{a, b} {
				if n := m.View().LeftOut; n != c.left {
					t.Errorf("%d families are left out, want %d", n, c.left)
				}
				m.must(m.put(c.first, c.newer))
				refused(t, m.put(c.second, c.younger), "a push with the younger claim")
				if lines := m.lines(c.family); !strings.Contains(lines, c.line) || strings.Count(lines, "\n") > 2 {
					t.Errorf("exposed %q", lines)
				}
			}
			a.must(a.Delete(t.Context(), c.first))
			b.must(b.put(c.second, c.younger))
			refused(t, a.put(c.first, c.older), "a push whose older claim was deleted")
		})
	}
}

// testTakes lets a push take a name from a group that nobody has pushed to for
// long. All members, and one that joins later, must expose what was pushed last
// and refuse pushes to the old group, until the new group ends.
func testTakes(t *testing.T, _ *Shared) {
	for name, c := range map[string]struct {
		old, live       grouping.Key
		before, after   string
		family, was, is string
	}{
		"types":    {keyOf(t, "a"), keyOf(t, "b"), gauge, counter, "m", `job="a"} 1`, `job="b"} 1`},
		"suffixes": {keyOf(t, "a"), keyOf(t, "b"), "h_count 5\n", "# TYPE h summary\nh_count 6\n", "h", "", `job="b"} 6`},
		"suffixes, the other way": {
			keyOf(t, "a"), keyOf(t, "b"), "# TYPE h summary\nh_count 5\n", "h_count 6\n", "h_count", "", `job="b"} 6`,
		},
		"series": {keyOf(t, "a"), keyOf(t, "a", label("x")), "m{x=\"1\"} 1\nm{x=\"2\"} 1\n", "m 2\n", "m", `x="2"} 1`, `x="1"} 2`},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewShared(t)
			a, b := two(t, s)
			old := pushOf(t, c.old, c.before)
			a.must(a.Push(t.Context(), old))
			b.ahead = 48 * time.Hour
			rule := &config.Rule{OnConflict: config.Replace, LongAgo: config.Duration(72 * time.Hour)}
			push := func() error {
				p := pushOf(t, c.live, c.after)
				p.Rule = rule
				return b.Push(t.Context(), p)
			}
			refused(t, push(), "a push that takes the name too soon")
			refused(t, b.put(c.live, c.after), "a push without the rule")
			b.ahead = 72*time.Hour + time.Minute
			b.must(push())
			b.must(push())
			if n := b.Taken(); n != 1 {
				t.Errorf("%d names were taken, want 1", n)
			}
			for i, m := range []*member{a, b, join(t, s, time.Minute)} {
				if lines := m.lines(c.family); !strings.Contains(lines, c.is) || c.was != "" && strings.Contains(lines, c.was) {
					t.Errorf("member %d exposes %q, want %s alone", i, lines, c.is)
				}
				if n := m.View().LeftOut; n != 1 {
					t.Errorf("member %d leaves out %d families, want 1", i, n)
				}
				held := m.View().Group(c.old).Families[0]
				if r, ok := m.Rival(c.old, held.Name); !ok || r.Key != c.live || !r.Took {
					t.Errorf("member %d leaves out a family because of %+v, %t", i, r, ok)
				}
				refused(t, m.put(c.old, c.before), "a push to the group that lost the name")
				p := pushOf(t, c.old, c.before)
				p.Rule = rule
				refused(t, m.Push(t.Context(), p), "a push that takes the name back too soon")
			}
			a.must(a.Delete(t.Context(), c.live))
			for i, m := range []*member{a, b, join(t, s, time.Minute)} {
				if lines := m.lines(c.family); c.was != "" && !strings.Contains(lines, c.was) || m.View().LeftOut != 0 {
					t.Errorf("member %d exposes %q after the end of the group that took the name", i, lines)
				}
			}
			a.must(a.put(c.old, c.before))
		})
	}
}

// testTakesUnseen lets a member take a name from a group that another member has
// just pushed to. Both members must decide in the same way.
func testTakesUnseen(t *testing.T, s *Shared) {
	a, b := two(t, s)
	k, live := keyOf(t, "a"), keyOf(t, "b")
	a.must(a.put(k, gauge))
	b.ahead = 100 * time.Hour
	b.journal.Lag(true)
	a.ahead = 100 * time.Hour
	a.must(a.put(k, gauge))
	p := pushOf(t, live, counter)
	p.Rule = &config.Rule{OnConflict: config.Replace, LongAgo: config.Duration(72 * time.Hour)}
	b.must(b.Push(t.Context(), p))
	b.journal.Lag(false)
	for i, m := range []*member{a, b, join(t, s, time.Minute)} {
		if lines := m.lines("m"); !strings.Contains(lines, `job="b"`) || m.View().LeftOut != 1 {
			t.Errorf("member %d exposes %q", i, lines)
		}
		refused(t, m.put(k, gauge), "a push to the group that lost the name")
	}
}

func label(name string) metric.Label { return metric.Label{Name: name, Value: "1"} }

// testClaimsEnd pushes a series that another group has. The push must be
// refused although its group has the older claim to the name: that claim does
// not cover series of other groups.
func testClaimsEnd(t *testing.T, s *Shared) {
	a, b := two(t, s)
	older, younger := keyOf(t, "a"), keyOf(t, "a", label("x"))
	a.must(a.put(older, "m{x=\"2\"} 1\n"))
	b.must(b.put(younger, "m 1\n"))
	refused(t, a.put(older, "m{x=\"1\"} 1\n"), "a push of a series that another group has")
	if n := b.View().LeftOut; n != 0 {
		t.Errorf("%d families are left out", n)
	}
}

// testUnknown loses the outcome of a push. The push keeps its claims, and
// further pushes to its group wait, until the journal reports the outcome.
func testUnknown(t *testing.T, s *Shared) {
	for _, arrives := range []bool{true, false} {
		t.Run(fmt.Sprint("arrives ", arrives), func(t *testing.T) {
			s := NewShared(t)
			a, b := two(t, s)
			k, other := keyOf(t, "k"), keyOf(t, "other")
			a.journal.Lose(false)
			unavailable(t, a.put(k, gauge), "a push without an answer")
			refused(t, a.put(other, counter), "a push that conflicts with the unknown one")
			again := make(chan error, 1)
			go func() { again <- a.put(k, "n 1\n") }()
			select {
			case err := <-again:
				t.Fatalf("a push did not wait for the unknown one: %v", err)
			case <-time.After(10 * time.Millisecond):
			}
			a.journal.Settle(arrives)
			a.must(<-again)
			for _, m := range []*member{a, b} {
				if got := m.lines("m") != ""; got != arrives {
					t.Errorf("the push without an answer is exposed: %v, want %v", got, arrives)
				}
			}
			if err := b.put(other, counter); (err != nil) != arrives {
				t.Errorf("a push with another type: %v", err)
			}
		})
	}
}

// testUnknownStored loses the answer to a push that is stored.
func testUnknownStored(t *testing.T, s *Shared) {
	a, b := two(t, s)
	k := keyOf(t, "k")
	a.journal.Lose(true)
	unavailable(t, a.put(k, gauge), "a push whose answer was lost")
	if b.lines("m") == "" {
		t.Fatal("the other member does not expose the push")
	}
	a.journal.Lag(false)
	if a.lines("m") == "" {
		t.Error("the push is applied but not exposed")
	}
	a.must(a.put(k, gauge))
	refused(t, a.put(keyOf(t, "other"), counter), "another type")
	a.must(a.Delete(t.Context(), k))
	a.must(a.put(keyOf(t, "other"), counter))
}

// testUnknownEnd loses the outcome of a delete. No other change of the group
// may start until the outcome is known.
func testUnknownEnd(t *testing.T, s *Shared) {
	a := join(t, s, time.Millisecond)
	k := keyOf(t, "k")
	a.must(a.put(k, gauge))
	a.journal.Lose(false)
	unavailable(t, a.Delete(t.Context(), k), "a delete without an answer")
	unavailable(t, a.put(k, "n 1\n"), "a push after the delete")
	a.journal.Settle(true)
	if a.View().Group(k) != nil {
		t.Error("the group still exists after the delete")
	}
	a.must(a.put(k, "n 1\n"))
}

// testPatience makes changes wait for a group that stays locked, and for a
// journal that always reports Stale. Each change must fail after its maximum
// wait.
func testPatience(t *testing.T, s *Shared) {
	a := join(t, s, 10*time.Millisecond)
	k, free := keyOf(t, "k"), keyOf(t, "free")
	a.must(a.put(k, gauge))
	letGo, arrived, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	a.journal.Before(func() { close(arrived); <-letGo })
	go func() { done <- a.put(k, gauge) }()
	<-arrived
	gone, end := context.WithCancel(t.Context())
	end()
	unavailable(t, a.put(k, gauge), "a push to a locked group")
	unavailable(t, a.Delete(t.Context(), k), "a delete of a locked group")
	_, err := a.DeleteMatching(t.Context(), func(*gateway.Group) bool { return true })
	unavailable(t, err, "a delete of all groups, one of them locked")
	if err := a.Push(gone, pushOf(t, k, gauge)); !errors.Is(err, context.Canceled) {
		t.Errorf("a push whose client is gone: got %v, want context.Canceled", err)
	}
	errs := a.PushAll(t.Context(), []gateway.Push{pushOf(t, k, gauge), pushOf(t, free, gauge)})
	if !slices.ContainsFunc(errs, func(err error) bool { return err != nil }) || a.View().Group(free) == nil {
		t.Errorf("the push to the unlocked group was not stored: %v", errs)
	}
	a.Refuse(k, "", errAway)
	if a.View().Group(k).LastPushSuccessful() {
		t.Error("the refusal waited for the push in progress")
	}
	close(letGo)
	a.must(<-done)

	a.journal.AlwaysStale()
	unavailable(t, a.put(k, gauge), "a push that is always stale")
	unavailable(t, a.Delete(t.Context(), k), "a delete that is always stale")
	_, err = a.DeleteMatching(t.Context(), func(*gateway.Group) bool { return true })
	unavailable(t, err, "a delete of all groups that is always stale")
}

// testStale pushes to a group that another member has changed, before the
// change is seen. The push must merge with that change.
func testStale(t *testing.T, s *Shared) {
	a, b := two(t, s)
	k := keyOf(t, "k")
	a.must(a.put(k, "one 1\n"))
	a.journal.Lag(true)
	b.must(b.put(k, "two 1\n"))
	a.must(a.put(k, "three 1\n"))
	if n := a.journal.Stale(); n != 1 {
		t.Errorf("%d attempts were stale, want 1", n)
	}
	a.journal.Lag(false)
	for _, m := range []*member{a, b} {
		if g := m.View().Group(k); len(g.Families) != 3 {
			t.Errorf("the group has %d families, want 3", len(g.Families))
		}
	}
}

// testSync deletes a group that another member has acknowledged, before this
// member sees it.
func testSync(t *testing.T, s *Shared) {
	all := func(*gateway.Group) bool { return true }
	for name, end := range map[string]func(*member, grouping.Key) error{
		"delete": func(m *member, k grouping.Key) error {
			existed, err := m.End(context.Background(), k)
			if !existed {
				t.Error("the delete did not find the group")
			}
			return err
		},
		"wipe": func(m *member, _ grouping.Key) error {
			_, err := m.Wipe(context.Background())
			return err
		},
		"by selector": func(m *member, _ grouping.Key) error {
			_, err := m.DeleteMatching(context.Background(), all)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewShared(t)
			a, b := two(t, s)
			k := keyOf(t, "k")
			a.journal.Lag(true)
			b.must(b.put(k, gauge))
			a.must(end(a, k))
			if a.View().Group(k) != nil || b.View().Group(k) != nil {
				t.Error("the group still exists after its delete was acknowledged")
			}
			a.journal.Leave(true)
			_, err := a.DeleteMatching(t.Context(), all)
			unavailable(t, err, "a delete by selector while the store is out of reach")
			unavailable(t, a.Delete(t.Context(), k), "a delete while the store is out of reach")
			unavailable(t, a.Sync(t.Context()), "a sync while the store is out of reach")
		})
	}
}

// testDeleteNotSeen pushes before a member sees that another member has deleted
// a group. The deleted group must not refuse a push, and a new group with its
// key must not inherit its families or its claims.
func testDeleteNotSeen(t *testing.T, s *Shared) {
	a, b := two(t, s)
	k, other := keyOf(t, "k"), keyOf(t, "other")
	a.must(a.put(k, gauge))
	a.journal.Lag(true)
	b.must(b.Delete(t.Context(), k))
	a.must(a.put(other, counter))
	if a.View().Group(other).Failed != (time.Time{}) {
		t.Error("a failure is recorded for a push that was stored")
	}
	a.must(a.Delete(t.Context(), other))

	a.journal.Lag(false)
	a.must(a.put(k, gauge))
	since := a.View().Group(k).Since
	a.journal.Lag(true)
	b.must(b.Delete(t.Context(), k))
	a.must(a.put(k, "n 1\n"))
	if g := a.View().Group(k); len(g.Families) != 1 || g.Since <= since {
		t.Errorf("the group came back with %d families, since %d", len(g.Families), g.Since)
	}
}

// testSharedStamps refuses a push on one member while another member pushes to
// the same group.
func testSharedStamps(t *testing.T, s *Shared) {
	a, b := two(t, s)
	k, none := keyOf(t, "k"), keyOf(t, "none")
	a.must(a.put(k, gauge))
	revision := a.View().Group(k).Revision
	a.Refuse(k, "10.0.0.1", errAway)
	a.Refuse(none, "10.0.0.1", errAway)
	for _, m := range []*member{a, b} {
		if g := m.View().Group(k); g.Revision != revision || g.LastPushSuccessful() || g.Failure == "" {
			t.Errorf("after a refusal: revision %d, was %d; failing %v, %q", g.Revision, revision, g.Failing, g.Failure)
		}
		if g := m.View().Group(none); g == nil || g.LastPushSuccessful() {
			t.Error("the group without a good push does not exist")
		}
	}
	pushed := keyOf(t, "pushed")
	a.must(a.put(pushed, gauge))
	for _, key := range []grouping.Key{pushed, keyOf(t, "new")} { // the push to new is the first one, and a stamp precedes it
		b.journal.Before(func() { a.Refuse(key, "10.0.0.1", errAway) })
		b.must(b.put(key, gauge))
		if g := a.View().Group(key); !g.LastPushSuccessful() || g.Failed.IsZero() {
			t.Errorf("after a push: failing %v, failed at %v", g.Failing, g.Failed)
		}
	}
	if n := a.journal.Stale() + b.journal.Stale(); n != 0 {
		t.Errorf("%d changes were stale because of stamps", n)
	}
	b.must(b.Delete(t.Context(), none))
	a.Refuse(none, "", errAway)
	b.must(b.Delete(t.Context(), none))
	if a.View().Group(none) != nil || b.View().Group(none) != nil {
		t.Error("the group without a good push was not deleted")
	}
}

// testFailedBy makes several clients fail for one group while one member lags
// behind. All members must attribute the failures to the same client.
func testFailedBy(t *testing.T, s *Shared) {
	a, b := two(t, s)
	mine := keyOf(t, "mine")
	a.Refuse(mine, "10.0.0.2", errAway)
	b.journal.Lag(true)
	a.Refuse(keyOf(t, "other"), "10.0.0.2", errAway)
	a.ahead = time.Minute
	a.Refuse(mine, "10.0.0.3", errAway)
	b.ahead = time.Hour
	b.Refuse(mine, "10.0.0.4", errAway)
	b.journal.Lag(false)
	for i, m := range []*member{a, b, join(t, s, time.Minute)} {
		if by := m.View().Group(mine).FailedBy; by != "10.0.0.2" {
			t.Errorf("member %d attributes the failures to %q", i, by)
		}
	}
}

// testTwoClocks gives the members different clocks. The order of two pushes,
// not their times, must decide whether the group is failing, also after a
// replay.
func testTwoClocks(t *testing.T, s *Shared) {
	a, b := two(t, s)
	b.ahead = time.Hour
	failed, taken := keyOf(t, "failed"), keyOf(t, "taken")
	b.Refuse(taken, "", errAway)
	a.must(a.put(taken, gauge))
	b.must(b.put(failed, gauge))
	a.Refuse(failed, "", errAway)
	for _, m := range []*member{a, b, join(t, s, time.Minute)} {
		if !m.View().Group(taken).LastPushSuccessful() {
			t.Error("the group is failing, but its last push was stored")
		}
		if m.View().Group(failed).LastPushSuccessful() {
			t.Error("the group is not failing, but its last push was refused")
		}
	}
}

// testEndsGroups gives a member a fast clock. That member must hide an expired
// group but leave its end to the store.
func testEndsGroups(t *testing.T, s *Shared) {
	s.Ends = true
	a, b := two(t, s)
	b.ahead = time.Hour
	k, other, failing := keyOf(t, "k"), keyOf(t, "other"), keyOf(t, "failing")
	for _, key := range []grouping.Key{k, failing} {
		p := pushOf(t, key, gauge)
		p.TTL = time.Minute
		a.must(a.Push(t.Context(), p))
	}
	a.must(a.put(other, "n 1\n"))
	if a.View().Group(k) == nil || b.View().Group(k) != nil {
		t.Error("a member does not hide groups by its own clock")
	}
	_, err := b.DeleteMatching(t.Context(), func(g *gateway.Group) bool { return g.Key == other })
	b.must(err)
	b.Refuse(failing, "", errAway)
	before := b.journal.Commits()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if n := b.journal.Commits() - before; n != 0 {
		t.Errorf("a member made %d commits to end groups that the store ends, want 0", n)
	}
	if n := strings.Count(a.lines("m"), "\n"); n != 2 || a.View().Group(failing).LastPushSuccessful() {
		t.Fatalf("the member with the slow clock exposes %d of two groups, or lost a failure", n)
	}
	a.must(a.put(k, gauge))
	s.End(k)
	if a.View().Group(k) != nil {
		t.Error("the group still exists after the store ended it")
	}
}

// testReplay opens a member after many kinds of changes. It must have the same
// groups as the others.
func testReplay(t *testing.T, s *Shared) {
	a, b := two(t, s)
	for i := range 40 {
		m := []*member{a, b}[i%2]
		k := keyOf(t, fmt.Sprint("job", i%7), label([]string{"x", "y"}[i%2]))
		switch i % 5 {
		case 3:
			m.Refuse(k, "", errAway)
		case 4:
			m.must(m.Delete(t.Context(), k))
		default:
			m.must(m.put(k, fmt.Sprintf("m{i=\"%d\"} 1\nn%d 1\n", i%3, i%4)))
		}
	}
	c := join(t, s, time.Minute)
	want := a.groups()
	for _, m := range []*member{b, c} {
		if got := m.groups(); got != want {
			t.Errorf("a member has\n%s\nwant\n%s", got, want)
		}
	}
}

func (m *member) groups() string {
	var b strings.Builder
	for g := range m.View().EachGroup("") {
		b.WriteString(show(g))
	}
	return b.String()
}
