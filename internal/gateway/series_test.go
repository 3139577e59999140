package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// moody is a journal that fails now and then, or says that somebody else was
// first.
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

// shapesModel is a gateway beside the plainest idea of what it has: the label
// sets of one name, by group.
type shapesModel struct {
	t      *testing.T
	random *rand.Rand
	g      *Gateway
	has    map[grouping.Key]map[string]bool
	clock  time.Time
}

// TestShapesModel does what comes to groups of more shapes than are walked. What
// is refused must be what has equal series, and the index must have what is
// stored and nothing else.
func TestShapesModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) { runShapesModel(t, seed) }) // so that nobody reaps meanwhile
}

func runShapesModel(t *testing.T, seed uint64) {
	m := &shapesModel{t: t, random: rand.New(rand.NewPCG(seed, 0)), has: make(map[grouping.Key]map[string]bool), clock: time.Unix(1_700_000_000, 0)}
	m.open(nil)
	for range 3000 {
		switch n := m.random.IntN(100); {
		case n < 80:
			m.push()
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
	g, err := Open(m.t.Context(), Config{Journal: j, Now: func() time.Time { return m.clock }})
	if err != nil {
		m.t.Fatal(err)
	}
	m.g = g
}

type replaying struct {
	moody
	groups []*Group
}

func (r *replaying) Open(ctx context.Context, apply func([]Applied)) error {
	if err := r.Memory.Open(ctx, apply); err != nil {
		return err
	}
	for _, g := range r.groups {
		r.Memory.Commit(ctx, []Change{{Key: g.Key, Group: g}})
	}
	return nil
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

// key gives a key of one of 64 shapes.
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
	brings := make(map[string]bool)
	for line := range strings.Lines(string(blocks[0].Text())) {
		brings[line] = true
	}
	rival := m.rival(key, brings)
	err = m.g.Push(context.Background(), Push{Key: key, Blocks: blocks, TTL: ttl})
	var conflict *ConflictError
	switch {
	case errors.As(err, &conflict) != (rival != ""):
		m.t.Fatalf("push to %s: got %v, and %q has one of the series", key, err, rival)
	case err == nil:
		m.has[key] = brings
	}
}

// rival gives a group that has one of the series too.
func (m *shapesModel) rival(key grouping.Key, brings map[string]bool) grouping.Key {
	for other, has := range m.has {
		for line := range has {
			if other != key && brings[line] {
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

// turn lets groups end at their time.
func (m *shapesModel) turn() {
	m.clock = m.clock.Add(2 * time.Hour)
	v := m.g.View()
	for key := range m.has {
		if v.Group(key) == nil {
			delete(m.has, key)
		}
	}
}

// check looks whether the index has the series of the groups that need it, and
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
		want += len(h.entry.hashes)
		if h.entry.index != index {
			m.t.Fatalf("an entry of %s is in an index that nobody asks", g.Key)
		}
		for _, hash := range h.Hashes() {
			if found := index.others(nil, hash, ""); len(found) != 1 || found[0] != g.Key {
				m.t.Fatalf("the index has %q for a series of %s", found, g.Key)
			}
		}
	}
	if index != nil {
		got = len(index.one) + len(index.more)
	}
	if got != want {
		m.t.Fatalf("the index has %d series, want %d", got, want)
	}
}
