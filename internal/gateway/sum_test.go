package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
)

// slow is a journal whose commits take a while, so that pushes gather meanwhile.
type slow struct {
	gateway.Memory
	commits atomic.Int64
	fails   atomic.Bool // the next commits
}

func (j *slow) Commit(ctx context.Context, changes []gateway.Change) []gateway.Outcome {
	j.commits.Add(1)
	time.Sleep(time.Millisecond)
	if j.fails.Load() {
		return slices.Repeat([]gateway.Outcome{{Verdict: gateway.Failed, Err: errors.New("the disk is full")}}, len(changes))
	}
	return j.Memory.Commit(ctx, changes)
}

func add(t testing.TB, g *gateway.Gateway, k grouping.Key, text string) error {
	t.Helper()
	return addFor(t, g, k, text, 0)
}

// addFor adds series that end after a while, unless it is 0.
func addFor(t testing.TB, g *gateway.Gateway, k grouping.Key, text string, ttl time.Duration) error {
	t.Helper()
	return g.Push(context.Background(), gateway.Push{Key: k, Blocks: blocks(t, k, text), Mode: gateway.Sum, SeriesTTL: ttl})
}

// sumOf returns the value of the only series of a family.
func sumOf(t *testing.T, g *gateway.Gateway, name string) (value float64) {
	t.Helper()
	f := g.View().Family(name)
	if f == nil {
		return 0
	}
	for _, b := range f.Blocks() {
		for s := range b.EachSeries {
			value += s.Value
		}
	}
	return value
}

// Many add to one group at once, some of them what must be refused. Every push
// that was answered counts once, and far fewer commits than pushes are needed.
func TestAdditionsShareCommits(t *testing.T) {
	j := new(slow)
	g := open(t, gateway.Config{Journal: j})
	k := key(t, "lambda")
	const clients, pushes = 64, 20
	var added, refused atomic.Int64
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(c)))
			for range pushes {
				n := r.IntN(10)
				if n == 0 {
					if err := add(t, g, k, "# TYPE sum_total counter\nsum_total -1\n"); err == nil {
						t.Error("a negative addend was taken")
					}
					refused.Add(1)
					continue
				}
				if err := add(t, g, k, fmt.Sprintf("# TYPE sum_total counter\nsum_total %d\n", n)); err != nil {
					t.Error(err)
				}
				added.Add(int64(n))
			}
		})
	}
	all.Wait()
	if got := sumOf(t, g, "sum_total"); got != float64(added.Load()) {
		t.Errorf("the sum is %v, want %d", got, added.Load())
	}
	if refused.Load() == 0 || !g.View().Group(k).Failed.After(time.Time{}) {
		t.Error("no push was refused, or its group does not show it")
	}
	if n := j.commits.Load(); n > clients*pushes/4 {
		t.Errorf("%d pushes took %d commits", clients*pushes, n)
	}
}

// One push brings a name that another group has with another type. Those that it
// came together with are stored.
func TestRefusedAdditionSparesOthers(t *testing.T) {
	g := open(t, gateway.Config{Journal: new(slow)})
	mustPush(t, g, key(t, "other"), "# TYPE taken gauge\ntaken 1\n")
	k := key(t, "lambda")
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			text, bad := "# TYPE sum_total counter\nsum_total 1\n", i%10 == 0
			if bad {
				text += "# TYPE taken counter\ntaken 1\n"
			}
			err := add(t, g, k, text)
			var conflict *gateway.ConflictError
			if bad && !errors.As(err, &conflict) || !bad && err != nil {
				t.Errorf("push %d: %v", i, err)
			}
		})
	}
	all.Wait()
	if got := sumOf(t, g, "sum_total"); got != 36 {
		t.Errorf("the sum is %v, want 36", got)
	}
}

