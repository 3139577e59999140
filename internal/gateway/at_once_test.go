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
)

// hesitant is a journal whose commits take a random time, before and after the
// changes are stored. Some fail, and of some the outcome is known only later.
type hesitant struct {
	gateway.Memory
	wait func() (turns int, v gateway.Verdict)
	late sync.WaitGroup
}

func (j *hesitant) KeepsRecords() bool { return true }

func (j *hesitant) Commit(ctx context.Context, changes []gateway.Change) []gateway.Outcome {
	turns, v := j.wait()
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
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			newRivals(t, seed, false, false).run()
		})
	}
}

// TestExposureFollowsFromTheRecords does the same without the check, or with pushes that
// take names. In the end, a gateway that starts with the same records must expose the
// same.
func TestExposureFollowsFromTheRecords(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := newRivals(t, seed, seed%2 == 0, seed%2 == 1)
			r.run()
			again := open(t, gateway.Config{Now: r.at.now, Journal: &replayed{groups: r.g.View().EachGroup("")}})
			if got, want := exposure(again.View()), exposure(r.g.View()); got != want {
				t.Errorf("after a start there is\n%s\nwant\n%s", got, want)
			}
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

// exposure describes what a view exposes.
func exposure(v *gateway.View) string {
	var b strings.Builder
	for f := range v.EachFamily() {
		fmt.Fprintf(&b, "%s %v, %d series, %d bytes\n%s\n", f.Name, f.Type, f.Series, f.ProtoSize, strings.Join(exposedLines(v, f.Name), "\n"))
	}
	for g := range v.EachGroup("") {
		fmt.Fprintf(&b, "%s exposes its times: %t\n", g.Key, v.ExposesTimes(g))
	}
	fmt.Fprintf(&b, "%d families of %d are left out\n", v.LeftOut, v.Held)
	return b.String()
}

// rivals are clients of one gateway.
type rivals struct {
	t         *testing.T
	seed      uint64
	unchecked bool
	takes     bool // pushes take names from groups that nobody has pushed to for long
	g         *gateway.Gateway
	at        *clock
	j         *hesitant
	mu        sync.Mutex
	wait      *rand.Rand
	keys      []grouping.Key
}

func newRivals(t *testing.T, seed uint64, unchecked, takes bool) *rivals {
	r := &rivals{t: t, seed: seed, unchecked: unchecked, takes: takes, at: newClock(), wait: rand.New(rand.NewPCG(seed, 0))}
	r.keys = []grouping.Key{
		key(t, "j"), key(t, "j", "x", "1"), key(t, "j", "x", "2"), key(t, "j", "y", "1"),
		key(t, "j", "x", "1", "y", "1"), key(t, "j", "instance", ""), key(t, "j", "instance", "1"),
	}
	if seed%3 == 0 {
		r.addShapes(t)
	}
	r.j = &hesitant{wait: r.hesitates}
	r.g = open(t, gateway.Config{Now: r.at.now, Journal: r.j, Unchecked: unchecked})
	return r
}

// addShapes adds so many keys of different shapes that the series of some are indexed.
func (r *rivals) addShapes(t *testing.T) {
	for i := range 12 {
		r.keys = append(r.keys, key(t, "j", "x", "1", fmt.Sprint("k", i), "1"))
	}
}

func (r *rivals) hesitates() (turns int, v gateway.Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.wait.IntN(20) {
	case 0, 1:
		v = gateway.Failed
	case 2:
		v = gateway.Unknown
	default:
		v = gateway.Committed
	}
	return r.wait.IntN(20), v
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
	r.j.late.Wait()
	if err := r.check(); err != nil {
		r.t.Errorf("in the end: %v", err)
	}
	if err := r.g.Audit(); err != nil {
		r.t.Error(err)
	}
}

// check returns an error if a line comes twice. If pushes are checked and take no
// names, nothing may be left out, either.
func (r *rivals) check() error {
	v := r.g.View()
	if err := eachLineOnce(v); err != nil || r.unchecked || r.takes {
		return err
	}
	return exposesAll(v)
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
	var err error
	switch c.random.IntN(14) {
	case 0:
		err = c.g.Delete(context.Background(), c.key())
	case 1:
		part := c.random.IntN(3)
		_, err = c.g.DeleteMatching(context.Background(), func(g *gateway.Group) bool { return len(g.Key)%3 == part })
	case 2:
		c.at.turn(time.Minute)
	case 3:
		pushes := []gateway.Push{c.push(), c.push()}
		if pushes[0].Key != pushes[1].Key {
			err = errors.Join(c.g.PushAll(context.Background(), pushes)...)
		}
	default:
		err = c.g.Push(context.Background(), c.push())
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
	if p.Mode == gateway.Sum && c.random.IntN(2) == 0 {
		p.SeriesTTL = time.Minute
	}
	return p
}
