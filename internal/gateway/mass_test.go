package gateway

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// recording is a journal that keeps records, and loses none.
type recording struct{ Memory }

func (*recording) KeepsRecords() bool { return true }

// massOps are operations on gateways that must stay alike: in one of them, groups that
// end at the same moment always end as a mass, and in the other they never do.
type massOps struct {
	t        *testing.T
	random   *rand.Rand
	at       atomic.Int64 // the time
	gateways []*Gateway
}

func newMassOps(t *testing.T, seed uint64, unchecked bool, journal func() Journal, masses ...int) *massOps {
	m := &massOps{t: t, random: rand.New(rand.NewPCG(seed, 3))}
	m.at.Store(1.7e18)
	for _, fewest := range masses {
		g, err := Open(t.Context(), Config{Journal: journal(), Unchecked: unchecked, Now: func() time.Time { return time.Unix(0, m.at.Load()) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = g.Close() })
		g.expiring.Lock()
		g.pace.fewest = fewest
		g.expiring.Unlock()
		m.gateways = append(m.gateways, g)
	}
	return m
}

// massKey returns one of some keys of several shapes, some of which are twins.
func massKey(t *testing.T, r *rand.Rand, keys int) grouping.Key {
	t.Helper()
	n := r.IntN(keys)
	labels := []metric.Label{{Name: metric.InstanceLabel, Value: fmt.Sprint("i-", n)}}
	switch n % 10 {
	case 0:
		labels = nil
	case 1:
		labels = []metric.Label{{Name: "shard", Value: fmt.Sprint(n)}}
	case 2:
		if n -= 2; n%3 == 0 {
			labels = []metric.Label{{Name: metric.InstanceLabel}}
		}
	}
	key, err := grouping.NewKey(fmt.Sprint("job", n/7), labels...)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// massText is the body of a push: some of some families, one of which has another
// type at times.
func massText(r *rand.Rand) string {
	var text strings.Builder
	for family := range 4 {
		if r.IntN(2) == 0 {
			continue
		}
		typ := "gauge"
		if family == 3 && r.IntN(4) == 0 {
			typ = "counter"
		}
		fmt.Fprintf(&text, "# TYPE m%d %s\n", family, typ)
		for s := range 1 + r.IntN(3) {
			fmt.Fprintf(&text, "m%d{s=\"%d\"} %d\n", family, s, r.IntN(5))
		}
	}
	return text.String()
}

// rendered parses and renders a text push to a group.
func rendered(t *testing.T, key grouping.Key, text string) []*exposition.Block {
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

// push pushes to one of some keys, which may be refused.
func (m *massOps) push(keys int) {
	key, text := massKey(m.t, m.random, keys), massText(m.random)
	mode := [...]Mode{MergeFamilies, MergeSeries, Replace, Sum}[m.random.IntN(4)]
	ttl := time.Duration(m.random.IntN(3)) * time.Hour
	var errs []string
	for _, g := range m.gateways {
		p := Push{Key: key, Blocks: rendered(m.t, key, text), Mode: mode, TTL: ttl}
		if mode == Sum {
			p.TTL, p.SeriesTTL = 0, ttl
		}
		errs = append(errs, fmt.Sprint(g.Push(m.t.Context(), p)))
	}
	if len(slices.Compact(errs)) > 1 {
		m.t.Fatalf("a push to %s was answered with %q", key, errs)
	}
}

func (m *massOps) delete(keys int) {
	key := massKey(m.t, m.random, keys)
	for _, g := range m.gateways {
		if err := g.Delete(m.t.Context(), key); err != nil {
			m.t.Fatal(err)
		}
	}
}

// TestMassEndsAlike compares gateways after random operations: it makes no
// difference whether groups end as a mass.
func TestMassEndsAlike(t *testing.T) {
	journals := map[string]func() Journal{"memory": func() Journal { return new(Memory) }, "records": func() Journal { return new(recording) }}
	for name, journal := range journals {
		for _, unchecked := range []bool{false, true} {
			t.Run(fmt.Sprint(name, unchecked), func(t *testing.T) {
				for seed := range uint64(3) {
					m := newMassOps(t, seed, unchecked, journal, 1, 1e9)
					for range 400 {
						switch n := m.random.IntN(40); {
						case n == 0:
							m.at.Add(int64(time.Duration(m.random.IntN(80)) * time.Minute))
							m.compare()
						case n < 4:
							m.delete(60)
						default:
							m.push(60)
						}
					}
					m.at.Add(int64(3 * time.Hour))
					m.compare()
				}
			})
		}
	}
}

// compare compares what the gateways show, and checks what each has counted.
func (m *massOps) compare() {
	m.t.Helper()
	var seen []string
	for _, g := range m.gateways {
		seen = append(seen, g.describe())
		checkCounts(m.t, g)
	}
	if len(slices.Compact(slices.Clone(seen))) > 1 {
		m.t.Fatalf("with a mass there is\n%s\nand without\n%s", seen[0], seen[1])
	}
}

// describe lists everything that a gateway shows.
func (g *Gateway) describe() string {
	var all strings.Builder
	v := g.View()
	for group := range v.EachGroup("") {
		fmt.Fprintln(&all, group.Key, group.Series, group.Failing, group.Expires, v.ExposesTimes(group))
	}
	for f := range v.EachFamily() {
		fmt.Fprintln(&all, f.Name, f.Type, f.Claim, f.Series, f.NotLegacy, f.ProtoSize)
		for key, b := range f.Blocks() {
			fmt.Fprintf(&all, "%s %s", key, b.Text())
		}
	}
	fmt.Fprintln(&all, v.Series, v.Held, v.LeftOut, v.TooLong, v.Times(), g.View().Expired, g.View().SeriesExpired, g.View().NextExpiry(), g.Stored())
	return all.String()
}

// counts are numbers of an index.
type counts struct {
	Series, Held, Groups, Deadlines, Endings, Haunted, Claims, Families int
	Times                                                               Times
	Shapes, Users, Jobs, OfFamilies                                     int
}

// checkCounts compares what the index counts with what it has.
func checkCounts(t *testing.T, g *Gateway) {
	t.Helper()
	if err := g.Audit(); err != nil {
		t.Error(err)
	}
	v := g.View()
	for f := range v.EachFamily() {
		var of sizes
		for _, b := range f.Blocks() {
			of.count(b, +1)
		}
		if of != (sizes{f.Series, f.NotLegacy, f.ProtoSize}) {
			t.Errorf("the family %s has %+v", f.Name, of)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if got, want := g.index.counts(v), countsOf(v); got != want {
		t.Errorf("counted is\n%+v, want\n%+v", got, want)
	}
	if g.index.mass != nil || g.index.storedChanges.noting {
		t.Error("a mass has not ended")
	}
}

// countsOf counts what there is.
func countsOf(v *View) (c counts) {
	names, jobs, shapes := make(map[string]bool), make(map[*job]bool), make(map[*shape]bool)
	for group := range v.EachGroup("") {
		c.Groups++
		c.Series += group.Series
		c.Held += len(group.Families)
		if !group.Expires.IsZero() {
			c.Deadlines++
		}
		if group.firstEnd != 0 {
			c.Endings++
		}
		if v.ExposesTimes(group) {
			c.Times.add(group, +1)
		}
		for _, h := range group.Families {
			if h.Series() > 0 {
				names[h.Name] = true
				c.Claims++
			}
		}
		jobs[group.job], shapes[group.shape] = true, true
	}
	c.Families, c.Jobs, c.Shapes = len(names), len(jobs), len(shapes)
	c.OfFamilies, c.Users = c.Claims, c.Groups
	return c
}

// counts are the numbers that the index keeps.
func (x *index) counts(v *View) counts {
	c := counts{Series: v.Series, Held: v.Held, Groups: x.groups.Len(), Times: v.Times(), Deadlines: x.deadlines.Len(), Endings: x.endings.Len(),
		Families: len(x.families), Jobs: len(x.stock.jobs), Shapes: len(x.shapes)}
	for _, f := range x.families {
		c.Claims += f.total()
		for _, some := range f.shapes.walked {
			c.OfFamilies += some.groups
		}
		for _, n := range f.shapes.indexed {
			c.OfFamilies += n
		}
	}
	for _, sh := range x.shapes {
		c.Users += sh.users
	}
	x.ghosts.Scan(func(key grouping.Key, _ ghost) bool {
		if _, stored := x.groups.Get(key); stored {
			c.Haunted++
		}
		return true
	})
	return c
}

// massModel is a gateway whose groups change between any two steps of the end of a
// mass, and what it must have.
type massModel struct {
	*massOps
	want map[grouping.Key]massState
}

type massState struct {
	text string
	ends int64 // 0 for never
}

// TestMassEndsMeanwhile pushes to groups, deletes and stamps them between any two
// steps of the end of a mass, and compares what there is with a model.
func TestMassEndsMeanwhile(t *testing.T) {
	for seed := range uint64(6) {
		m := massModel{newMassOps(t, seed, true, func() Journal { return new(recording) }, 1), make(map[grouping.Key]massState)}
		g, often := m.gateways[0], 0
		g.pace.turn, g.pace.rest = 1, func() {
			for range m.random.IntN(1 + often) {
				m.change()
			}
			m.checkWhole(g.makeView()) // as a reader does that looked at the clock just before the end
		}
		for range 15 {
			often = 0
			for range 60 {
				m.change()
			}
			often = 1 + m.random.IntN(4)*m.random.IntN(10)
			m.at.Add(int64(time.Duration(1+m.random.IntN(2)) * time.Hour))
			m.check(seed)
		}
		g.pace.rest = runtime.Gosched
	}
}

// change pushes to a group, deletes one or stamps one. Nothing of that waits for a
// mass.
func (m *massModel) change() {
	g := m.gateways[0]
	key, err := grouping.NewKey("job", metric.Label{Name: metric.InstanceLabel, Value: fmt.Sprint("i-", m.random.IntN(40))})
	if err != nil {
		m.t.Fatal(err)
	}
	switch m.random.IntN(8) {
	case 0:
		err = g.Delete(m.t.Context(), key)
		delete(m.want, key)
	case 1:
		if group := g.stored(key); group != nil {
			g.config.Journal.Stamp(Stamp{Key: key, At: time.Unix(0, m.at.Load()), Reason: "some", Against: group.Revision})
		}
	default:
		s := massState{text: fmt.Sprintf("m%d{s=\"1\"} %d\nn{s=\"1\"} 1\n", m.random.IntN(3), m.random.IntN(5))}
		ttl := time.Duration(m.random.IntN(4)) * time.Hour
		if ttl > 0 {
			s.ends = m.at.Load() + int64(ttl)
		}
		err = g.Push(m.t.Context(), Push{Key: key, Blocks: rendered(m.t, key, s.text), Mode: Replace, TTL: ttl})
		m.want[key] = s
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// checkWhole checks that a view, if there is one, has no part of a group.
func (m *massModel) checkWhole(v *View) {
	if v == nil {
		return
	}
	held, blocks := 0, 0
	for group := range v.EachGroup("") {
		held += len(group.Families)
	}
	for f := range v.EachFamily() {
		for range f.Blocks() {
			blocks++
		}
	}
	if held != blocks || held != v.Held {
		m.t.Errorf("a view has %d families of groups, %d blocks, and counts %d", held, blocks, v.Held)
	}
}

// check compares what the gateway exposes with the model.
func (m *massModel) check(seed uint64) {
	m.t.Helper()
	g := m.gateways[0]
	v := g.View()
	maps.DeleteFunc(m.want, func(_ grouping.Key, s massState) bool { return s.ends != 0 && s.ends <= m.at.Load() })
	var got, want []string
	for f := range v.EachFamily() {
		for key, b := range f.Blocks() {
			got = append(got, fmt.Sprintf("%s %s", key, b.Text()))
		}
	}
	for key, s := range m.want {
		for _, b := range rendered(m.t, key, s.text) {
			want = append(want, fmt.Sprintf("%s %s", key, b.Text()))
		}
	}
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) || v.Groups() != len(m.want) {
		m.t.Fatalf("seed %d: there are %d groups, want %d, with\n%q, want\n%q", seed, v.Groups(), len(m.want), got, want)
	}
	g.sweep()
	checkCounts(m.t, g)
}

// TestMassEndsWhilePushed ends groups as masses while others push to them, to new
// groups and to old ones, delete some, and read.
func TestMassEndsWhilePushed(t *testing.T) {
	for seed := range uint64(2) {
		m := newMassOps(t, seed, seed%2 == 0, func() Journal { return new(recording) }, 1)
		g := m.gateways[0]
		var over atomic.Bool
		var all sync.WaitGroup
		for w := range 4 {
			all.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(w)))
				for !over.Load() {
					key := massKey(t, r, 3000)
					if r.IntN(10) == 0 {
						if err := g.Delete(t.Context(), key); err != nil {
							t.Error(err)
						}
						continue
					}
					p := Push{Key: key, Blocks: rendered(t, key, massText(r)), TTL: time.Duration(r.IntN(4)) * time.Minute}
					_ = g.Push(t.Context(), p) // some contradict others
				}
			})
		}
		for range 40 {
			time.Sleep(3 * time.Millisecond)
			m.at.Add(int64(time.Minute))
			at := m.at.Load()
			for group := range g.View().EachGroup("") {
				if !group.Expires.IsZero() && group.Expires.UnixNano() <= at {
					t.Fatalf("the group %s is there after its end", group.Key)
				}
			}
		}
		over.Store(true)
		all.Wait()
		g.sweep()
		checkCounts(t, g)
		m.at.Add(int64(time.Hour))
		checkCounts(t, g)
	}
}
