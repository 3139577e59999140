package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pushgateway/internal/grouping"
)

// gate is a journal of which one commit waits until it is opened. The outcome of the
// next one is given.
type gate struct {
	Memory
	mu      sync.Mutex
	commits int
	at      int // the number of the commit that waits, from 0
	opened  chan struct{}
	outcome Outcome
	changes []Change // of the commit after it
	apply   func([]Applied)
	// before runs before that commit returns.
	before func()
}

func (j *gate) Open(ctx context.Context, apply func([]Applied), stored func(grouping.Key) *Group) error {
	j.apply = apply
	return j.Memory.Open(ctx, apply, stored)
}

func (j *gate) Commit(ctx context.Context, changes []Change) []Outcome {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch j.commits++; j.commits - j.at {
	case 1:
		<-j.opened
	case 2:
		j.changes = changes
		if j.before != nil {
			j.before()
		}
		if j.outcome.Verdict != Committed {
			return slices.Repeat([]Outcome{j.outcome}, len(changes))
		}
	}
	return j.Memory.Commit(ctx, changes)
}

// addend is a push that adds up. Those of one key that differ have other bodies.
type addend struct {
	once, text string
	want       string // part of its error; "replayed" if it had counted; or ""
}

// push returns what became of the push. A defect that ends it does not go further, as
// under net/http.
func (a addend) push(t *testing.T, g *Gateway) (became string) {
	defer func() {
		if defect := recover(); defect != nil {
			became = fmt.Sprint(defect)
		}
	}()
	p := labelled(t, "group", a.text)
	p.Mode = Sum
	if a.once != "" {
		p.Once = NewOnce(p.Key, a.once, [16]byte([]byte(fmt.Sprintf("%-16.16s", a.text[len(a.text)-3:]))))
	}
	switch err := g.Push(t.Context(), p); {
	case err != nil:
		return err.Error()
	case p.Once != nil && p.Once.Replayed:
		return "replayed"
	}
	return ""
}

// together pushes addends while the journal is busy, so that they are stored
// together in this order, and returns what became of them.
func together(t *testing.T, g *Gateway, j *gate, addends []addend) []string {
	t.Helper()
	got := make([]string, len(addends))
	var all sync.WaitGroup
	all.Go(func() { addend{text: "busy 1\n"}.push(t, g) })
	key := labelled(t, "group", "busy 1\n").Key
	isBusy := func() bool { // its commit holds the lock
		if j.mu.TryLock() {
			defer j.mu.Unlock()
			return false
		}
		return true
	}
	for !isBusy() {
		time.Sleep(time.Millisecond)
	}
	for i, a := range addends {
		all.Go(func() { got[i] = a.push(t, g) })
		for g.waitingFor(key) <= i {
			time.Sleep(time.Millisecond)
		}
	}
	close(j.opened)
	all.Wait()
	return got
}

// TestJudgedByWhatIsStored adds together what depends on each other: one key with
// several bodies, one name with several types, and sums that are too large. If the
// first is not stored, the others are not judged by it.
func TestJudgedByWhatIsStored(t *testing.T) {
	const counter, gauge, count = "# TYPE m counter\n", "# TYPE m gauge\n", "# TYPE n counter\n"
	addends := []addend{
		{"k", count + "n 1\n", ""},
		{"k", count + "n 1\n", "replayed"},
		{"k", count + "n 2\n", ErrKeyReused.Error()},
		{"", counter + "m 1.7e308\n", ""},
		{"", gauge + "m 1\n", "its type is counter in the group"},
		{"", counter + "m 1.6e308\n", "would become +Inf"},
		{"l", count + "n 3\n", ""},
	}
	failed := errors.New("the disk is full")
	for name, tt := range map[string]struct {
		outcome     Outcome
		before      func(g *Gateway, j *gate)
		unavailable bool // all of them
		sum         float64
	}{
		"stored":             {sum: 4},
		"failed":             {outcome: Outcome{Verdict: Failed, Err: failed}, unavailable: true},
		"unknown, then void": {outcome: Outcome{Verdict: Unknown, Err: failed}, unavailable: true},
		"stale":              {outcome: Outcome{Verdict: Stale, Err: failed}, sum: 4},
		"stale because another member has counted it": {outcome: Outcome{Verdict: Stale, Err: failed}, before: func(_ *Gateway, j *gate) {
			j.apply([]Applied{{Change: Change{Receipts: j.changes[0].Receipts[:1]}}})
		}, sum: 3},
	} {
		t.Run(name, func(t *testing.T) {
			j := &gate{opened: make(chan struct{}), outcome: tt.outcome}
			g, err := Open(t.Context(), Config{Journal: j})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			if tt.before != nil {
				j.before = func() { tt.before(g, j) }
			}
			got := together(t, g, j, addends)
			for i, a := range addends {
				want := a.want
				switch {
				case tt.unavailable:
					want = failed.Error()
				case i == 0 && tt.before != nil:
					want = "replayed"
				}
				if want == "" && got[i] != "" || !strings.Contains(got[i], want) {
					t.Errorf("addend %d: got %q, want %q", i, got[i], want)
				}
			}
			if sum := valueOf(g, "n"); sum != tt.sum {
				t.Errorf("the sum is %v, want %v", sum, tt.sum)
			}
			if !tt.unavailable {
				return
			}
			if tt.outcome.Verdict == Unknown {
				j.apply([]Applied{{Change: j.changes[0], Void: true}})
			}
			for i, a := range []addend{{"k", count + "n 2\n", ""}, {"k", count + "n 1\n", ErrKeyReused.Error()}, {"", gauge + "m 1\n", ""}} {
				if got := a.push(t, g); a.want == "" && got != "" || !strings.Contains(got, a.want) {
					t.Errorf("again %d: got %q, want %q", i, got, a.want)
				}
			}
			if sum := valueOf(g, "n"); sum != 2 {
				t.Errorf("the sum is %v, want 2", sum)
			}
		})
	}
}