// If the commit fails, everybody hears of it, and nothing was added.
func TestFailedCommitOfAdditions(t *testing.T) {
	j := new(slow)
	g := open(t, gateway.Config{Journal: j})
	k := key(t, "lambda")
	if err := add(t, g, k, "# TYPE sum_total counter\nsum_total 1\n"); err != nil {
		t.Fatal(err)
	}
	j.fails.Store(true)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := add(t, g, k, "# TYPE sum_total counter\nsum_total 1\n"); !errors.Is(err, gateway.ErrUnavailable) {
				t.Errorf("the push returned %v", err)
			}
		})
	}
	all.Wait()
	j.fails.Store(false)
	if err := add(t, g, k, "# TYPE sum_total counter\nsum_total 1\n"); err != nil {
		t.Fatal(err)
	}
	if got := sumOf(t, g, "sum_total"); got != 2 {
		t.Errorf("the sum is %v, want 2", got)
	}
}

// A client that leaves while it waits does not take along those that wait with
// it.
func TestClientsThatLeaveSums(t *testing.T) {
	g := open(t, gateway.Config{Journal: new(slow)})
	k := key(t, "lambda")
	var stored atomic.Int64
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			ctx, leave := context.WithCancel(context.Background())
			defer leave()
			if i%3 == 0 {
				time.AfterFunc(time.Duration(i)*20*time.Microsecond, leave)
			}
			err := g.Push(ctx, gateway.Push{Key: k, Blocks: blocks(t, k, "# TYPE sum_total counter\nsum_total 1\n"), Mode: gateway.Sum})
			switch {
			case err == nil:
				stored.Add(1)
			case i%3 != 0:
				t.Errorf("push %d: %v", i, err)
			}
		})
	}
	all.Wait()
	if got := sumOf(t, g, "sum_total"); got != float64(stored.Load()) {
		t.Errorf("the sum is %v, but %d pushes were stored", got, stored.Load())
	}
}

func TestPlainPushBeginsAnew(t *testing.T) {
	g := open(t, gateway.Config{})
	k := key(t, "lambda")
	for _, step := range []struct {
		mode gateway.Mode
		text string
		want string
	}{
		{gateway.Sum, "a 1\nb 1\n", "a 1 b 1"},
		{gateway.Sum, "a 2\n", "a 3 b 1"},
		{gateway.MergeFamilies, "a 10\n", "a 10 b 1"},
		{gateway.Sum, "a 1\n", "a 11 b 1"},
		{gateway.Replace, "a 5\n", "a 5"},
		{gateway.Sum, "", "a 5"},
		{gateway.Sum, "c 1\n", "a 5 c 1"},
	} {
		if err := g.Push(t.Context(), gateway.Push{Key: k, Blocks: blocks(t, k, step.text), Mode: step.mode}); err != nil {
			t.Fatalf("pushing %q: %v", step.text, err)
		}
		var got []string
		for b := range g.View().Group(k).Blocks() {
			for s := range b.EachSeries {
				got = append(got, fmt.Sprintf("%s %v", b.Name, s.Value))
			}
		}
		if strings.Join(got, " ") != step.want {
			t.Errorf("after %q: %s, want %s", step.text, got, step.want)
		}
	}
}

func TestSumsHaveFewSeries(t *testing.T) {
	g := open(t, gateway.Config{Limits: gateway.Limits{SumSeries: 3}})
	k := key(t, "lambda")
	var limit *guard.LimitError
	for _, step := range []struct {
		text string
		over bool
	}{
		{"a{i=\"1\"} 1\na{i=\"2\"} 1\n", false},
		{"a{i=\"1\"} 1\nb 1\n", false},
		{"c 1\n", true},
		{"a{i=\"2\"} 1\n", false},
	} {
		err := add(t, g, k, step.text)
		if over := errors.As(err, &limit) && limit.Limit == guard.LimitSeriesPerSum; over != step.over || !over && err != nil {
			t.Errorf("adding %q: %v", step.text, err)
		}
	}
}

