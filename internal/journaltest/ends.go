package journaltest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/gateway"
)

// testEnds commits a group of which some series end. When they do must outlast a
// restart.
func testEnds(t *testing.T, s Store) {
	j, r := open(t, s)
	key := keyOf(t, "a")
	for round := range 3 {
		c := change(t, r, key, "m{x=\"1\"} 1\nm{x=\"2\"} 1\nn 1\n")
		at := time.Now().Add(time.Hour).UnixNano()
		c.Group.Families[round%2].Ends = gateway.NewEnds([]int64{at, 0}[:c.Group.Families[round%2].Series()])
		c.Group = gateway.Restore(*c.Group)
		must(t, j, c)
		j, r = again(t, s, j, r)
		if g := r.group(key); s.Durable && !slices.Equal(g.Families[round%2].Ends.At(), c.Group.Families[round%2].Ends.At()) {
			t.Errorf("the ends %v became %v", c.Group.Families[round%2].Ends.At(), g.Families[round%2].Ends.At())
		}
	}
}

// addFor adds to the family m of a group series that end after a while.
func (m *member) addFor(text string, ttl time.Duration) {
	m.t.Helper()
	p := pushOf(m.t, keyOf(m.t, "a"), text)
	p.Mode, p.SeriesTTL = gateway.Sum, ttl
	m.must(m.Push(m.t.Context(), p))
}

// testSeriesEnd ends series on members with different clocks. Each hides them by
// its own clock, and the next push of one drops them for all.
func testSeriesEnd(t *testing.T, s *Shared) {
	a, b := two(t, s)
	b.ahead = time.Hour
	want := func(m *member, when string, n int) {
		t.Helper()
		if got := strings.Count(m.lines("m"), "\n"); got != n {
			t.Errorf("%s a member exposes %d series, want %d", when, got, n)
		}
	}
	a.addFor("m{x=\"1\"} 1\n", time.Minute)
	a.addFor("m{x=\"2\"} 1\n", 0)
	want(a, "at first", 2)
	want(b, "an hour ahead", 1)
	if before := b.journal.Commits(); before != 0 {
		t.Errorf("hiding a series made %d commits", before)
	}
	a.addFor("m{x=\"2\"} 1\n", 0)
	want(a, "after another push", 2)
	b.addFor("m{x=\"3\"} 1\n", time.Minute)
	for _, m := range []*member{a, b, join(t, s, time.Minute)} {
		want(m, "after a push to the member ahead", 2)
		if g := m.View().Group(keyOf(t, "a")); g.Find("m").Ends.At()[0] != 0 || g.Find("m").Ends.At()[1] == 0 {
			t.Errorf("the series end at %v, want the second to end", g.Find("m").Ends.At())
		}
	}
}
