package natsjournal_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/natsjournal"
	"pushgateway/internal/natstest"
)

var historyTime = flag.Duration("history", 4*time.Second, "how long TestHistory changes groups while servers fail")

// open opens a member: an engine with a journal.
func open(t testing.TB, urls []string, replicas int) *gateway.Gateway {
	t.Helper()
	g, err := tryOpen(t, urls, replicas)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func tryOpen(t testing.TB, urls []string, replicas int) (*gateway.Gateway, error) {
	t.Helper()
	g, err := gateway.Open(t.Context(), gateway.Config{
		Journal: natsjournal.New(natsjournal.Config{URLs: urls, Stream: "S", Replicas: replicas}),
		Wait:    natsjournal.Wait,
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = g.Close() })
	return g, nil
}

func keyOf(t testing.TB, job string) grouping.Key {
	t.Helper()
	key, err := grouping.NewKey(job)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pushOf(t testing.TB, key grouping.Key, text string) gateway.Push {
	t.Helper()
	p := exposition.GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := exposition.Render(families, exposition.Options{Grouping: key.Labels()})
	if err != nil {
		t.Fatal(err)
	}
	return gateway.Push{Key: key, Blocks: blocks}
}

// operation is what a client does with one group.
type operation struct {
	kind byte // '+' merges a family, '=' replaces the group, '-' deletes it, '?' reads it
	key  grouping.Key
	name string // of the family
}

// result is how an operation ended.
type result struct {
	unknown bool   // it may have happened, and may still happen
	failed  bool   // it has not happened
	read    string // the names of the families
}

// groupModel is a group as a set of names of families.
var groupModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := make(map[grouping.Key][]porcupine.Operation)
		for _, op := range history {
			key := op.Input.(operation).key
			byKey[key] = append(byKey[key], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		is, op, got := state.(string), input.(operation), output.(result)
		switch op.kind {
		case '?':
			return got.read == is, is
		case '-':
			return true, ""
		case '=':
			return true, op.name
		}
		return true, merged(is, op.name)
	},
	Equal: func(a, b any) bool { return a == b },
	DescribeOperation: func(input, output any) string {
		op := input.(operation)
		return fmt.Sprintf("%s %c%s %+v", op.key.Excerpt(), op.kind, op.name, output)
	},
}

func merged(names, name string) string {
	if names == "" {
		return name
	}
	all := append(strings.Split(names, ","), name)
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ",")
}

// history collects operations of many clients.
type history struct {
	t       *testing.T
	start   time.Time
	members []*gateway.Gateway
	names   atomic.Int64

	mu  sync.Mutex
	ops []porcupine.Operation
}

func (h *history) now() int64 { return time.Since(h.start).Nanoseconds() }

// never is after the end of every history.
const never = 1 << 62

// turn numbers periods of some seconds. In each, other groups are changed, so
// histories of single groups stay short.
func (h *history) turn() int { return int(time.Since(h.start) / (5 * time.Second)) }

// keys returns the keys of a turn.
func (h *history) keys(turn int) (keys []grouping.Key) {
	for _, name := range []string{"a", "b", "c", "d"} {
		keys = append(keys, keyOf(h.t, fmt.Sprint(name, turn)))
	}
	return keys
}

// client does random operations on one member until stop is closed.
func (h *history) client(id int, stop chan struct{}) {
	random := rand.New(rand.NewPCG(uint64(id), rand.Uint64()))
	for {
		select {
		case <-stop:
			return
		default:
		}
		keys := h.keys(h.turn())
		op := operation{kind: "++==-???"[random.IntN(8)], key: keys[random.IntN(len(keys))]}
		if op.kind == '+' || op.kind == '=' {
			op.name = fmt.Sprint("m", h.names.Add(1))
		}
		h.do(id, op)
		time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
	}
}

// do does an operation and notes it.
func (h *history) do(id int, op operation) {
	g := h.members[id%len(h.members)]
	called := h.now()
	r := perform(h.t, g, op)
	returned := h.now()
	if r.failed || op.kind == '?' && r.unknown {
		return // it says nothing, and if it has happened after all, a read shows it
	}
	if r.unknown {
		returned = never
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: id, Input: op, Call: called, Output: r, Return: returned})
}

func perform(t *testing.T, g *gateway.Gateway, op operation) (r result) {
	var err error
	switch op.kind {
	case '?':
		if err = g.Sync(t.Context()); err == nil {
			r.read = namesOf(g.Group(op.key))
		}
	case '-':
		_, err = g.End(context.Background(), op.key)
	default:
		p := pushOf(t, op.key, op.name+" 1\n")
		if op.kind == '=' {
			p.Mode = gateway.Replace
		}
		err = g.Push(context.Background(), p)
	}
	switch {
	case err == nil:
	case !errors.Is(err, gateway.ErrUnavailable):
		t.Errorf("%c: %v", op.kind, err)
	case strings.Contains(err.Error(), "may still be stored later"), strings.Contains(err.Error(), "is not known"):
		r.unknown = true
	default:
		r.failed = true
	}
	return r
}