// One push adds to one family, replaces series of another, and removes series, all
// or none of it.
func TestSumReplacesAndRemoves(t *testing.T) {
	g := open(t, gateway.Config{})
	k := key(t, "a")
	push := func(text, removes string) error {
		p := gateway.Push{Key: k, Blocks: blocks(t, k, text), Mode: gateway.Sum, Overwrites: map[string]bool{"level_total": true}}
		if removes != "" {
			p.Removes = blocks(t, k, removes)
		}
		return g.Push(t.Context(), p)
	}
	for _, step := range []struct {
		text, removes string
		refused       bool
		added, level  []string
	}{
		{"# TYPE added_total counter\nadded_total{n=\"1\"} 1\nadded_total{n=\"2\"} 2\n# TYPE level_total counter\nlevel_total 5\nlevel_total{n=\"1\"} 6\n", "", false,
			[]string{`{n="1"} 1`, `{n="2"} 2`}, []string{`{} 5`, `{n="1"} 6`}},
		{"# TYPE added_total counter\nadded_total{n=\"1\"} 3\n# TYPE level_total counter\nlevel_total -1\n", "", false,
			[]string{`{n="1"} 4`, `{n="2"} 2`}, []string{`{} -1`, `{n="1"} 6`}},
		{"# TYPE added_total counter\nadded_total{n=\"1\"} -3\n# TYPE level_total counter\nlevel_total 7\n", "# TYPE level_total counter\nlevel_total{n=\"1\"} 0\n", true,
			[]string{`{n="1"} 4`, `{n="2"} 2`}, []string{`{} -1`, `{n="1"} 6`}},
		{"# TYPE added_total counter\nadded_total{n=\"1\"} 1\n", "# TYPE added_total gauge\nadded_total{n=\"1\"} 0\n# TYPE level_total counter\nlevel_total{n=\"1\"} 0\nlevel_total{n=\"3\"} 0\n# TYPE unknown gauge\nunknown 1\n", false,
			[]string{`{n="1"} 5`, `{n="2"} 2`}, []string{`{} -1`}},
		{"", "# TYPE added_total counter\nadded_total{n=\"1\"} 0\nadded_total{n=\"2\"} 0\n", false, nil, []string{`{} -1`}},
		{"# TYPE added_total counter\nadded_total{n=\"1\"} 1\n", "", false, []string{`{n="1"} 1`}, []string{`{} -1`}},
	} {
		if err := push(step.text, step.removes); err != nil != step.refused {
			t.Errorf("%s: got %v", step.text, err)
		}
		wantSums(t, g, "added_total", step.added)
		wantSums(t, g, "level_total", step.level)
		if g.Group(k).Find("added_total") != nil != (step.added != nil) {
			t.Errorf("%s: a family without series is kept", step.removes)
		}
	}
}

// wantSums wants these series of a family, without the labels of their group.
func wantSums(t *testing.T, g *gateway.Gateway, name string, want []string) {
	t.Helper()
	var got []string
	for _, line := range exposedLines(g.View(), name) {
		line = strings.NewReplacer(name, "", `instance="",job="a",`, "", `instance="",job="a"`, "", "{}", "").Replace(line)
		got = append(got, line)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s is %q, want %q", name, got, want)
	}
}

// purse is a budget of so many bytes.
type purse struct{ left int }

func (p *purse) Take(n int) error {
	if p.left < n {
		return guard.ErrBusy
	}
	p.left -= n
	return nil
}

func (p *purse) Return(n int) { p.left += n }

// An addition pays for reading a family that a plain push has made large.
func TestSumPaysForLargeFamilies(t *testing.T) {
	g := open(t, gateway.Config{Limits: gateway.Limits{SumSeries: 100}})
	k := key(t, "a")
	var large strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&large, "m{n=\"%d\"} 1\n", i)
	}
	mustPush(t, g, k, "# TYPE m gauge\n"+large.String())
	for budget, refused := range map[int]bool{100_000: true, 10_000_000: false} {
		for _, p := range []gateway.Push{
			{Blocks: blocks(t, k, "# TYPE m gauge\nm{n=\"1\"} 2\n")},
			{Removes: blocks(t, k, "# TYPE m gauge\nm{n=\"2\"} 0\n")},
		} {
			p.Key, p.Mode, p.Budget = k, gateway.Sum, &purse{budget}
			if err := g.Push(t.Context(), p); errors.Is(err, guard.ErrBusy) != refused || err != nil != refused {
				t.Errorf("with %d bytes: got %v", budget, err)
			}
		}
	}
	if n := g.Group(k).Series; n != 999 {
		t.Errorf("the group has %d series", n)
	}
}
