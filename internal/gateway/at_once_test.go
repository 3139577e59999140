package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pushgateway/internal/config"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/journaltest"
)

// hesitant is a journal whose commits take a random time, before and after the
// changes are stored. Some fail, and of some the outcome is known only later.
type hesitant struct {
	gateway.Memory
	*rivals
}

func (j *hesitant) KeepsRecords() bool { return true }

func (j *hesitant) Commit(ctx context.Context, changes []gateway.Change) []gateway.Outcome {
	turns, v := j.hesitates()
	rest(turns)
	switch v {
	case gateway.Committed:
		defer rest(turns)
		return j.Memory.Commit(ctx, changes)
	case gateway.Unknown:
		j.late.Go(func() {
			rest(10 * turns)
			j.Memory.Commit(ctx, changes)
		})
	}
	out := make([]gateway.Outcome, len(changes))
	for i := range out {
		out[i] = gateway.Outcome{Verdict: v, Err: errDisk}
	}
	return out
}

func rest(turns int) {
	for range turns {
		runtime.Gosched()
	}
}

// TestContradictionsAtOnce has clients push what contradicts what others have, in all
// modes, while groups and series end. Whichever pushes are stored, all of them must be
// exposed, and no line may come twice.
func TestContradictionsAtOnce(t *testing.T) {
	eachRivals(t, func(t *testing.T, r *rivals) {
		r.join(gateway.Config{Journal: r.hesitant()})
		r.all = true
		r.run()
	})
}

// TestExposureFollowsFromTheRecords does the same without the check, or with pushes that
// take names. In the end, a gateway that starts with the same records must expose the
// same.
func TestExposureFollowsFromTheRecords(t *testing.T) {
	eachRivals(t, func(t *testing.T, r *rivals) {
		r.join(gateway.Config{Journal: r.hesitant(), Unchecked: r.seed%2 == 0})
		r.takes = r.seed%2 == 1
		r.run()
		r.join(gateway.Config{Journal: &replayed{groups: r.members[0].View().EachGroup("")}})
		r.agree()
	})
}

// TestQuotasAtOnce does the same with pushes that quotas bound. No view may have more.
func TestQuotasAtOnce(t *testing.T) {
	eachRivals(t, func(t *testing.T, r *rivals) {
		r.join(gateway.Config{Journal: r.hesitant()})
		r.all = true
		r.quotas = &guard.Quotas{Groups: most(4), Series: most(6), LabelSets: most(3)}
		if r.seed%2 == 0 {
			r.quotas = &guard.Quotas{JobGroups: most(4), JobSeries: most(6)}
		}
		r.run()
		r.agree()
	})
}

// TestMembersAtOnce does the same with two members, which see each other's changes late.
// In the end, both must expose the same, and so must one that starts then.
func TestMembersAtOnce(t *testing.T) {
	eachRivals(t, func(t *testing.T, r *rivals) {
		s := journaltest.NewShared(t)
		s.Ends = r.seed%2 == 0
		for range 2 {
			m := s.Member()
			r.join(gateway.Config{Journal: m})
			r.lags = append(r.lags, m.Lag)
		}
		r.takes = r.seed%4 > 1
		r.run()
		for _, lag := range r.lags {
			lag(false)
		}
		r.join(gateway.Config{Journal: s.Member()})
		r.agree()
	})
}

func eachRivals(t *testing.T, do func(t *testing.T, r *rivals)) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			do(t, newRivals(t, seed))
		})
	}
}

// replayed is a journal that has some groups.
type replayed struct {
	gateway.Memory
	groups iter.Seq[*gateway.Group]
}

func (j *replayed) Open(ctx context.Context, apply func([]gateway.Applied), stored func(grouping.Key) *gateway.Group) error {
	err := j.Memory.Open(ctx, apply, stored)
	for group := range j.groups {
		apply([]gateway.Applied{{Change: gateway.Change{Key: group.Key, Group: group}, Revision: group.Revision}})
	}
	return err
}