func namesOf(g *gateway.Group) string {
	if g == nil {
		return ""
	}
	var names []string
	for _, h := range g.Families {
		names = append(names, h.Name)
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// disturb kills and pauses servers, one at a time, until stop is closed.
func disturb(servers *natstest.Processes, stop chan struct{}) (times int) {
	for wait(1000, stop) {
		i := rand.IntN(3)
		if leader := servers.Leader("S"); leader >= 0 && rand.IntN(2) == 0 {
			i = leader
		}
		times++
		if rand.IntN(2) == 0 {
			servers.Kill(i)
			wait(500+rand.IntN(1500), stop)
			servers.Run(i)
			continue
		}
		servers.Pause(i)
		wait(500+rand.IntN(4000), stop)
		servers.Resume(i)
	}
	return times
}

// interrupt loses and delays what members and servers send each other, until stop
// is closed.
func interrupt(members [][]*natstest.Link, stop chan struct{}) (times int) {
	for wait(300+rand.IntN(1000), stop) {
		links := slices.Clone(members[rand.IntN(len(members))])
		rand.Shuffle(len(links), func(a, b int) { links[a], links[b] = links[b], links[a] })
		links = links[:1+rand.IntN(len(links))]
		both, direction := rand.IntN(2) == 0, rand.IntN(2) == 0
		for _, l := range links {
			if rand.IntN(4) == 0 {
				l.Delay(time.Duration(rand.IntN(300)) * time.Millisecond)
			} else {
				l.Lose(both || direction, both || !direction)
			}
		}
		times++
		wait(500+rand.IntN(5000), stop)
		for _, l := range links {
			l.Mend()
		}
	}
	return times
}

// wait waits for milliseconds. It returns false if stop is closed.
func wait(ms int, stop chan struct{}) bool {
	select {
	case <-stop:
		return false
	case <-time.After(time.Duration(ms) * time.Millisecond):
		return true
	}
}

// TestHistory changes a few groups through several members while servers are
// killed and paused, and the ways to them lose and delay what passes. What clients saw must be explainable by one order of their
// operations for each group. In the end all members must agree, also one that
// has just read the stream.
func TestHistory(t *testing.T) {
	servers := natstest.Launch(t, 3)
	h := &history{t: t, start: time.Now()}
	var links [][]*natstest.Link
	for range 3 {
		way, urls := natstest.NewLinks(t, servers)
		h.members, links = append(h.members, open(t, urls, 3)), append(links, way)
	}
	stop, undisturbed, uninterrupted := make(chan struct{}), make(chan int), make(chan int)
	go func() { undisturbed <- disturb(servers, stop) }()
	go func() { uninterrupted <- interrupt(links, stop) }()
	var clients sync.WaitGroup
	for id := range 9 {
		clients.Go(func() { h.client(id, stop) })
	}
	time.Sleep(*historyTime)
	close(stop)
	t.Logf("servers were disturbed %d times, ways to them %d times", <-undisturbed, <-uninterrupted)
	clients.Wait()
	h.members = append(h.members, open(t, servers.URLs(), 3))
	for id := range h.members {
		for turn := range h.turn() + 1 {
			for _, key := range h.keys(turn) {
				h.do(id, operation{kind: '?', key: key})
			}
		}
	}
	h.check()
	agree(t, h.members)
}

// check checks the history.
func (h *history) check() {
	h.t.Helper()
	unknown := 0
	for _, op := range h.ops {
		if op.Output.(result).unknown {
			unknown++
		}
	}
	h.t.Logf("%d operations, %d of them without an answer", len(h.ops), unknown)
	if got := porcupine.CheckOperationsTimeout(groupModel, h.ops, time.Minute); got != porcupine.Ok {
		h.t.Errorf("the history is not linearizable: %s", got)
		slices.SortFunc(h.ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
		for _, part := range groupModel.Partition(h.ops) {
			if porcupine.CheckOperationsTimeout(groupModel, part, time.Minute) == porcupine.Ok {
				continue
			}
			for _, op := range part {
				h.t.Logf("%d: %d to %d: %s", op.ClientId, op.Call/1000, op.Return/1000, groupModel.DescribeOperation(op.Input, op.Output))
			}
		}
	}
	if len(h.ops) < 50 {
		h.t.Errorf("there were only %d operations", len(h.ops))
	}
}

// agree waits until all members have the same groups.
func agree(t *testing.T, members []*gateway.Gateway) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var states []string
		for _, g := range members {
			states = append(states, stateOf(g))
		}
		if len(slices.Compact(slices.Clone(states))) == 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the members have\n%s", strings.Join(states, "\nand\n"))
		}
	}
}

func stateOf(g *gateway.Gateway) string {
	var b strings.Builder
	for group := range g.View().EachGroup("") {
		fmt.Fprintln(&b, group.Key, group.Revision, group.Since, group.Failing, group.Failed.UnixNano())
		for _, h := range group.Families {
			fmt.Fprintf(&b, "%s %d\n", h.Text(), h.Claim)
		}
	}
	return b.String()
}
