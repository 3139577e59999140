package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/journaltest"
	"pushgateway/internal/metric"
)

func open(t testing.TB, c gateway.Config) *gateway.Gateway {
	t.Helper()
	if c.Journal == nil {
		c.Journal = &gateway.Memory{}
	}
	g, err := gateway.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

func key(t testing.TB, job string, labels ...string) grouping.Key {
	t.Helper()
	var set []metric.Label
	for i := 0; i < len(labels); i += 2 {
		set = append(set, metric.Label{Name: labels[i], Value: labels[i+1]})
	}
	k, err := grouping.NewKey(job, set...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func blocks(t testing.TB, k grouping.Key, text string) []*exposition.Block {
	t.Helper()
	return journaltest.Blocks(t, k, text)
}

func push(t testing.TB, g *gateway.Gateway, k grouping.Key, text string) error {
	t.Helper()
	return g.Push(context.Background(), gateway.Push{Key: k, Blocks: blocks(t, k, text), Mode: gateway.Replace})
}

func mustPush(t testing.TB, g *gateway.Gateway, k grouping.Key, text string) {
	t.Helper()
	if err := push(t, g, k, text); err != nil {
		t.Fatalf("push to %s: %v", k, err)
	}
}

// exposedLines returns the lines of a family as in a scrape.
func exposedLines(v *gateway.View, name string) (lines []string) {
	f := v.Family(name)
	if f == nil {
		return nil
	}
	for _, b := range f.Blocks() {
		lines = append(lines, strings.Split(strings.TrimSpace(string(b.Text())), "\n")...)
	}
	return lines
}

// document returns a push of the reference load: 100 lines in 9 families.
func document(i int) string {
	var b strings.Builder
	for f := range 8 {
		fmt.Fprintf(&b, "# HELP batch_step_%d_seconds How long the step took.\n# TYPE batch_step_%d_seconds gauge\n", f, f)
		for s := range 11 {
			fmt.Fprintf(&b, "batch_step_%d_seconds{step=\"step-%d\",shard=\"%d\"} %d.%d\n", f, s, s%4, i%1000, s*17+f)
		}
	}
	b.WriteString("# HELP batch_size_bytes Sizes.\n# TYPE batch_size_bytes histogram\n")
	for n, le := range []string{"100", "250", "500", "1000", "2500", "5000", "10000", "25000", "50000", "+Inf"} {
		fmt.Fprintf(&b, "batch_size_bytes_bucket{kind=\"full\",le=%q} %d\n", le, n*10)
	}
	fmt.Fprintf(&b, "batch_size_bytes_sum{kind=\"full\"} %d\nbatch_size_bytes_count{kind=\"full\"} 90\n", i)
	return b.String()
}

// fill pushes the reference load to n groups.
func fill(t testing.TB, g *gateway.Gateway, n int) {
	t.Helper()
	for i := range n {
		mustPush(t, g, key(t, "bench", "instance", fmt.Sprintf("i-%d", i)), document(i))
	}
}

// allocated returns how many bytes a push to one of n groups allocates, from
// text to index. If viewed is true, that includes the next view. If merge is
// true, the push is merged with the group.
func allocated(t *testing.T, n int, viewed, merge bool) uint64 {
	t.Helper()
	g := open(t, gateway.Config{})
	fill(t, g, n)
	const runs = 500
	keys, texts := make([]grouping.Key, runs), make([]string, runs)
	for i := range runs {
		keys[i], texts[i] = key(t, "bench", "instance", fmt.Sprintf("i-%d", i*7919%n)), document(i)
	}
	if viewed {
		g.View()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i, k := range keys {
		p := gateway.Push{Key: k, Blocks: blocks(t, k, texts[i]), Mode: gateway.Replace}
		if merge {
			p.Mode = gateway.MergeSeries
		}
		if err := g.Push(context.Background(), p); err != nil {
			t.Fatal(err)
		}
		if viewed {
			g.View()
		}
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / runs
}

// TestPushCostsTheSame checks that a push allocates the same with 1,000 and
// with 1,000,000 stored series. Only the height of trees may add to it, if
// there are views.
func TestPushCostsTheSame(t *testing.T) {
	for _, c := range []struct {
		viewed, merge bool
		percent       uint64 // of what a push allocates beside 10 groups
	}{{false, false, 125}, {true, false, 200}, {false, true, 125}} {
		const groups = 10_000
		few, many := allocated(t, 10, c.viewed, c.merge), allocated(t, groups, c.viewed, c.merge)
		t.Logf("%+v: a push allocates %d bytes beside 10 groups, %d beside %d", c, few, many, groups)
		if 100*many > c.percent*few {
			t.Errorf("%+v: a push allocates %d bytes beside %d groups, %d beside 10", c, many, groups, few)
		}
	}
}

func TestConcurrentEqualSeries(t *testing.T) {
	for range 200 {
		g := open(t, gateway.Config{})
		a, b := key(t, "j"), key(t, "j", "x", "1")
		results := make([]error, 2)
		bodies := [][]*exposition.Block{blocks(t, a, "m{x=\"1\"} 1\n"), blocks(t, b, "m 2\n")}
		var wg sync.WaitGroup
		for i, k := range []grouping.Key{a, b} {
			wg.Go(func() {
				results[i] = g.Push(context.Background(), gateway.Push{Key: k, Blocks: bodies[i]})
			})
		}
		wg.Wait()
		if (results[0] == nil) == (results[1] == nil) {
			t.Fatalf("got %v and %v, want exactly one of two equal series to be stored", results[0], results[1])
		}
		if lines := exposedLines(g.View(), "m"); len(lines) != 1 {
			t.Fatalf("exposed %q", lines)
		}
	}
}

func TestConcurrentTypes(t *testing.T) {
	for range 200 {
		g := open(t, gateway.Config{})
		texts := []string{"# TYPE m gauge\nm 1\n", "# TYPE m counter\nm 1\n", "# TYPE m summary\nm_count 1\n", "# TYPE m_count gauge\nm_count 1\n"}
		var taken, refused int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i, text := range texts {
			k := key(t, fmt.Sprint("j", i))
			body := blocks(t, k, text)
			wg.Go(func() {
				err := g.Push(context.Background(), gateway.Push{Key: k, Blocks: body})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					taken++
				} else {
					refused++
				}
			})
		}
		wg.Wait()
		// m_count is compatible with a gauge or a counter, but not with a summary.
		if taken < 1 || taken > 2 || g.View().LeftOut != 0 {
			t.Fatalf("stored %d, refused %d, left out %d", taken, refused, g.View().LeftOut)
		}
	}
}

// scripted is a journal that returns given outcomes.
type scripted struct {
	gateway.Memory
	next []gateway.Verdict
}

var errDisk = errors.New("no space left on device")

func (s *scripted) Commit(ctx context.Context, changes []gateway.Change) []gateway.Outcome {
	if len(s.next) == 0 {
		return s.Memory.Commit(ctx, changes)
	}
	v := s.next[0]
	s.next = s.next[1:]
	if v == gateway.Committed {
		return s.Memory.Commit(ctx, changes)
	}
	out := make([]gateway.Outcome, len(changes))
	for i := range out {
		out[i] = gateway.Outcome{Verdict: v, Err: errDisk}
	}
	return out
}

func TestOutcomes(t *testing.T) {
	a, b := key(t, "a"), key(t, "b")
	gauge, counter := "# TYPE m gauge\nm 1\n", "# TYPE m counter\nm 1\n"

	t.Run("failed", func(t *testing.T) {
		g := open(t, gateway.Config{Journal: &scripted{next: []gateway.Verdict{gateway.Failed}}})
		if err := push(t, g, a, gauge); !errors.Is(err, gateway.ErrUnavailable) || !errors.Is(err, errDisk) {
			t.Fatalf("got %v", err)
		}
		if g.View().Groups() != 0 {
			t.Error("a failed push is stored")
		}
		mustPush(t, g, b, counter) // the claims of the failed push are gone
	})
	t.Run("stale", func(t *testing.T) {
		g := open(t, gateway.Config{Journal: &scripted{next: []gateway.Verdict{gateway.Stale, gateway.Stale, gateway.Committed}}})
		mustPush(t, g, a, gauge)
		if got := exposedLines(g.View(), "m"); len(got) != 1 {
			t.Errorf("exposed %q", got)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		g := open(t, gateway.Config{Journal: &scripted{next: []gateway.Verdict{gateway.Unknown}}, Wait: time.Millisecond})
		if err := push(t, g, a, gauge); !errors.Is(err, gateway.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
		var conflict *gateway.ConflictError
		if err := push(t, g, b, counter); !errors.As(err, &conflict) {
			t.Errorf("the claims of a push that may be stored must stay: got %v", err)
		}
		if err := push(t, g, a, gauge); !errors.Is(err, gateway.ErrUnavailable) {
			t.Errorf("the group itself must wait: got %v", err)
		}
		if err := g.Delete(context.Background(), a); !errors.Is(err, gateway.ErrUnavailable) {
			t.Errorf("a delete must wait as well: got %v", err)
		}
	})
}

// TestDeleteOfNothing deletes groups that do not exist. While the journal is in
// trouble, the delete must fail: a push that the journal refused may be in it
// and would survive the delete.
func TestDeleteOfNothing(t *testing.T) {
	journal := newStrict()
	g := open(t, gateway.Config{Journal: journal})
	a := key(t, "a")
	deletes := func() []error {
		_, err := g.DeleteMatching(context.Background(), func(*gateway.Group) bool { return true })
		return []error{g.Delete(context.Background(), a), err, wipe(context.Background(), g)}
	}
	journal.setDown(true)
	if err := push(t, g, a, "m 1\n"); !errors.Is(err, gateway.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	for i, err := range deletes() {
		if !errors.Is(err, gateway.ErrUnavailable) || !errors.Is(err, errDisk) {
			t.Errorf("delete %d, with the journal in trouble: got %v", i, err)
		}
	}
	journal.setDown(false)
	for i, err := range deletes() {
		if err != nil {
			t.Errorf("delete %d: got %v", i, err)
		}
	}
}

func TestFailureTimes(t *testing.T) {
	c := newClock()
	g := open(t, gateway.Config{Now: c.now})
	k := key(t, "a")
	refuse := func() time.Time {
		g.Refuse(k, "", errDisk)
		return g.View().Group(k).Failed
	}
	if got := refuse(); !got.Equal(c.now()) {
		t.Errorf("first failure: %v", got)
	}
	first := c.now()
	c.turn(500 * time.Millisecond)
	if got := refuse(); !got.Equal(first) {
		t.Errorf("a second failure within a second must not stamp: %v", got)
	}
	mustPush(t, g, k, "m 1\n")
	if got := refuse(); !got.Equal(c.now()) {
		t.Errorf("a failure after a good push must show at once: %v", got)
	}
	if g.View().Group(k).LastPushSuccessful() && c.now().After(g.View().Group(k).Pushed) {
		t.Error("the last push counts as successful")
	}
}

func TestFailedOnlyGroupsAreBounded(t *testing.T) {
	g := open(t, gateway.Config{})
	const most = 10_000
	mustPush(t, g, key(t, "good"), "m 1\n")
	for i := range most + 100 {
		g.Refuse(key(t, fmt.Sprint("bad", i)), "", errDisk)
	}
	if got := g.View().Groups(); got != most+1 {
		t.Errorf("%d groups are left, want %d", got, most+1)
	}
	if g.View().Group(key(t, "good")) == nil || g.View().Group(key(t, "bad0")) != nil {
		t.Error("the wrong groups were removed")
	}
}

// TestFailedOnlyWithoutJournal fails for more groups than are kept while the
// journal refuses changes, and for a few once it accepts them again.
func TestFailedOnlyWithoutJournal(t *testing.T) {
	journal := newStrict()
	g := open(t, gateway.Config{Journal: journal})
	const most = 10_000
	refuse := func(name string, n int) {
		for i := range n {
			g.Refuse(key(t, fmt.Sprint(name, i)), "", errDisk)
		}
	}
	refuse("before", most)
	journal.setDown(true)
	refuse("down", 100)
	if got := g.View().Groups(); got != most {
		t.Errorf("%d groups while the journal refuses changes, want %d", got, most)
	}
	journal.setDown(false)
	refuse("after", 10)
	if got := g.View().Groups(); got != most || g.View().Group(key(t, "after0")) == nil || g.View().Group(key(t, "before0")) != nil {
		t.Errorf("%d groups at the end, want the latest %d", got, most)
	}
}

// kept is a journal that already has groups. It counts commits.
type kept struct {
	gateway.Memory
	groups  []*gateway.Group
	commits int
}

func (k *kept) KeepsRecords() bool { return true }

func (k *kept) Open(ctx context.Context, apply func([]gateway.Applied), stored func(grouping.Key) *gateway.Group) error {
	if err := k.Memory.Open(ctx, apply, stored); err != nil {
		return err
	}
	for _, g := range k.groups {
		k.Memory.Commit(ctx, []gateway.Change{{Key: g.Key, Group: g}})
	}
	return nil
}

func (k *kept) Commit(ctx context.Context, changes []gateway.Change) []gateway.Outcome {
	k.commits++
	return k.Memory.Commit(ctx, changes)
}

// TestFailedOnlyFromAnImport starts with far more groups without a good push
// than are kept, as Pushgateway 1.11 may have left. The first push must wait
// for few commits.
func TestFailedOnlyFromAnImport(t *testing.T) {
	const most, groups = 10_000, 40_000
	journal := new(kept)
	for i := range groups {
		at := time.Unix(1_700_000_000+int64(i), 0)
		journal.groups = append(journal.groups, gateway.Restore(gateway.Group{Key: key(t, fmt.Sprint("bad", i)), Failed: at}))
	}
	g := open(t, gateway.Config{Journal: journal})
	mustPush(t, g, key(t, "good"), "m 1\n")
	if got := g.View().Groups(); got != most+1 || g.View().Group(key(t, "bad0")) != nil || g.View().Group(key(t, fmt.Sprint("bad", groups-1))) == nil {
		t.Errorf("%d groups are left, want the good one and the latest %d", got, most)
	}
	if journal.commits > 100 {
		t.Errorf("the first push waited for %d commits", journal.commits)
	}
}

// TestFailedOnlyAreTheOldest fails for and deletes one group repeatedly. That
// must not push out another group that has just failed.
func TestFailedOnlyAreTheOldest(t *testing.T) {
	g := open(t, gateway.Config{})
	flaky := key(t, "flaky")
	for range 25_000 {
		g.Refuse(flaky, "", errDisk)
		if err := g.Delete(t.Context(), flaky); err != nil {
			t.Fatal(err)
		}
	}
	g.Refuse(flaky, "", errDisk)
	if g.View().Group(flaky) == nil {
		t.Error("the latest failure was removed")
	}
}

// held is a journal whose pushes to one group wait until they are released.
type held struct {
	gateway.Memory
	key            grouping.Key
	arrived, letGo chan struct{}
}

func (h *held) Commit(ctx context.Context, changes []gateway.Change) []gateway.Outcome {
	if len(changes) == 1 && changes[0].Key == h.key && changes[0].Group != nil {
		h.arrived <- struct{}{}
		<-h.letGo
	}
	return h.Memory.Commit(ctx, changes)
}

// TestWipeWaitsForPushesUnderWay wipes while the first push to a group is in
// progress. The group must not appear after the wipe without a check.
func TestWipeWaitsForPushesUnderWay(t *testing.T) {
	b := key(t, "b")
	j := &held{key: b, arrived: make(chan struct{}), letGo: make(chan struct{})}
	g := open(t, gateway.Config{Journal: j})
	mustPush(t, g, key(t, "a"), "n 1\n")
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := push(t, g, b, "# TYPE m counter\nm 1\n"); err != nil {
			t.Error(err)
		}
	})
	<-j.arrived
	wiped := make(chan error, 1)
	wg.Go(func() { wiped <- wipe(context.Background(), g) })
	close(j.letGo)
	if err := <-wiped; err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if n := g.View().Groups(); n > 1 {
		t.Errorf("%d groups exist after a wipe and one push", n)
	}
	mustPush(t, g, key(t, "c"), "o 1\n")
	if g.View().LeftOut != 0 {
		t.Error("conflicting groups were stored despite the check")
	}
}

// TestFamilyWithoutSeries pushes a family without series. It must remove the
// group's family of that name and conflict with nothing.
func TestFamilyWithoutSeries(t *testing.T) {
	for _, unchecked := range []bool{false, true} {
		for _, c := range []struct {
			mode gateway.Mode
			want []string
		}{
			{gateway.Replace, nil},
			{gateway.MergeFamilies, nil},
			{gateway.MergeSeries, []string{`m{instance="",job="empty"} 1`}},
		} {
			g := open(t, gateway.Config{Unchecked: unchecked})
			k := key(t, "empty")
			mustPush(t, g, k, "# TYPE m counter\nm 1\n")
			if err := g.Push(t.Context(), gateway.Push{Key: k, Blocks: emptyFamily(t, "m", metric.Counter), Mode: c.mode}); err != nil {
				t.Fatal(err)
			}
			wantLines(t, g, "m", c.want...)
			if c.want != nil {
				continue
			}
			mustPush(t, g, key(t, "real"), "# TYPE m histogram\nm_count 1\n")
			if v := g.View(); v.LeftOut != 0 || v.Family("m") == nil || v.Family("m").Type != metric.Histogram {
				t.Errorf("%+v: the histogram of another group is not exposed", c)
			}
		}
	}
}

// TestStoredFamilyWithoutSeries replays a group as older versions stored it.
func TestStoredFamilyWithoutSeries(t *testing.T) {
	journal := new(kept)
	var families []gateway.Held
	for _, b := range emptyFamily(t, "m", metric.Gauge) {
		families = append(families, gateway.Held{Block: b})
	}
	journal.groups = []*gateway.Group{gateway.Restore(gateway.Group{Key: key(t, "old"), Pushed: time.Unix(1, 0), Families: families})}
	g := open(t, gateway.Config{Journal: journal})
	mustPush(t, g, key(t, "real"), "# TYPE m histogram\nm_count 1\n")
	if v := g.View(); v.Groups() != 2 || v.LeftOut != 0 {
		t.Errorf("%d groups, %d families left out; want 2, 0", v.Groups(), v.LeftOut)
	}
	// Series that come later must not inherit an older claim.
	if err := push(t, g, key(t, "old"), "m 1\n"); err == nil {
		t.Error("a gauge was stored beside a histogram of the same name")
	}
}

func emptyFamily(t *testing.T, name string, typ metric.Type) []*exposition.Block {
	t.Helper()
	empty, err := exposition.Render([]*metric.Family{{Name: name, Type: typ}}, exposition.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return empty
}

func TestUncheckedOldestClaimIsExposed(t *testing.T) {
	g := open(t, gateway.Config{Unchecked: true})
	a, b := key(t, "a"), key(t, "b")
	mustPush(t, g, a, "# TYPE m gauge\nm 1\n")
	mustPush(t, g, b, "# TYPE m counter\nm 2\n")
	wantLines(t, g, "m", `m{instance="",job="a"} 1`)
	mustPush(t, g, a, "# TYPE m gauge\nm 3\n") // keeps its claim
	wantLines(t, g, "m", `m{instance="",job="a"} 3`)
	if err := g.Delete(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	wantLines(t, g, "m", `m{instance="",job="b"} 2`)
	mustPush(t, g, a, "# TYPE m gauge\nm 4\n") // a new claim is the younger one
	wantLines(t, g, "m", `m{instance="",job="b"} 2`)
	if got := g.View().LeftOut; got != 1 {
		t.Errorf("left out: %d", got)
	}
}

func TestUncheckedEqualSeries(t *testing.T) {
	g := open(t, gateway.Config{Unchecked: true})
	a, b := key(t, "j"), key(t, "j", "x", "1")
	mustPush(t, g, a, "m{x=\"1\"} 1\n")
	mustPush(t, g, b, "m 2\n")
	wantLines(t, g, "m", `m{instance="",job="j",x="1"} 1`)
	mustPush(t, g, a, "m{x=\"2\"} 1\n") // no longer equal
	wantLines(t, g, "m", `m{instance="",job="j",x="2"} 1`, `m{instance="",job="j",x="1"} 2`)
	mustPush(t, g, b, "m{y=\"1\"} 2\n")
	mustPush(t, g, a, "m{x=\"1\",y=\"1\"} 1\n")
	wantLines(t, g, "m", `m{instance="",job="j",x="1",y="1"} 1`)
	if err := g.Delete(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	wantLines(t, g, "m", `m{instance="",job="j",x="1",y="1"} 2`)
}

func TestUncheckedSuffixes(t *testing.T) {
	g := open(t, gateway.Config{Unchecked: true})
	a, b := key(t, "a"), key(t, "b")
	mustPush(t, g, a, "# TYPE h_count gauge\nh_count 1\n")
	mustPush(t, g, b, "# TYPE h summary\nh_sum 1\nh_count 1\n")
	if g.View().Family("h") != nil || g.View().Family("h_count") == nil {
		t.Error("the younger name must be left out")
	}
	if err := g.Delete(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if g.View().Family("h") == nil {
		t.Error("the name is left out although nothing collides with it any more")
	}
}

// TestUncheckedSuffixChain stores a name that collides only with a hidden one.
func TestUncheckedSuffixChain(t *testing.T) {
	g := open(t, gateway.Config{Unchecked: true})
	mustPush(t, g, key(t, "a"), "# TYPE h_count gauge\nh_count 1\n")
	mustPush(t, g, key(t, "b"), "# TYPE h summary\nh_sum 1\nh_count 1\n")
	mustPush(t, g, key(t, "c"), "# TYPE h_sum gauge\nh_sum 1\n")
	exposed := func() (names []string) {
		for f := range g.View().EachFamily() {
			names = append(names, f.Name)
		}
		return names
	}
	if got := exposed(); strings.Join(got, " ") != "h_count h_sum" {
		t.Errorf("exposed %q", got)
	}
	if err := g.Delete(t.Context(), key(t, "a")); err != nil {
		t.Fatal(err)
	}
	if got := exposed(); strings.Join(got, " ") != "h" {
		t.Errorf("without the oldest: exposed %q", got)
	}
	if got := g.View().LeftOut; got != 1 {
		t.Errorf("left out: %d", got)
	}
}

func wantLines(t *testing.T, g *gateway.Gateway, name string, want ...string) {
	t.Helper()
	got := exposedLines(g.View(), name)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("exposed %q, want %q", got, want)
	}
}

func TestReserved(t *testing.T) {
	g := open(t, gateway.Config{Reserved: map[string]metric.Type{"own_seconds": metric.Summary}})
	for _, text := range []string{
		"# TYPE own_seconds gauge\nown_seconds 1\n",
		"# TYPE own_seconds_sum gauge\nown_seconds_sum 1\n",
	} {
		var conflict *gateway.ConflictError
		if err := push(t, g, key(t, "a"), text); !errors.As(err, &conflict) {
			t.Errorf("%q: got %v", text, err)
		}
	}
	mustPush(t, g, key(t, "a"), "# TYPE own_seconds summary\nown_seconds_sum 1\n")
}

func TestViewsAreImmutable(t *testing.T) {
	g := open(t, gateway.Config{})
	k := key(t, "a")
	mustPush(t, g, k, "m 1\n")
	before := g.View()
	mustPush(t, g, k, "m 2\nn 1\n")
	if err := wipe(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if got := exposedLines(before, "m"); len(got) != 1 || got[0] != `m{instance="",job="a"} 1` || before.Family("n") != nil || before.Groups() != 1 {
		t.Errorf("an old view has changed: %q", got)
	}
	if v := g.View(); v.Groups() != 0 || v.Series != 0 || v.Held != 0 {
		t.Errorf("after a wipe: %d groups, %d series, %d families", v.Groups(), v.Series, v.Held)
	}
}

// TestViewsOfManyNames takes views between changes of more than maxStale names,
// and of names that come and go between views.
func TestViewsOfManyNames(t *testing.T) {
	g := open(t, gateway.Config{})
	const names = 2500
	k := func(i int) grouping.Key { return key(t, "j", "i", fmt.Sprint(i)) }
	for i := range names {
		mustPush(t, g, k(i), fmt.Sprintf("m_%d 1\n", i))
	}
	if v := g.View(); v.Groups() != names || v.Family("m_0") == nil || v.Family(fmt.Sprintf("m_%d", names-1)) == nil {
		t.Fatalf("the first view has %d groups, or lacks a family", v.Groups())
	}
	for i := range names {
		if err := g.Delete(t.Context(), k(i)); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			mustPush(t, g, k(i), fmt.Sprintf("m_%d 2\n", i))
		}
	}
	v := g.View()
	for i := range names {
		lines := exposedLines(v, fmt.Sprintf("m_%d", i))
		if kept := i%2 == 0; kept != (len(lines) == 1 && strings.HasSuffix(lines[0], " 2")) || !kept && lines != nil {
			t.Fatalf("m_%d is exposed as %q", i, lines)
		}
	}
	if again := g.View(); again != v {
		t.Error("a new view was made although nothing had changed")
	}
}

func BenchmarkPush(b *testing.B) {
	for _, groups := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("groups=%d", groups), func(b *testing.B) {
			g := open(b, gateway.Config{})
			fill(b, g, groups)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				mustPush(b, g, key(b, "bench", "instance", fmt.Sprintf("i-%d", i%groups)), document(i))
			}
		})
	}
}

// wipe deletes all groups.
func wipe(ctx context.Context, g *gateway.Gateway) error {
	_, err := g.Wipe(ctx)
	return err
}
