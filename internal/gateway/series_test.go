package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pushgateway/internal/config"
	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// moody is a journal that sometimes fails or returns Stale.
type moody struct {
	Memory
	random *rand.Rand
}

func (m *moody) Commit(ctx context.Context, changes []Change) []Outcome {
	verdict := [...]Verdict{Failed, Stale, Committed, Committed, Committed, Committed}[m.random.IntN(6)]
	if verdict == Committed {
		return m.Memory.Commit(ctx, changes)
	}
	outcomes := make([]Outcome, len(changes))
	for i := range outcomes {
		outcomes[i] = Outcome{verdict, errors.New("bad mood")}
	}
	return outcomes
}

// shapesModel compares a gateway with a simple model: the label sets of one
// name, by group.
type shapesModel struct {
	t         *testing.T
	unchecked bool
	takes     bool // some pushes take names
	random    *rand.Rand
	g         *Gateway
	has       map[grouping.Key]map[string]bool
	clock     time.Time
}

// TestShapesModel runs random operations on groups of more shapes than are
// walked. With the check, exactly the pushes with equal series must be refused;
// without it, exactly those groups must be left out. If pushes take names, a
// push that was stored must be exposed. The index must contain what is stored
// and nothing else.
func TestShapesModel(t *testing.T) {
	for _, mode := range []struct{ unchecked, takes bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		seed := rand.Uint64()
		t.Logf("seed %d, %+v", seed, mode)
		synctest.Test(t, func(t *testing.T) { runShapesModel(t, seed, mode.unchecked, mode.takes) }) // so that no record is removed meanwhile
	}
}

func runShapesModel(t *testing.T, seed uint64, unchecked, takes bool) {
	m := &shapesModel{t: t, unchecked: unchecked, takes: takes, random: rand.New(rand.NewPCG(seed, 0)), has: make(map[grouping.Key]map[string]bool), clock: time.Unix(1_700_000_000, 0)}
	m.open(nil)
	for range 2000 {
		switch n := m.random.IntN(100); {
		case n < 70:
			m.push()
		case n < 80:
			m.repeat()
		case n < 93:
			m.delete()
		case n < 96:
			m.turn()
		case n < 98:
			m.wipe()
		default:
			m.restart()
		}
		m.check()
	}
	_ = m.g.Close()
}

// open opens a gateway that replays groups.
func (m *shapesModel) open(groups []*Group) {
	j := &replaying{moody: moody{random: m.random}, groups: groups}
	g, err := Open(m.t.Context(), Config{Journal: j, Unchecked: m.unchecked, Now: func() time.Time { return m.clock }})
	if err != nil {
		m.t.Fatal(err)
	}
	m.g = g
}

type replaying struct {
	moody
	groups []*Group
}

func (r *replaying) Open(ctx context.Context, apply func([]Applied), stored func(grouping.Key) *Group) error {
	if err := r.Memory.Open(ctx, apply, stored); err != nil {
		return err
	}
	for _, g := range r.groups { // later claims must be younger than all that are stored
		for _, h := range g.Families {
			r.revision = max(r.revision, h.Claim)
		}
	}
	for _, g := range r.groups {
		r.Memory.Commit(ctx, []Change{{Key: g.Key, Group: g}})
	}
	return nil
}

// repeat applies a change of another member that repeats a group, as far as this
// member can know.
func (m *shapesModel) repeat() {
	for old := range m.g.View().EachGroup("") {
		if m.random.IntN(10) == 0 {
			m.g.apply([]Applied{repeating(old, m.g.View().Revision+1)})
			return
		}
	}
}

// repeating returns a change of another member that repeats a group.
func repeating(old *Group, r Revision) Applied {
	again := RestoreLike(old, Group{Key: old.Key, Families: slices.Clone(old.Families), Pushed: old.Pushed, Expires: old.Expires, Since: old.Since, Repeats: old})
	for i := range again.Families {
		h := &again.Families[i]
		h.Block, h.entry = h.Block.Sharing(strings.Clone(h.Name), h.Help), nil
	}
	return Applied{Change: Change{Key: old.Key, Group: again}, Revision: r}
}

