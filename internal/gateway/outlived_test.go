package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// hooked is a journal that calls a function before the next commit, which may fail.
type hooked struct {
	Memory
	before func()
	fails  bool
}

func (h *hooked) Commit(ctx context.Context, changes []Change) []Outcome {
	before := h.before
	if h.before = nil; before == nil {
		return h.Memory.Commit(ctx, changes)
	}
	before()
	if h.fails {
		return slices.Repeat([]Outcome{{Verdict: Failed, Err: errors.New("no space left on device")}}, len(changes))
	}
	return h.Memory.Commit(ctx, changes)
}

// equal is a series that groups with the label l1 and l2 can have.
const equal = "# TYPE m untyped\nm{l1=\"x\",l2=\"x\"} 1\n"

// pushed returns the group that a push makes of old.
func (e *ending) pushed(old *Group, p Push) *Group {
	group, err := e.g.pushed(old, p, e.now)
	if err != nil {
		panic(err)
	}
	return group
}

// ending is a gateway whose groups end at some moment.
type ending struct {
	g   *Gateway
	j   *hooked
	now time.Time
}

// newEnding opens a gateway with groups of some shapes, which have the family m. In the
// end, nothing may be left out, and the index must be right.
func newEnding(t *testing.T, shapes int) *ending {
	e := &ending{j: new(hooked), now: time.Unix(1_700_000_000, 0)}
	var err error
	if e.g, err = Open(t.Context(), Config{Journal: e.j, Now: func() time.Time { return e.now }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := e.g.View().LeftOut; n != 0 {
			t.Errorf("%d families are left out", n)
		}
		if err := errors.Join(e.g.Audit(), e.g.Close()); err != nil {
			t.Error(err)
		}
	})
	for i := range shapes {
		e.mustPush(t, labelled(t, fmt.Sprint("k", i), "m 1\n"))
	}
	return e
}

func (e *ending) mustPush(t *testing.T, p Push) {
	t.Helper()
	if err := e.g.Push(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

// TestEndsMeanwhile expires a group while a push to it is in progress.
// Afterwards a rival must find the group's series, both those of the push and
// those that it kept.
func TestEndsMeanwhile(t *testing.T) {
	for _, text := range []string{"m{l1=\"x\",l2=\"x\"} 1\n", "other 1\n"} {
		for _, meanwhile := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %t", strings.Fields(text)[0], meanwhile), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { endMeanwhile(t, text, meanwhile) }) // so that no record is removed
			})
		}
	}
}

// endMeanwhile pushes text. A rival pushes after it, or meanwhile.
func endMeanwhile(t *testing.T, text string, meanwhile bool) {
	e := newEnding(t, maxWalked+1)
	first := labelled(t, "l1", equal+"kept 1\n")
	first.TTL = time.Hour
	e.mustPush(t, first)
	rival := func() {
		conflict := (*ConflictError)(nil)
		if err := e.g.Push(t.Context(), labelled(t, "l2", equal)); !errors.As(err, &conflict) {
			t.Errorf("the push of a series that another group has got %v", err)
		}
		if err := e.g.Push(t.Context(), labelled(t, "l2", "# TYPE m counter\nm 1\n")); !errors.As(err, &conflict) {
			t.Errorf("the push of a name that others have got %v", err)
		}
		if err := e.g.Push(t.Context(), labelled(t, "l2", "# TYPE kept counter\nkept 1\n")); !errors.As(err, &conflict) {
			t.Errorf("the push of a name that another group keeps got %v", err)
		}
	}
	e.j.before = func() {
		e.now = e.now.Add(2 * time.Hour)
		if e.g.View().Expired != 1 {
			t.Error("the group has not expired")
		}
		e.g.sweep()
		if meanwhile {
			rival()
		}
	}
	e.mustPush(t, labelled(t, "l1", text))
	rival()
	shown := 0
	for _, b := range e.g.View().Family("m").Blocks() {
		shown += strings.Count(string(b.Text()), "l1=\"x\",l2=\"x\"")
	}
	if shown != 1 {
		t.Errorf("the series is exposed %d times", shown)
	}
}

// asking is a budget that calls a function before somebody takes from it for the first
// time.
type asking struct{ first func() }

func (a *asking) Take(int) error {
	if first := a.first; first != nil {
		a.first = nil
		first()
	}
	return nil
}

func (a *asking) Return(int) {}

// TestEndsBeforeItsClaims expires a group after a push has looked at it, and before the
// push has claims. Another group takes over a name that the push would have kept.
func TestEndsBeforeItsClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnding(t, 0)
		p := labelled(t, "l1", "m 1\nkept 1\n")
		p.TTL = time.Hour
		e.mustPush(t, p)
		p = labelled(t, "l1", "m 2\n")
		p.Mode, p.Budget = MergeSeries, &asking{func() {
			e.now = e.now.Add(2 * time.Hour)
			e.mustPush(t, labelled(t, "l2", "# TYPE kept counter\nkept 1\n"))
		}}
		e.mustPush(t, p)
		if group := e.g.View().Group(p.Key); group.Find("m") == nil || group.Find("kept") != nil {
			t.Errorf("the group has %d families", len(group.Families))
		}
	})
}

