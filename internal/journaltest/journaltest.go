// Package journaltest holds the tests that every journal must pass: the
// contract of gateway.Journal.
package journaltest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// Store is where journals of one kind keep their groups.
type Store struct {
	// New returns a journal of the store, not yet open. The previous one is
	// closed.
	New func() gateway.Journal
	// Durable means that a journal finds what the previous one stored.
	Durable bool
}

// Run runs the contract. Each part gets a store of its own from fresh.
func Run(t *testing.T, fresh func(t *testing.T) Store) {
	for name, part := range map[string]func(*testing.T, Store){
		"order":        testOrder,
		"concurrency":  testConcurrency,
		"stamps":       testStamps,
		"clock":        testClock,
		"context":      testContext,
		"ownership":    testOwnership,
		"close":        testClose,
		"random":       testRandom,
		"contents":     testContents,
		"many at once": testMany,
		"receipts":     testReceipts,
		"ends":         testEnds,
	} {
		t.Run(name, func(t *testing.T) { part(t, fresh(t)) })
	}
}

// reader stands for the gateway of a journal: it receives what is applied.
type reader struct {
	t    *testing.T
	busy atomic.Bool

	mu     sync.Mutex
	last   gateway.Revision
	groups map[grouping.Key]*gateway.Group
	void   map[grouping.Key]bool // keys of changes that are void
	// receipts are those that were applied.
	receipts map[gateway.Receipt]bool
}

// open opens a journal of the store and returns what it has replayed.
func open(t *testing.T, s Store) (gateway.Journal, *reader) {
	t.Helper()
	j, r := s.New(), &reader{t: t, groups: make(map[grouping.Key]*gateway.Group), void: make(map[grouping.Key]bool), receipts: make(map[gateway.Receipt]bool)}
	if err := j.Open(t.Context(), r.apply, r.stored); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = 0 // a replay has its own order
	t.Cleanup(func() { _ = j.Close() })
	return j, r
}

func (r *reader) stored(key grouping.Key) *gateway.Group {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.groups[key]
}

func (r *reader) apply(batch []gateway.Applied) {
	if !r.busy.CompareAndSwap(false, true) {
		r.t.Error("apply is called by two goroutines at once")
	}
	defer r.busy.Store(false)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(batch) == 0 {
		r.t.Error("apply is called for nothing")
	}
	for _, a := range batch {
		for _, receipt := range a.Receipts {
			r.receipts[receipt] = !a.Void
		}
		switch {
		case a.Key == "":
			continue
		case a.Void:
			r.void[a.Key] = true
			continue
		case a.Stamp != nil:
			r.stamp(*a.Stamp)
			continue
		case a.Group == nil:
			delete(r.groups, a.Key)
		case a.Group.Key != a.Key:
			r.t.Errorf("a change of %s has group %s", a.Key, a.Group.Key)
		default:
			r.groups[a.Key] = settled(a.Group, a.Revision)
		}
		r.last = a.Revision
	}
}

// settled returns a copy of a group with the revisions that the gateway would
// set.
func settled(g *gateway.Group, revision gateway.Revision) *gateway.Group {
	c := *g
	c.Families, c.Revision = slices.Clone(g.Families), revision
	if c.Since == 0 {
		c.Since = revision
	}
	for i := range c.Families {
		if c.Families[i].Claim == 0 {
			c.Families[i].Claim = revision
		}
	}
	return &c
}

// stamp applies a stamp as the gateway does.
func (r *reader) stamp(s gateway.Stamp) {
	g := gateway.Group{Key: s.Key}
	if old := r.groups[s.Key]; old != nil {
		g = *old
	} else if s.Against != 0 {
		return
	}
	g.Failed, g.Failure, g.FailedBy = s.At, s.Reason, s.FailedBy
	made := gateway.Restore(g)
	made.Failing = s.Against >= g.Revision
	r.groups[s.Key] = made
}

// state shows all groups with everything that must survive.
func (r *reader) state() map[grouping.Key]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[grouping.Key]string, len(r.groups))
	for key, g := range r.groups {
		all[key] = show(g)
	}
	return all
}

