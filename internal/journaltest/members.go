package journaltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// RunMembers has two engines share a store in memory, and holds them to what
// clients of either are promised.
func RunMembers(t *testing.T) {
	for name, part := range map[string]func(*testing.T, *Shared){
		"pushes of two to one group":         testForeignChange,
		"a change beside an unknown one":     testForeignBesideUnknown,
		"only older claims refuse":           testOlderClaims,
		"a younger claim lets go":            testClaimsEnd,
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
	} {
		t.Run(name, func(t *testing.T) { part(t, NewShared(t)) })
	}
}

// member is an engine with its journal.
type member struct {
	*gateway.Gateway
	journal *Member
	t       *testing.T
	ahead   time.Duration // of its clock
}

// join opens one more member.
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

// two opens two members that wait for anything as long as it takes.
func two(t *testing.T, s *Shared) (a, b *member) {
	t.Helper()
	return join(t, s, time.Minute), join(t, s, time.Minute)
}

func pushOf(t *testing.T, key grouping.Key, text string) gateway.Push {
	t.Helper()
	p := exposition.GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := exposition.Render(families, exposition.Options{Grouping: key.Labels()})
	if err != nil {
		t.Fatal(err)
	}
	return gateway.Push{Key: key, Blocks: blocks}
}

// put pushes text as POST does.
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

// lines are those that a scrape has of a family.
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

// refused wants a conflict.
func refused(t *testing.T, err error, what string) {
	t.Helper()
	conflict, twin := (*gateway.ConflictError)(nil), (*gateway.TwinError)(nil)
	if !errors.As(err, &conflict) && !errors.As(err, &twin) {
		t.Errorf("%s: got %v, want a conflict", what, err)
	}
}

// unavailable wants an error that says to try again.
func unavailable(t *testing.T, err error, what string) {
	t.Helper()
	if !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("%s: got %v, want that it may work later", what, err)
	}
}

const (
	gauge   = "# TYPE m gauge\nm 1\n"
	counter = "# TYPE m counter\nm 1\n"
)

// testForeignChange changes a group elsewhere while a push to it is under way,
// several times. In the end nobody has a claim that is left over.
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

// testForeignBesideUnknown changes a group elsewhere while nobody knows what has
// become of a push to it: whatever that was, it is over.
func testForeignBesideUnknown(t *testing.T, s *Shared) {
	a, b := two(t, s)
	k := keyOf(t, "k")
	a.journal.Lose(false)
	unavailable(t, a.put(k, gauge), "a push that got lost")
	b.must(b.put(k, "n 1\n"))
	a.must(a.put(k, "n 2\n"))
	a.must(a.put(keyOf(t, "other"), counter))
	a.journal.Settle(true) // too late
	if lines := a.lines("m"); strings.Contains(lines, `job="k"`) {
		t.Errorf("a change that came too late is exposed: %s", lines)
	}
}

// testOlderClaims has two members take what cannot be exposed together. The one
// with the older claim is exposed, and can go on. The other is told.
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
				refused(t, m.put(c.second, c.younger), "the younger claim")
				if lines := m.lines(c.family); !strings.Contains(lines, c.line) || strings.Count(lines, "\n") > 2 {
					t.Errorf("exposed %q", lines)
				}
			}
			a.must(a.Delete(t.Context(), c.first))
			b.must(b.put(c.second, c.younger))
			refused(t, a.put(c.first, c.older), "a claim that was given up")
		})
	}
}

func label(name string) metric.Label { return metric.Label{Name: name, Value: "1"} }

// testClaimsEnd goes on without a check of series that only one has: an older
// claim to a name is none to the series of others.
func testClaimsEnd(t *testing.T, s *Shared) {
	a, b := two(t, s)
	older, younger := keyOf(t, "a"), keyOf(t, "a", label("x"))
	a.must(a.put(older, "m{x=\"2\"} 1\n"))
	b.must(b.put(younger, "m 1\n"))
	refused(t, a.put(older, "m{x=\"1\"} 1\n"), "a series that another group has had before")
	if n := b.View().LeftOut; n != 0 {
		t.Errorf("%d families are left out", n)
	}
}