// TestEndsDuringSearch expires a group while a push of another one, which began before
// the push to the group, is being compared with others. It must find what that push keeps.
func TestEndsDuringSearch(t *testing.T) {
	for name, c := range map[string]struct {
		mode   Mode
		text   string
		viewed bool // else the search ends the group
	}{
		"family, viewed": {MergeFamilies, "other 1\n", true},
		"family":         {MergeFamilies, "other 1\n", false},
		"series, viewed": {MergeSeries, "m{l1=\"x\",l3=\"y\"} 1\n", true},
		"series":         {MergeSeries, "m{l1=\"x\",l3=\"y\"} 1\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnding(t, 0)
				first := labelled(t, "l1", equal)
				first.TTL = time.Hour
				e.mustPush(t, first)
				rival := labelled(t, "l2", equal)
				check := e.g.check(rival, e.now)
				p := &pending{key: rival.Key, group: e.pushed(nil, rival), brings: rival.Blocks, fresh: rival.Blocks, own: true}
				if err := e.g.place(check, p, nil, nil); err != nil {
					t.Fatal(err)
				}
				e.j.before = func() {
					e.now = e.now.Add(2 * time.Hour)
					if c.viewed {
						e.g.View()
					}
					if _, refusal, err := e.g.suspects(t.Context(), p, nil, check); err != nil || refusal == nil {
						t.Errorf("the search found nothing: %v", err)
					}
					e.g.finish(p, void)
				}
				second := labelled(t, "l1", c.text)
				second.Mode = c.mode
				e.mustPush(t, second)
			})
		})
	}
}

// TestEndsDuringNote expires a group while a push to it brings its series into the
// index. The push must begin again.
func TestEndsDuringNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnding(t, maxWalked+1)
		first := labelled(t, "l1", equal)
		first.TTL = time.Hour
		e.mustPush(t, first)
		second := labelled(t, "l1", "m{l1=\"x\",l3=\"y\"} 1\n")
		second.Mode = MergeSeries
		old, fresh := e.g.Group(second.Key), second.Blocks
		var err error
		if second.Blocks, second.ends, err = e.g.mergeSeries(e.g.patience(t.Context()), old, second); err != nil {
			t.Fatal(err)
		}
		p := &pending{key: second.Key, group: e.pushed(old, second), brings: second.Blocks, fresh: fresh, since: old.since(), own: true}
		check := e.g.check(second, e.now)
		if err := e.g.place(check, p, old, nil); err != nil {
			t.Fatal(err)
		}
		e.now = e.now.Add(2 * time.Hour)
		e.g.View()
		if _, _, err := e.g.suspects(t.Context(), p, old, check); !errors.Is(err, errEnded) {
			t.Errorf("the search got %v", err)
		}
		e.g.finish(p, void)
		e.mustPush(t, labelled(t, "l2", equal))
	})
}

// TestEndsAndCounts expires a group while a push to it is stored. Until that is applied,
// what it adds must count.
func TestEndsAndCounts(t *testing.T) {
	for _, text := range []string{"", equal} {
		e := newEnding(t, 0)
		first := labelled(t, "l1", text)
		first.TTL = time.Hour
		e.mustPush(t, first)
		second, old := labelled(t, "l1", text), e.g.Group(first.Key)
		p := &pending{key: second.Key, group: e.pushed(old, second), brings: second.Blocks, fresh: second.Blocks, since: old.since(), own: true}
		if err := errors.Join(e.g.place(e.g.check(second, e.now), p, old, nil), e.g.reserveReceipts(p, 1, &e.g.config.Limits)); err != nil {
			t.Fatal(err)
		}
		e.now = e.now.Add(2 * time.Hour)
		e.g.View()
		want := e.g.Stored()
		a := Applied{Change: Change{Key: second.Key, Group: p.group, pending: p}, Revision: old.Revision + 1}
		if e.g.discover(&a); e.g.Stored() != want || want.Groups != 1 {
			t.Errorf("%q: %+v count, then %+v, want the group", text, want, e.g.Stored())
		}
		if n := e.g.index.receipts.reserved; n != 1 {
			t.Errorf("%q: there is room for %d receipts, want 1", text, n)
		}
		e.g.apply([]Applied{a})
		if e.g.Stored() != want {
			t.Errorf("%q: %+v count in the end, want %+v", text, e.g.Stored(), want)
		}
	}
}