func (r *reader) revision() gateway.Revision {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (r *reader) group(key grouping.Key) *gateway.Group {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.groups[key]
}

func show(g *gateway.Group) string {
	var b strings.Builder
	fmt.Fprintln(&b, g.Key, g.Revision, g.Since, nanos(g.Pushed), nanos(g.Failed), nanos(g.Expires), g.Failure, g.Failing, g.FailedBy, g.Series)
	for _, h := range g.Families {
		fmt.Fprintf(&b, "%q %q %s %d %d %t\n%s%x\n", h.Name, h.Help, h.Type, nanos(h.Pushed), h.Claim, h.Took, h.Text(), h.AppendProto(nil))
	}
	return b.String()
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func keyOf(t *testing.T, job string, labels ...metric.Label) grouping.Key {
	t.Helper()
	key, err := grouping.NewKey(job, labels...)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Blocks parses and renders a text push to a group.
func Blocks(t testing.TB, key grouping.Key, text string) []*exposition.Block {
	t.Helper()
	p := exposition.GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := exposition.Render(families, exposition.Options{Grouping: key.Labels(), Valid: true})
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// groupOf makes a group from a text push, as it would result from old.
func groupOf(t *testing.T, old *gateway.Group, key grouping.Key, text string) *gateway.Group {
	t.Helper()
	blocks := Blocks(t, key, text)
	g := gateway.Group{Key: key, Pushed: time.Now()}
	if old != nil {
		g.Failed, g.Failure, g.Since = old.Failed, old.Failure, old.Since
	}
	for _, b := range blocks {
		h := gateway.Held{Block: b, Pushed: g.Pushed}
		if was := old.Find(b.Name); was != nil && was.Type == b.Type {
			h.Claim = was.Claim
		}
		g.Families = append(g.Families, h)
	}
	slices.SortFunc(g.Families, func(a, b gateway.Held) int { return strings.Compare(a.Name, b.Name) })
	made := gateway.Restore(g)
	made.Failing = false
	return made
}

// change changes a group to the content of a push, or ends it if the content is
// empty.
func change(t *testing.T, r *reader, key grouping.Key, text string) gateway.Change {
	t.Helper()
	old := r.group(key)
	c := gateway.Change{Key: key}
	if old != nil {
		c.Against = old.Revision
	}
	if text != "" {
		c.Group = groupOf(t, old, key, text)
	}
	return c
}

func must(t *testing.T, j gateway.Journal, changes ...gateway.Change) {
	t.Helper()
	for i, o := range j.Commit(context.Background(), changes) {
		if o.Verdict != gateway.Committed || o.Err != nil {
			t.Fatalf("change %d of %d: verdict %d, %v", i, len(changes), o.Verdict, o.Err)
		}
	}
}

// again closes the journal, opens it again, and wants the same groups.
func again(t *testing.T, s Store, j gateway.Journal, r *reader) (gateway.Journal, *reader) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	want := r.state()
	j, r = open(t, s)
	if !s.Durable {
		clear(want)
	}
	got := r.state()
	if len(got) != len(want) {
		t.Errorf("%d groups exist after reopening, want %d", len(got), len(want))
	}
	for key, w := range want {
		if got[key] != w {
			t.Errorf("a group differs after reopening:\n%s\nwant\n%s", got[key], w)
		}
	}
	return j, r
}

// testOrder commits one change after the other. Each must be applied when
// Commit returns, with a higher revision than all before, also after a restart.
func testOrder(t *testing.T, s Store) {
	j, r := open(t, s)
	if len(r.state()) != 0 {
		t.Error("a new journal is not empty")
	}
	if err := j.Err(); err != nil {
		t.Errorf("a new journal refuses changes: %v", err)
	}
	last := gateway.Revision(0)
	for range 3 {
		for i := range 10 {
			key := keyOf(t, fmt.Sprint("job", i%4))
			c := change(t, r, key, fmt.Sprintf("m %d\n", i))
			if i == 7 {
				c = change(t, r, key, "")
			}
			must(t, j, c)
			if got := r.group(key); (got == nil) != (c.Group == nil) || got != nil && got.Pushed != c.Group.Pushed {
				t.Fatal("Commit returned before the change was applied")
			}
			if r.revision() <= last {
				t.Fatalf("revision %d comes after %d", r.revision(), last)
			}
			last = r.revision()
		}
		if j, r = again(t, s, j, r); !s.Durable {
			last = 0
		}
	}
}

// testConcurrency commits from many goroutines at once.
func testConcurrency(t *testing.T, s Store) {
	j, r := open(t, s)
	var wg sync.WaitGroup
	for c := range 16 {
		wg.Go(func() {
			key := keyOf(t, fmt.Sprint("job", c))
			for i := range 20 {
				must(t, j, change(t, r, key, fmt.Sprintf("m{c=\"%d\"} %d\n", c, i)))
			}
		})
	}
	wg.Wait()
	if n := len(r.state()); n != 16 {
		t.Errorf("%d groups exist, want 16", n)
	}
	again(t, s, j, r)
}

// testStamps stamps failure times. They must be applied at once, written with
// the next commit, and part of later changes to the group.
func testStamps(t *testing.T, s Store) {
	j, r := open(t, s)
	a, b, c := keyOf(t, "a"), keyOf(t, "b"), keyOf(t, "c")
	must(t, j, change(t, r, a, "m 1\n"))
	stamp := func(key grouping.Key) {
		s := gateway.Stamp{Key: key, At: time.Now(), Reason: "it has no samples", FailedBy: "10.0.0.1"}
		old := r.group(key)
		if old != nil {
			s.Against = old.Revision
		}
		j.Stamp(s)
		got := r.group(key)
		if got == nil || !got.Failed.Equal(s.At) {
			t.Fatal("Stamp returned before the stamp was applied")
		}
		if old != nil && got.Revision != old.Revision {
			t.Error("the stamp changed the revision of the group")
		}
	}
	stamp(a)
	stamp(b) // a group without a push
	stamp(c)
	must(t, j, change(t, r, c, "m 2\n")) // made against the group with the stamp
	must(t, j, change(t, r, keyOf(t, "d"), "m 3\n"))
	j, r = again(t, s, j, r)
	if s.Durable && (r.group(a).Failed.IsZero() || r.group(b) == nil || r.group(b).FailedBy != "10.0.0.1" || r.group(c).Failed.IsZero()) {
		t.Error("a failure time or its client is gone")
	}
	stamp(b)
	must(t, j, change(t, r, b, "")) // the end of the group removes the stamp too
	again(t, s, j, r)
}

// testClock sets the clock back between a push and a refusal, and between a
// refusal and a push. The order of the two, not their times, must decide
// whether the group is failing.
func testClock(t *testing.T, s Store) {
	j, r := open(t, s)
	failing, taken := keyOf(t, "failing"), keyOf(t, "taken")
	must(t, j, change(t, r, failing, "m 1\n"))
	j.Stamp(gateway.Stamp{Key: failing, At: time.Now().Add(-time.Hour), Against: r.group(failing).Revision})
	j.Stamp(gateway.Stamp{Key: taken, At: time.Now().Add(time.Hour)})
	must(t, j, change(t, r, taken, "m 1\n"))
	for range 3 {
		if g := r.group(failing); g != nil && g.LastPushSuccessful() {
			t.Error("the group is not failing, but its last push was refused")
		}
		if g := r.group(taken); g != nil && !g.LastPushSuccessful() {
			t.Error("the group is failing, but its last push was stored")
		}
		j, r = again(t, s, j, r)
	}
}

// testContext commits with a context that has ended. Each change must happen,
// or the journal must report that it does not.
func testContext(t *testing.T, s Store) {
	j, r := open(t, s)
	gone, end := context.WithCancel(t.Context())
	end()
	verdicts := make(map[gateway.Verdict]int)
	for i := range 50 {
		key := keyOf(t, fmt.Sprint("job", i))
		o := j.Commit(gone, []gateway.Change{change(t, r, key, "m 1\n")})[0]
		must(t, j, change(t, r, keyOf(t, "behind"), "m 1\n"))
		verdicts[o.Verdict]++
		r.mu.Lock()
		applied, void := r.groups[key] != nil, r.void[key]
		r.mu.Unlock()
		switch {
		case o.Verdict == gateway.Unknown && applied != void:
		case o.Verdict == gateway.Committed && applied:
		case o.Verdict == gateway.Failed && !applied:
		default:
			t.Fatalf("a change has verdict %d (%v), applied %v and void %v, which contradict each other", o.Verdict, o.Err, applied, void)
		}
	}
	t.Logf("verdicts: %v", verdicts)
	if err := j.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	again(t, s, j, r)
}

// testOwnership checks that the journal changes no group that it has received.
func testOwnership(t *testing.T, s Store) {
	j, r := open(t, s)
	given := make(map[*gateway.Group]string)
	for i := range 20 {
		c := change(t, r, keyOf(t, fmt.Sprint("job", i%3)), fmt.Sprintf("m %d\n", i))
		given[c.Group] = show(c.Group)
		must(t, j, c)
		j.Stamp(gateway.Stamp{Key: c.Key, At: time.Now(), Against: r.group(c.Key).Revision})
	}
	again(t, s, j, r)
	for g, was := range given {
		if is := show(g); is != was {
			t.Errorf("a group changed after Commit received it:\n%s\nwas\n%s", is, was)
		}
	}
}

// testClose closes a journal twice and commits to it afterwards.
func testClose(t *testing.T, s Store) {
	j, r := open(t, s)
	must(t, j, change(t, r, keyOf(t, "a"), "m 1\n"))
	for range 2 {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !s.Durable {
		return
	}
	before := r.state()
	o := j.Commit(context.Background(), []gateway.Change{change(t, r, keyOf(t, "b"), "m 1\n")})
	if len(o) != 1 || o[0].Verdict != gateway.Failed || o[0].Err == nil {
		t.Errorf("a change after Close: got %v, want Failed", o)
	}
	if len(r.state()) != len(before) {
		t.Error("a change after Close was applied")
	}
}

// testRandom runs random operations, with restarts in between.
func testRandom(t *testing.T, s Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	j, r := open(t, s)
	for i := range 300 {
		var batch []gateway.Change
		for _, n := range random.Perm(12)[:1+random.IntN(3)] {
			key, text := keyOf(t, fmt.Sprint("job", n)), ""
			for f := range random.IntN(4) {
				text += fmt.Sprintf("# TYPE f%d gauge\nf%d{x=\"%d\"} %d\n", f, f, random.IntN(3), i)
			}
			batch = append(batch, change(t, r, key, text))
		}
		must(t, j, batch...)
		if random.IntN(60) == 0 {
			j, r = again(t, s, j, r)
		}
	}
	again(t, s, j, r)
}

// testContents stores odd, empty and large contents.
func testContents(t *testing.T, s Store) {
	j, r := open(t, s)
	long := strings.Repeat("x", grouping.MaxKey-20)
	var large strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&large, "large{i=\"%d\"} %d\n", i, i)
	}
	for i, text := range []string{
		"# HELP m Hölp \\\\ \\n two lines.\n# TYPE m counter\nm{a=\"\\\"\\n\\\\\",b=\"\"} 1e-300\n",
		"nan NaN\ninf +Inf\nneg -Inf\nzero -0\n",
		"{\"m.x\",\"l.y\"=\"π\"} 1\n",
		"# TYPE h histogram\nh_bucket{le=\"0.1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n",
		"# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 3\ns_count 2\n",
		large.String(),
	} {
		must(t, j, change(t, r, keyOf(t, fmt.Sprint("job", i), metric.Label{Name: "empty"}), text))
	}
	must(t, j, change(t, r, keyOf(t, "long", metric.Label{Name: "l", Value: long}), "m 1\n"))
	empty := gateway.Restore(gateway.Group{Key: keyOf(t, "nothing"), Pushed: time.Now()})
	must(t, j, gateway.Change{Key: empty.Key, Group: empty})
	took := change(t, r, keyOf(t, "took"), "m 1\nn 1\n")
	took.Group.Families[1].Took = true // a claim without a revision
	must(t, j, took)
	j, r = again(t, s, j, r)
	if old := r.group(took.Key); old != nil {
		took = change(t, r, took.Key, "m 2\nn 2\n")
		took.Group.Families[1].Took = true // and with one
		must(t, j, took)
	}
	again(t, s, j, r)
}

// testMany ends many groups in one commit.
func testMany(t *testing.T, s Store) {
	j, r := open(t, s)
	const n = 500
	var batch, ends []gateway.Change
	for i := range n {
		batch = append(batch, change(t, r, keyOf(t, fmt.Sprint("job", i)), "m 1\n"))
	}
	must(t, j, batch...)
	j, r = again(t, s, j, r)
	for key := range r.state() {
		ends = append(ends, change(t, r, key, ""))
	}
	if s.Durable && len(ends) != n {
		t.Fatalf("%d groups exist, want %d", len(ends), n)
	}
	if len(ends) > 0 {
		must(t, j, ends...)
	}
	again(t, s, j, r)
}