// testUnknown loses a push. Its claims stay, and its group waits, until the
// journal says what has become of it.
func testUnknown(t *testing.T, s *Shared) {
	for _, arrives := range []bool{true, false} {
		t.Run(fmt.Sprint("arrives ", arrives), func(t *testing.T) {
			s := NewShared(t)
			a, b := two(t, s)
			k, other := keyOf(t, "k"), keyOf(t, "other")
			a.journal.Lose(false)
			unavailable(t, a.put(k, gauge), "a push that got lost")
			refused(t, a.put(other, counter), "a push against what may be stored")
			again := make(chan error, 1)
			go func() { again <- a.put(k, "n 1\n") }()
			select {
			case err := <-again:
				t.Fatalf("a push did not wait for the one before: %v", err)
			case <-time.After(10 * time.Millisecond):
			}
			a.journal.Settle(arrives)
			a.must(<-again)
			for _, m := range []*member{a, b} {
				if got := m.lines("m") != ""; got != arrives {
					t.Errorf("the push that got lost is exposed: %v, want %v", got, arrives)
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
	unavailable(t, a.put(k, gauge), "a push of which the answer got lost")
	if b.lines("m") == "" {
		t.Fatal("the other member does not have it")
	}
	a.journal.Lag(false)
	if a.lines("m") == "" {
		t.Error("it is not exposed, though it was applied")
	}
	a.must(a.put(k, gauge))
	refused(t, a.put(keyOf(t, "other"), counter), "another type")
	a.must(a.Delete(t.Context(), k))
	a.must(a.put(keyOf(t, "other"), counter))
}

// testUnknownEnd loses a delete: nobody changes the group before that is settled.
func testUnknownEnd(t *testing.T, s *Shared) {
	a := join(t, s, time.Millisecond)
	k := keyOf(t, "k")
	a.must(a.put(k, gauge))
	a.journal.Lose(false)
	unavailable(t, a.Delete(t.Context(), k), "a delete that got lost")
	unavailable(t, a.put(k, "n 1\n"), "a push behind it")
	a.journal.Settle(true)
	if a.View().Group(k) != nil {
		t.Error("the group is still there")
	}
	a.must(a.put(k, "n 1\n"))
}

// testPatience lets others wait for a group that never gets free, and for a
// change that is always stale.
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
	unavailable(t, a.put(k, gauge), "a push to a group that is busy")
	unavailable(t, a.Delete(t.Context(), k), "a delete of it")
	_, err := a.DeleteMatching(t.Context(), func(*gateway.Group) bool { return true })
	unavailable(t, err, "a delete of all")
	if err := a.Push(gone, pushOf(t, k, gauge)); !errors.Is(err, context.Canceled) {
		t.Errorf("a push of a client that has gone: %v", err)
	}
	errs := a.PushAll(t.Context(), []gateway.Push{pushOf(t, k, gauge), pushOf(t, free, gauge)})
	if !slices.ContainsFunc(errs, func(err error) bool { return err != nil }) || a.View().Group(free) == nil {
		t.Errorf("of two groups the free one was not taken: %v", errs)
	}
	a.Refuse(k, "", errAway)
	if a.View().Group(k).LastPushSuccessful() {
		t.Error("a refusal waited for the push")
	}
	close(letGo)
	a.must(<-done)

	a.journal.AlwaysStale()
	unavailable(t, a.put(k, gauge), "a push that is always stale")
	unavailable(t, a.Delete(t.Context(), k), "a delete that is")
	_, err = a.DeleteMatching(t.Context(), func(*gateway.Group) bool { return true })
	unavailable(t, err, "a delete of all that is")
}

// testStale merges with what another member has stored, and this one has not seen.
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
			t.Errorf("%d families are there, want 3", len(g.Families))
		}
	}
}

// testSync deletes what another member has acknowledged, and this one has not
// seen.
func testSync(t *testing.T, s *Shared) {
	all := func(*gateway.Group) bool { return true }
	for name, end := range map[string]func(*member, grouping.Key) error{
		"delete": func(m *member, k grouping.Key) error {
			existed, err := m.End(context.Background(), k)
			if !existed {
				t.Error("the delete did not find it")
			}
			return err
		},
		"wipe": func(m *member, _ grouping.Key) error { return m.Wipe(context.Background()) },
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
				t.Error("the group is there after its delete was acknowledged")
			}
			a.journal.Leave(true)
			_, err := a.DeleteMatching(t.Context(), all)
			unavailable(t, err, "a delete by selector while the store is out of reach")
			unavailable(t, a.Delete(t.Context(), k), "a delete while it is")
			unavailable(t, a.Sync(t.Context()), "that there is no such group")
		})
	}
}

// testDeleteNotSeen pushes against a group that another member has deleted: it
// refuses nobody, and lends nothing to who comes after it.
func testDeleteNotSeen(t *testing.T, s *Shared) {
	a, b := two(t, s)
	k, other := keyOf(t, "k"), keyOf(t, "other")
	a.must(a.put(k, gauge))
	a.journal.Lag(true)
	b.must(b.Delete(t.Context(), k))
	a.must(a.put(other, counter))
	if a.View().Group(other).Failed != (time.Time{}) {
		t.Error("the group counts as refused")
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

// testSharedStamps refuses a push while another one is under way elsewhere.
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
			t.Error("a group that only failed is not there")
		}
	}
	pushed := keyOf(t, "pushed")
	a.must(a.put(pushed, gauge))
	for _, key := range []grouping.Key{pushed, keyOf(t, "new")} { // refused for the first time while a push is under way
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
		t.Error("a group that only failed does not go")
	}
}

// testFailedBy has several clients fail for one group, while a member does not see
// what else they have failed for. All take over what that decides.
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
			t.Errorf("for member %d the failures count for %q", i, by)
		}
	}
}

// testTwoClocks lets members disagree about the time. The later of two pushes
// decides whether a group fails, also after a restart.
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
			t.Error("a push that was taken last counts as refused")
		}
		if m.View().Group(failed).LastPushSuccessful() {
			t.Error("a push that was refused last counts as taken")
		}
	}
}

// testEndsGroups has a member with a fast clock hide a group that lives on.
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
		t.Error("each clock must tell whether it is seen")
	}
	_, err := b.DeleteMatching(t.Context(), func(g *gateway.Group) bool { return g.Key == other })
	b.must(err)
	b.Refuse(failing, "", errAway)
	before := b.journal.Commits()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if n := b.journal.Commits() - before; n != 0 {
		t.Errorf("a member ended what is the store's to end, with %d commits", n)
	}
	if n := strings.Count(a.lines("m"), "\n"); n != 2 || a.View().Group(failing).LastPushSuccessful() {
		t.Fatalf("%d of two groups live on by the slow clock", n)
	}
	a.must(a.put(k, gauge))
	s.End(k)
	if a.View().Group(k) != nil {
		t.Error("it has not ended when the store said so")
	}
}

// testReplay opens one more member behind all kinds of changes: it exposes the
// same.
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
			t.Errorf("a member has\n%s\nanother one\n%s", got, want)
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
