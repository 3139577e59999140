package gateway_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/journaltest"
)

// TestSumsAtOnce has clients add to the same groups, each with a key, until they get an
// answer, while commits fail or come late. Each push counts once.
func TestSumsAtOnce(t *testing.T) {
	eachRivals(t, func(t *testing.T, r *rivals) {
		r.join(gateway.Config{Journal: r.hesitant(), Wait: time.Millisecond})
		newAdders(r).run()
	})
}

// TestMembersSumAtOnce does the same with two members, which see each other's changes
// late, and looks at one that starts then, too.
func TestMembersSumAtOnce(t *testing.T) {
	eachRivals(t, func(t *testing.T, r *rivals) {
		s := journaltest.NewShared(t)
		for range 2 {
			m := s.Member()
			r.join(gateway.Config{Journal: m})
			r.lags = append(r.lags, m.Lag)
		}
		a := newAdders(r)
		a.run()
		r.join(gateway.Config{Journal: s.Member()})
		a.check()
		r.agree()
	})
}

// adders add to the same groups. They know what has to come out.
type adders struct {
	*rivals
	mu   sync.Mutex
	sums map[string]float64 // by group and series
}

func newAdders(r *rivals) *adders { return &adders{rivals: r, sums: make(map[string]float64)} }

func (a *adders) run() {
	const clients, steps = 4, 40
	first := &adder{adders: a, name: clients, random: rand.New(rand.NewPCG(a.seed, 0))}
	first.add(a.keys[0], a.keys[1]) // so that the family is a counter
	var all sync.WaitGroup
	for n := range uint64(clients) {
		c := &adder{adders: a, name: n, random: rand.New(rand.NewPCG(a.seed, n+1))}
		all.Go(func() {
			for c.step = range steps {
				c.do()
			}
		})
	}
	all.Wait()
	a.late.Wait()
	for _, lag := range a.lags {
		lag(false)
	}
	a.check()
}

// check looks at the sums that the members expose, and at what they remember.
func (a *adders) check() {
	for i, g := range a.members {
		got := make(map[string]float64)
		if f := g.View().Family("c_total"); f != nil {
			for key, b := range f.Blocks() {
				for s := range b.EachSeries {
					got[fmt.Sprint(key, s.Labels)] = s.Value
				}
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(a.sums) {
			a.t.Errorf("member %d has the sums %v, want %v", i, got, a.sums)
		}
		if err := g.Audit(); err != nil {
			a.t.Errorf("member %d: %v", i, err)
		}
	}
}

// adder does one thing after the other.
type adder struct {
	*adders
	name   uint64
	step   int
	random *rand.Rand
}

func (a *adder) do() {
	i := a.random.IntN(len(a.members))
	switch a.random.IntN(8) {
	case 0: // beside the sums
		p := gateway.Push{Key: a.key(), Mode: gateway.MergeFamilies + gateway.Mode(a.random.IntN(2))}
		p.Blocks = blocks(a.t, p.Key, fmt.Sprintf("g{a=\"%d\"} 1\n", a.random.IntN(3)))
		_ = a.members[i].Push(context.Background(), p)
	case 1:
		p := gateway.Push{Key: a.key(), Mode: gateway.Sum}
		p.Blocks = blocks(a.t, p.Key, "# TYPE c_total gauge\nc_total 1\n")
		_ = a.members[i].Push(context.Background(), p) // its type is wrong
	case 2:
		if a.lags != nil {
			a.lags[i](a.random.IntN(2) == 0)
		}
	case 3:
		a.members[i].Refuse(a.key(), "192.0.2.1", errors.New("bad"))
	case 4:
		a.add(a.keys[0], a.keys[1])
	default:
		a.add(a.key())
	}
}

func (a *adder) key() grouping.Key { return a.keys[a.random.IntN(2)] }

// add adds to some groups until it is told that all of that is stored.
func (a *adder) add(keys ...grouping.Key) {
	series, n := a.random.IntN(3), float64(1+a.random.IntN(9))
	text := fmt.Sprintf("# TYPE c_total counter\nc_total{s=\"%d\"} %v\n", series, n)
	for range 1000 {
		pushes := make([]gateway.Push, len(keys))
		for i, k := range keys {
			sum := sha256.Sum256([]byte(text))
			pushes[i] = gateway.Push{Key: k, Blocks: blocks(a.t, k, text), Mode: gateway.Sum, Once: gateway.NewOnce(k, fmt.Sprint(a.name, a.step), [16]byte(sum[:16]))}
		}
		ctx, leave := context.WithCancel(context.Background())
		if a.random.IntN(4) == 0 { // the client leaves
			turns := a.random.IntN(20)
			go func() {
				rest(turns)
				leave()
			}()
		}
		err := errors.Join(a.members[a.random.IntN(len(a.members))].PushAll(ctx, pushes)...)
		leave()
		if err == nil {
			a.mu.Lock()
			defer a.mu.Unlock()
			for _, p := range pushes {
				for s := range p.Blocks[0].EachSeries {
					a.sums[fmt.Sprint(p.Key, s.Labels)] += n
				}
			}
			return
		}
	}
	a.t.Errorf("%q was never stored", text)
}