// TestKeptSeriesGo takes series away that a push in progress keeps, and has the push
// fail. The index must not keep them.
func TestKeptSeriesGo(t *testing.T) {
	for name, take := range map[string]func(e *ending, p Push){
		"they end": func(e *ending, _ Push) {
			e.now = e.now.Add(2 * time.Hour)
			e.g.View()
		},
		"deleted elsewhere": func(e *ending, p Push) { e.g.apply([]Applied{{Change: Change{Key: p.Key}, Revision: 1000}}) },
		"replaced elsewhere": func(e *ending, p Push) {
			other := Restore(Group{Key: p.Key, Pushed: e.now, Families: []Held{{Block: p.Blocks[0]}}})
			e.g.apply([]Applied{{Change: Change{Key: p.Key, Group: other}, Revision: 1000}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnding(t, maxWalked+1)
				p := labelled(t, "l1", equal)
				p.Mode, p.SeriesTTL = Sum, time.Hour
				e.mustPush(t, p)
				e.mustPush(t, labelled(t, "l1", "keep 1\n"))
				e.j.before = func() { take(e, labelled(t, "l1", "another 1\n")) }
				e.j.fails = true
				if err := e.g.Push(t.Context(), labelled(t, "l1", "other 1\n")); err == nil {
					t.Error("the push was stored")
				}
			})
		})
	}
}

// TestEndedNameIsFree has all series of a group end while a push to it is in progress
// that does not bring them. Their name is free at once.
func TestEndedNameIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnding(t, 0)
		p := labelled(t, "l1", "# TYPE m counter\nm 1\n")
		p.Mode, p.SeriesTTL = Sum, time.Hour
		e.mustPush(t, p)
		e.j.before = func() {
			e.now = e.now.Add(2 * time.Hour)
			e.mustPush(t, labelled(t, "l2", "# TYPE m gauge\nm 1\n"))
		}
		p = labelled(t, "l1", "# TYPE other counter\nother 1\n")
		p.Mode, p.SeriesTTL = Sum, 10*time.Hour
		e.mustPush(t, p)
	})
}

// TestRepeatedGroupEndsMeanwhile expires a group while a change of another member
// that repeats it is applied. Afterwards a rival must find its series.
func TestRepeatedGroupEndsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Unix(1_700_000_000, 0)
		g, err := Open(t.Context(), Config{Journal: new(Memory), Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		const shared = "m{l1=\"x\",l2=\"x\"} 1\n"
		first := labelled(t, "l1", shared)
		first.TTL = time.Hour
		pushes := []Push{first}
		for i := range maxWalked + 1 {
			pushes = append(pushes, labelled(t, fmt.Sprint("k", i), "m 1\n"))
		}
		for _, p := range pushes {
			if err := g.Push(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		a := repeating(g.Group(first.Key), 100)
		a.Group.Expires = time.Time{}
		if g.discover(&a); len(a.pending.brings) > 0 {
			t.Fatal("a repetition is searched like a change")
		}
		now = now.Add(2 * time.Hour)
		if g.View().Expired != 1 {
			t.Fatal("the group has not expired")
		}
		g.sweep()
		if n, _ := g.take([]Applied{a}); n != 0 {
			t.Fatal("a repetition of a group that is gone was applied without a search")
		}
		g.apply([]Applied{a})
		if conflict := (*ConflictError)(nil); !errors.As(g.Push(t.Context(), labelled(t, "l2", shared)), &conflict) {
			t.Error("a series that another group has was stored")
		}
	})
}

// TestNotAloneAnyMore pushes a series while a change of another member that brings
// the same one is applied. No group of another shape had the name before. Only the
// older claim must be exposed.
func TestNotAloneAnyMore(t *testing.T) {
	g, err := Open(t.Context(), Config{Journal: new(Memory)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	const shared = "m{l1=\"x\",l2=\"x\"} 1\n"
	foreign := labelled(t, "l1", shared)
	group := Restore(Group{Key: foreign.Key, Pushed: time.Now(), Families: []Held{{Block: foreign.Blocks[0]}}})
	a := Applied{Change: Change{Key: group.Key, Group: group}, Revision: 100}
	if g.discover(&a); len(a.pending.brings) > 0 {
		t.Fatal("a change is searched although no group of another shape has its name")
	}
	if err := g.Push(t.Context(), labelled(t, "l2", shared)); err != nil {
		t.Fatal(err)
	}
	if n, _ := g.take([]Applied{a}); n != 0 {
		t.Fatal("a change that is not alone any more was applied without a search")
	}
	g.apply([]Applied{a})
	if v := g.View(); v.Groups() != 2 || v.LeftOut != 1 || v.Family("m").First().Series() != 1 || v.Exposes(v.Group(group.Key), v.Group(group.Key).Find("m")) {
		t.Errorf("of %d groups with the same series %d are left out; want only the younger one", v.Groups(), v.LeftOut)
	}
}

// labelled returns a push to the group that has one label besides job.
func labelled(t *testing.T, label, text string) Push {
	t.Helper()
	key, err := grouping.NewKey("j", metric.Label{Name: label, Value: "x"})
	if err != nil {
		t.Fatal(err)
	}
	return Push{Key: key, Blocks: rendered(t, key, text)}
}