func (m *shapesModel) restart() {
	var groups []*Group
	for g := range m.g.View().EachGroup("") {
		groups = append(groups, Restore(Group{Key: g.Key, Families: g.Families, Pushed: g.Pushed, Expires: g.Expires}))
		for i := range groups[len(groups)-1].Families {
			groups[len(groups)-1].Families[i].entry = nil
		}
	}
	_ = m.g.Close()
	m.open(groups)
}

// key returns a key of one of 64 shapes.
func (m *shapesModel) key() grouping.Key {
	var labels []metric.Label
	for bit := range 6 {
		if m.random.IntN(2) == 0 {
			labels = append(labels, metric.Label{Name: fmt.Sprint("l", bit), Value: fmt.Sprint(m.random.IntN(2))})
		}
	}
	key, err := grouping.NewKey("j", labels...)
	if err != nil {
		m.t.Fatal(err)
	}
	return key
}

func (m *shapesModel) push() {
	key := m.key()
	var text strings.Builder
	for i := range 1 + m.random.IntN(4) {
		fmt.Fprintf(&text, "m{i=\"%d\"", m.random.IntN(3)*10+i)
		for bit := range 6 {
			fmt.Fprintf(&text, ",l%d=\"%d\"", bit, m.random.IntN(2))
		}
		text.WriteString("} 1\n")
	}
	p := exposition.GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte(text.String()))
	if err != nil {
		m.t.Fatal(err)
	}
	blocks, err := exposition.Render(families, exposition.Options{Grouping: key.Labels(), Valid: true, Duplicate: func() {}})
	if err != nil {
		m.t.Fatal(err)
	}
	ttl := time.Duration(m.random.IntN(2)) * time.Hour
	longAgo := time.Duration(0)
	if m.takes {
		longAgo, ttl = time.Duration(m.random.IntN(3))*3*time.Hour, ttl*50
	}
	brings := make(map[string]bool)
	for line := range strings.Lines(string(blocks[0].Text())) {
		brings[line] = true
	}
	mode, merge := MergeFamilies, m.random.IntN(2) == 0
	if merge {
		mode = MergeSeries
	}
	rival := m.rival(key, brings, longAgo, merge)
	err = m.g.Push(context.Background(), Push{Key: key, Blocks: blocks, TTL: ttl, Mode: mode, Rule: &config.Rule{LongAgo: config.Duration(longAgo)}})
	var conflict *ConflictError
	switch {
	case errors.As(err, &conflict) != (rival != ""):
		m.t.Fatalf("push to %s: got %v, and %q has one of the series", key, err, rival)
	case err == nil && merge && m.has[key] != nil:
		maps.Copy(m.has[key], brings)
	case err == nil:
		m.has[key] = brings
	}
	if v := m.g.View(); err == nil && !m.unchecked && !v.Exposes(v.Group(key), v.Group(key).Find("m")) {
		m.t.Fatalf("the push to %s was stored, but is left out", key)
	}
}

// rival returns another group that has one of the series and refuses the push,
// if there is one.
func (m *shapesModel) rival(key grouping.Key, brings map[string]bool, longAgo time.Duration, merge bool) grouping.Key {
	if m.unchecked {
		return ""
	}
	v := m.g.View()
	mine := v.Group(key).Find("m")
	exposed := mine != nil && v.Exposes(v.Group(key), mine)
	if merge && mine != nil && !exposed { // then all that it has is compared
		brings = maps.Clone(brings)
		maps.Copy(brings, m.has[key])
	}
	for other, has := range m.has {
		group := v.Group(other)
		if other == key || !v.Exposes(group, group.Find("m")) || longAgo > 0 && m.clock.Sub(group.Pushed) >= longAgo {
			continue
		}
		older := exposed && mine.claim(key).less(group.Find("m").claim(other))
		for line := range has {
			if brings[line] && !(older && m.has[key][line]) {
				return other
			}
		}
	}
	return ""
}