// exposure describes what a view exposes, but for groups that have only failures, which
// may be lost.
func exposure(v *gateway.View) string {
	var b strings.Builder
	for f := range v.EachFamily() {
		fmt.Fprintf(&b, "%s %v, %d series, %d bytes\n%s\n", f.Name, f.Type, f.Series, f.ProtoSize, strings.Join(exposedLines(v, f.Name), "\n"))
	}
	for g := range v.EachGroup("") {
		if len(g.Families) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s exposes its times: %t\n", g.Key, v.ExposesTimes(g))
	}
	fmt.Fprintf(&b, "%d families of %d are left out\n", v.LeftOut, v.Held)
	return b.String()
}

// rivals are clients of the same members.
type rivals struct {
	t       *testing.T
	seed    uint64
	all     bool // that is stored must be exposed
	takes   bool // pushes take names from groups that nobody has pushed to for long
	quotas  *guard.Quotas
	members []*gateway.Gateway
	lags    []func(bool) // of the members
	at      *clock
	keys    []grouping.Key
	late    sync.WaitGroup // for changes whose outcome is not known
	mu      sync.Mutex
	random  *rand.Rand // of the journal
}

// newRivals returns rivals without members.
func newRivals(t *testing.T, seed uint64) *rivals {
	r := &rivals{t: t, seed: seed, at: newClock(), random: rand.New(rand.NewPCG(seed, 0))}
	r.keys = []grouping.Key{
		key(t, "j"), key(t, "j", "x", "1"), key(t, "j", "x", "2"), key(t, "j", "y", "1"),
		key(t, "j", "x", "1", "y", "1"), key(t, "j", "instance", ""), key(t, "j", "instance", "1"),
	}
	if seed%3 == 0 {
		r.addShapes(t)
	}
	return r
}

func (r *rivals) join(c gateway.Config) {
	c.Now = r.at.now
	r.members = append(r.members, open(r.t, c))
}

// addShapes adds so many keys of different shapes that the series of some are indexed.
func (r *rivals) addShapes(t *testing.T) {
	for i := range 12 {
		r.keys = append(r.keys, key(t, "j", "x", "1", fmt.Sprint("k", i), "1"))
	}
}

func (r *rivals) hesitant() *hesitant { return &hesitant{rivals: r} }

func (r *rivals) hesitates() (turns int, v gateway.Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.random.IntN(20) {
	case 0, 1:
		v = gateway.Failed
	case 2:
		v = gateway.Unknown
	default:
		v = gateway.Committed
	}
	return r.random.IntN(20), v
}