// TestRefusedWithoutItsFirst adds a push that other groups conflict with, and after
// it one with its key and another body. That one is stored.
func TestRefusedWithoutItsFirst(t *testing.T) {
	j := &gate{opened: make(chan struct{}), at: 1}
	g, err := Open(t.Context(), Config{Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Push(t.Context(), labelled(t, "other", "# TYPE taken gauge\ntaken 1\n")); err != nil {
		t.Fatal(err)
	}
	addends := []addend{
		{"k", "# TYPE taken counter\ntaken 1\n", "taken"},
		{"k", "# TYPE n counter\nn 2\n", ""},
	}
	got := together(t, g, j, addends)
	for i, a := range addends {
		if a.want == "" && got[i] != "" || !strings.Contains(got[i], a.want) {
			t.Errorf("addend %d: got %q, want %q", i, got[i], a.want)
		}
	}
	if sum := valueOf(g, "n"); sum != 2 {
		t.Errorf("the sum is %v, want 2", sum)
	}
}

// TestDefectSparesOthers lets a defect end the push that stores what others add. The
// others are stored nevertheless.
func TestDefectSparesOthers(t *testing.T) {
	j := &gate{opened: make(chan struct{}), before: func() { panic(errDefect) }}
	g, err := Open(t.Context(), Config{Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	got := together(t, g, j, []addend{{"", "n 1\n", ""}, {"k", "n 10\n", ""}, {"", "n 100\n", ""}})
	want, ended := 111., 0
	for i, err := range got {
		if err == errDefect.Error() {
			ended++
			want -= []float64{1, 10, 100}[i]
		} else if err != "" {
			t.Errorf("addend %d: %s", i, err)
		}
	}
	if sum := valueOf(g, "n"); ended != 1 || sum != want {
		t.Errorf("a defect has ended %d pushes, and the sum is %v, want 1 and %v", ended, sum, want)
	}
}

// TestDefectLeavesNothing lets a defect end a push while the journal stores it. The
// names and the keys of the push are free again.
func TestDefectLeavesNothing(t *testing.T) {
	j := &gate{at: -1, before: func() { panic(errDefect) }}
	g, err := Open(t.Context(), Config{Journal: j, Limits: Limits{Receipts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if got := (addend{"k", "# TYPE m counter\nm 1\n", ""}).push(t, g); got != errDefect.Error() {
		t.Fatalf("got %q", got)
	}
	if err := g.Push(t.Context(), labelled(t, "other", "# TYPE m gauge\nm 1\n")); err != nil {
		t.Errorf("another type: %v", err)
	}
	if got := (addend{"l", "# TYPE n counter\nn 1\n", ""}).push(t, g); got != "" {
		t.Errorf("another key: %s", got)
	}
}

// TestReconciledOnce counts a histogram that loses buckets when the sum is stored,
// and not when it is tried.
func TestReconciledOnce(t *testing.T) {
	const before, after = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 1\nh_count 1\n", "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count 1\n"
	for name, tt := range map[string]struct {
		outcome Outcome
		text    string
		taken   string // what another group has
		want    uint64
	}{
		"stored":          {text: after, want: 1},
		"tried again":     {outcome: Outcome{Verdict: Stale}, text: after, want: 1},
		"not stored":      {outcome: Outcome{Verdict: Failed, Err: errors.New("the disk is full")}, text: after},
		"in conflict":     {text: after + "# TYPE m counter\nm 1\n", taken: "# TYPE m gauge\nm 1\n"},
		"nothing is lost": {text: before},
	} {
		j := &gate{at: -1}
		g, err := Open(t.Context(), Config{Journal: j})
		if err != nil {
			t.Fatal(err)
		}
		if tt.taken != "" {
			if err := g.Push(t.Context(), labelled(t, "other", tt.taken)); err != nil {
				t.Fatal(err)
			}
		}
		if got := (addend{text: before}).push(t, g); got != "" {
			t.Fatal(got)
		}
		j.at, j.commits, j.outcome = 0, 1, tt.outcome
		addend{text: tt.text}.push(t, g)
		if got := g.Reconciled(); got != tt.want {
			t.Errorf("%s: %d are counted, want %d", name, got, tt.want)
		}
		g.Close()
	}
}

var errDefect = errors.New("a defect")

// valueOf returns the value of the only series of a family, or 0.
func valueOf(g *Gateway, name string) (value float64) {
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

// behind is a journal that learns what other members have changed when it is asked
// for that.
type behind struct {
	Memory
	apply func([]Applied)
	news  []Applied
}

func (j *behind) Open(ctx context.Context, apply func([]Applied), stored func(grouping.Key) *Group) error {
	j.apply = apply
	return j.Memory.Open(ctx, apply, stored)
}

func (j *behind) Sync(context.Context) error {
	j.apply(j.news)
	j.news = nil
	return nil
}

// TestNotRefusedByWhatIsOver adds what the group cannot take, after another member
// has ended the group.
func TestNotRefusedByWhatIsOver(t *testing.T) {
	for name, text := range map[string]string{
		"type":          "# TYPE m gauge\nm 1\n",
		"too large":     "# TYPE m counter\nm 1.7e308\n",
		"series":        "# TYPE m counter\nm{x=\"1\"} 1\nm{x=\"2\"} 1\n",
		"still refused": "# TYPE m counter\nm -1\n",
	} {
		t.Run(name, func(t *testing.T) {
			j := new(behind)
			g, err := Open(t.Context(), Config{Journal: j, Limits: Limits{SumSeries: 2}})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			if err := (addend{text: "# TYPE m counter\nm 1.7e308\n"}).push(t, g); err != "" {
				t.Fatal(err)
			}
			j.news = []Applied{{Change: Change{Key: labelled(t, "group", text).Key}, Revision: 100}}
			if err := (addend{text: text}).push(t, g); (err != "") != (name == "still refused") {
				t.Errorf("got %q", err)
			}
		})
	}
}

// TestNotRefusedBesideReplays stores two additions together: one had counted before, and
// the group cannot take the other one, but another member has ended the group.
func TestNotRefusedBesideReplays(t *testing.T) {
	replayed := addend{"k", "# TYPE m counter\nm 1\n", "replayed"}
	for name, addends := range map[string][]addend{
		"behind":              {replayed, {"", "# TYPE m gauge\nm 1\n", ""}},
		"in front":            {{"", "# TYPE m gauge\nm 1\n", ""}, replayed},
		"behind a reused key": {replayed, {"k", "# TYPE m counter\nm 2\n", ErrKeyReused.Error()}, {"", "# TYPE m gauge\nm 1\n", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			j := new(behind)
			g, err := Open(t.Context(), Config{Journal: j})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			if got := replayed.push(t, g); got != "" {
				t.Fatal(got)
			}
			key := labelled(t, "group", replayed.text).Key
			j.news = []Applied{{Change: Change{Key: key}, Revision: 100}}
			if !g.locks.tryTake(key) {
				t.Fatal("the group is locked")
			}
			got := make([]string, len(addends))
			var all sync.WaitGroup
			for i, a := range addends {
				all.Go(func() { got[i] = a.push(t, g) })
				for g.waitingFor(key) <= i {
					time.Sleep(time.Millisecond)
				}
			}
			g.locks.release(key)
			all.Wait()
			for i, a := range addends {
				if a.want == "" && got[i] != "" || !strings.Contains(got[i], a.want) {
					t.Errorf("addition %d became %q, want %q", i, got[i], a.want)
				}
			}
		})
	}
}

// waitingFor returns how many additions wait for a group.
func (g *Gateway) waitingFor(key grouping.Key) int {
	g.additions.mu.Lock()
	defer g.additions.mu.Unlock()
	return len(g.additions.waiting[key])
}