func (m *shapesModel) delete() {
	for key := range m.has {
		if err := m.g.Delete(context.Background(), key); err == nil {
			delete(m.has, key)
		}
		return
	}
}

func (m *shapesModel) wipe() {
	ended, _ := m.g.DeleteMatching(context.Background(), func(g *Group) bool { return m.random.IntN(2) == 0 })
	for _, g := range ended {
		delete(m.has, g.Key)
	}
}

// turn advances the clock and expires groups.
func (m *shapesModel) turn() {
	m.clock = m.clock.Add(2 * time.Hour)
	v := m.g.View()
	for key := range m.has {
		if v.Group(key) == nil {
			delete(m.has, key)
		}
	}
}

// check checks that the index has the series of the groups that need it, and
// nothing else.
func (m *shapesModel) check() {
	m.g.sweep()
	want, got := 0, 0
	var index *seriesIndex
	if f := m.g.index.families["m"]; f != nil {
		index = f.shapes.index
	}
	for g := range m.g.View().EachGroup("") {
		h := g.Find("m")
		if h == nil || h.entry == nil {
			continue
		}
		want += h.Series()
		if h.entry.index != index {
			m.t.Fatalf("an index that is no longer used has an entry of %s", g.Key)
		}
		for _, hash := range h.Hashes() {
			if found := index.others(nil, hash, "", math.MaxInt); len(found) != 1 && !m.unchecked && !m.takes || !slices.Contains(found, g.Key) {
				m.t.Fatalf("the index has %q for a series of %s", found, g.Key)
			}
		}
	}
	if index != nil {
		got = len(index.one)
		for _, more := range index.more {
			got += len(more)
		}
	}
	if got != want {
		m.t.Fatalf("the index has %d series, want %d", got, want)
	}
	m.checkShown()
}

// checkShown checks that a group is left out if and only if a group with an
// older claim, not left out itself, has one of its series.
func (m *shapesModel) checkShown() {
	var stored []*Group
	v := m.g.View()
	for g := range v.EachGroup("") {
		if g.Find("m") != nil {
			stored = append(stored, g)
		}
	}
	claimOf := func(g *Group) claim { return g.Find("m").claim(g.Key) }
	slices.SortFunc(stored, func(a, b *Group) int { return compareClaims(claimOf(a), claimOf(b)) })
	seen, out := make(map[string]bool), 0
	var want, got []string
	for _, g := range stored {
		lines := slices.Collect(strings.Lines(string(g.Find("m").Text())))
		if slices.ContainsFunc(lines, func(line string) bool { return seen[line] }) {
			out++
			continue
		}
		for _, line := range lines {
			seen[line] = true
		}
		want = append(want, lines...)
	}
	if f := v.Family("m"); f != nil {
		for _, b := range f.Blocks() {
			got = slices.AppendSeq(got, strings.Lines(string(b.Text())))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || v.LeftOut != out {
		m.t.Fatalf("%d groups are left out, want %d; exposed is\n%q, want\n%q", v.LeftOut, out, got, want)
	}
	if f := m.g.index.families["m"]; f != nil && len(f.lonely) > 0 {
		m.t.Fatalf("%d series without groups are left although no change is in progress", len(f.lonely))
	}
}

// TestConcurrentUnchecked pushes and deletes groups concurrently without the
// check.
func TestConcurrentUnchecked(t *testing.T) {
	g, err := Open(t.Context(), Config{Journal: new(Memory), Unchecked: true})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			m := &shapesModel{t: t, unchecked: true, random: rand.New(rand.NewPCG(uint64(n), 1)), g: g, has: make(map[grouping.Key]map[string]bool)}
			for range 1000 {
				if m.push(); m.random.IntN(4) == 0 {
					m.delete()
				}
			}
		})
	}
	wg.Wait()
	m := &shapesModel{t: t, unchecked: true, g: g}
	m.check()
}