func (r *rivals) run() {
	const clients, steps = 4, 150
	var all sync.WaitGroup
	for n := range uint64(clients) {
		c := &rivalClient{rivals: r, random: rand.New(rand.NewPCG(r.seed, n+1))}
		all.Go(func() {
			for range steps {
				c.step()
				if err := r.check(); err != nil {
					r.t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	r.late.Wait()
	if err := r.check(); err != nil {
		r.t.Errorf("in the end: %v", err)
	}
}

// agree compares what the members expose, and what they count.
func (r *rivals) agree() {
	want := exposure(r.members[0].View())
	for i, g := range r.members {
		if got := exposure(g.View()); got != want {
			r.t.Errorf("member %d exposes\n%s\nwant\n%s", i, got, want)
		}
		if err := g.Audit(); err != nil {
			r.t.Errorf("member %d: %v", i, err)
		}
	}
}

// check looks at what the members expose.
func (r *rivals) check() error {
	for _, g := range r.members {
		v := g.View()
		if err := eachLineOnce(v); err != nil {
			return err
		}
		if err := exposesAll(v); err != nil && r.all {
			return err
		}
		if err := r.isWithin(v); err != nil {
			return err
		}
	}
	return nil
}

// isWithin returns an error if a view has more than the quotas allow.
func (r *rivals) isWithin(v *gateway.View) error {
	if r.quotas == nil {
		return nil
	}
	var has gateway.Stored
	sets := make(map[string]bool)
	for g := range v.EachGroup("") {
		if !g.Pushed.IsZero() {
			has.Groups++
			has.Series += g.Series
			sets[labelNames(g.Key)] = true
		}
	}
	has.LabelSets = len(sets)
	q := r.quotas // all groups are of one job
	if !q.Groups.Allows(0, has.Groups) || !q.JobGroups.Allows(0, has.Groups) || !q.Series.Allows(0, has.Series) || !q.JobSeries.Allows(0, has.Series) || !q.LabelSets.Allows(0, has.LabelSets) {
		return fmt.Errorf("the view has %+v, more than %+v", has, *q)
	}
	return nil
}

// eachLineOnce returns an error if a line comes twice.
func eachLineOnce(v *gateway.View) error {
	seen := make(map[string]bool)
	for f := range v.EachFamily() {
		for _, line := range exposedLines(v, f.Name) {
			series := line[:strings.LastIndexByte(line, ' ')]
			if seen[series] {
				return fmt.Errorf("%s comes twice", series)
			}
			seen[series] = true
		}
	}
	return nil
}

// exposesAll returns an error if something is left out of a view.
func exposesAll(v *gateway.View) error {
	if v.LeftOut > 0 {
		return fmt.Errorf("%d families are left out", v.LeftOut)
	}
	for g := range v.EachGroup("") {
		for i := range g.Families {
			if h := &g.Families[i]; h.Series() > 0 && !v.Exposes(g, h) {
				return fmt.Errorf("what %s has of %s is not exposed", g.Key, h.Name)
			}
		}
	}
	return nil
}

// rivalClient does one thing after the other.
type rivalClient struct {
	*rivals
	random *rand.Rand
}

func (c *rivalClient) step() {
	i := c.random.IntN(len(c.members))
	g := c.members[i]
	var err error
	switch c.random.IntN(15) {
	case 0:
		err = g.Delete(context.Background(), c.key())
	case 1:
		part := c.random.IntN(3)
		_, err = g.DeleteMatching(context.Background(), func(g *gateway.Group) bool { return len(g.Key)%3 == part })
	case 2:
		c.at.turn(time.Minute)
	case 3:
		pushes := []gateway.Push{c.push(), c.push()}
		if pushes[0].Key != pushes[1].Key {
			err = errors.Join(g.PushAll(context.Background(), pushes)...)
		}
	case 4:
		if c.lags != nil {
			c.lags[i](c.random.IntN(2) == 0)
		}
	default:
		err = g.Push(context.Background(), c.push())
	}
	if errors.Is(err, gateway.ErrUnavailable) && !errors.Is(err, errDisk) {
		c.t.Error(err)
	}
}

func (c *rivalClient) key() grouping.Key { return c.keys[c.random.IntN(len(c.keys))] }

// push makes a push of a few families with few names, types and labels.
func (c *rivalClient) push() gateway.Push {
	pick := func(of ...string) string { return of[c.random.IntN(len(of))] }
	label := func() string {
		return pick("", `x="1"`, `y="1"`, `x="1",y="1"`, `x="2"`, `k1="1",k2="1",k11="1"`, `k1="1",x="1",k11="1"`)
	}
	name := pick("m", "m", "m_count", "m_sum")
	var text string
	switch pick("gauge", "counter", "summary", "histogram") {
	case "gauge":
		text = fmt.Sprintf("# TYPE %[1]s gauge\n%[1]s{%s} 1\n", name, label())
	case "counter":
		text = fmt.Sprintf("# TYPE %[1]s counter\n%[1]s{%s} 1\n", name, label())
	case "summary":
		text = fmt.Sprintf("# TYPE m summary\nm_sum{%[1]s} 1\nm_count{%[1]s} 1\n", label())
	case "histogram":
		l := label()
		text = fmt.Sprintf("# TYPE m histogram\nm_bucket{%s} 1\nm_sum{%[2]s} 1\nm_count{%[2]s} 1\n", strings.TrimPrefix(l+`,le="+Inf"`, ","), l)
	}
	if c.random.IntN(3) == 0 {
		text += fmt.Sprintf("# TYPE n %[1]s\nn{%s} 1\n", pick("gauge", "counter"), label())
	}
	p := gateway.Push{Key: c.key(), Mode: gateway.Mode(c.random.IntN(int(gateway.Sum) + 1))}
	p.Blocks = blocks(c.t, p.Key, text)
	if c.random.IntN(3) == 0 {
		p.TTL = time.Minute
	}
	if c.takes && c.random.IntN(2) == 0 {
		p.Rule = &config.Rule{LongAgo: config.Duration(time.Minute)}
	}
	p.Quotas = c.quotas
	if p.Mode == gateway.Sum && c.random.IntN(2) == 0 {
		p.SeriesTTL = time.Minute
	}
	return p
}
