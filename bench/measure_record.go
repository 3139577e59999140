package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/s2"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
	"pushgateway/internal/record"
)

const (
	// appliedRecords is how many records a round applies: so many that the garbage
	// of applying them is collected several times in each round.
	appliedRecords = 10_000
	// pushesEach is how many pushes of each group are recorded, beside the first. The
	// groups get them in turn.
	pushesEach = 3
)

// measureRecord measures the cost of applying another gateway's record of a push:
// the CPU per record in this process, including the collection of the garbage
// that applying makes. What pushing and recording leave is collected before. The
// ceiling decompresses the same amount of text.
func (b *bench) measureRecord(ctx context.Context) ([]row, error) {
	l := b.middle()
	m, err := newMember(ctx, l)
	if err != nil {
		return nil, err
	}
	defer m.close()
	times, err := contest(b.rounds, m.applyRecords, m.unpack)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("CPU of applying a record of another member, %d series", l.each)
	return []row{{what: what, unit: microseconds, gateway: times[0], ceiling: times[1], goals: []goal{within("25 µs", times[0], 25)}}}, nil
}

// member is a gateway that gets its changes from other gateways.
type member struct {
	gateway.Memory
	gateway *gateway.Gateway
	load    *load
	apply   func([]gateway.Applied)
	stored  func(grouping.Key) *gateway.Group
	records []sealed
	next    int      // the next record, counting on
	packed  [][]byte // text of each body, compressed as in a record
}

// sealed is a record as it arrives.
type sealed struct {
	key    grouping.Key
	record []byte
}

// newMember returns a member that has all groups of the load.
func newMember(ctx context.Context, l *load) (*member, error) {
	m := &member{load: l}
	var err error
	if m.gateway, err = gateway.Open(ctx, gateway.Config{Journal: m}); err != nil {
		return nil, err
	}
	for i := range l.bodies {
		g, err := m.group(i)
		if err != nil {
			return nil, err
		}
		var text []byte
		for b := range g.Blocks() {
			text = append(text, b.Text()...)
		}
		m.packed = append(m.packed, s2.Encode(nil, text))
	}
	return m, m.fill()
}

// fill applies the first push of each group, and records the others.
func (m *member) fill() error {
	if err := m.seal(0, m.load.groups); err != nil {
		return err
	}
	for range m.records {
		if err := m.applyNext(); err != nil {
			return err
		}
	}
	m.records = nil
	return m.seal(m.load.groups, (1+pushesEach)*m.load.groups)
}
func (m *member) close() { _ = m.gateway.Close() } // nothing can be lost

// Open keeps the function by which the gateway applies changes.
func (m *member) Open(ctx context.Context, apply func([]gateway.Applied), stored func(grouping.Key) *gateway.Group) error {
	m.apply, m.stored = apply, stored
	return m.Memory.Open(ctx, apply, stored)
}

// group returns the group of the nth push, as the member that got the push has
// it.
func (m *member) group(n int) (*gateway.Group, error) {
	key, err := grouping.NewKey("bench", metric.Label{Name: "instance", Value: fmt.Sprintf("i-%d", n%m.load.groups)})
	if err != nil {
		return nil, err
	}
	p := exposition.GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte(m.load.body(n)))
	if err != nil {
		return nil, err
	}
	blocks, err := exposition.Render(families, exposition.Options{Grouping: key.Labels(), Valid: true})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(blocks, func(a, b *exposition.Block) int { return strings.Compare(a.Name, b.Name) })
	g := gateway.Group{Key: key, Pushed: time.Now()}
	if n >= m.load.groups { // it keeps the revision of its first push
		g.Since = gateway.Revision(n%m.load.groups + 1)
	}
	for _, b := range blocks {
		g.Families = append(g.Families, gateway.Held{Block: b, Pushed: g.Pushed, Claim: g.Since})
	}
	return gateway.Restore(g), nil
}

// seal records the pushes from one number to another.
func (m *member) seal(from, to int) error {
	for n := from; n < to; n++ {
		g, err := m.group(n)
		if err != nil {
			return err
		}
		rec := record.Encode(g)
		record.Seal(rec, g.Key, 0) // a stream has the revision
		m.records = append(m.records, sealed{g.Key, rec})
	}
	return nil
}

// applyRecords returns the CPU time of applying one record, in µs.
func (m *member) applyRecords() (us float64, err error) {
	return cpuOf(appliedRecords, func(int) error { return m.applyNext() })
}

func (m *member) applyNext() error {
	s, r := m.records[m.next%len(m.records)], gateway.Revision(m.next+1)
	m.next++
	g, err := record.DecodeAs(s.record, s.key, r, m.stored(s.key))
	if err == nil {
		m.apply([]gateway.Applied{{Change: gateway.Change{Key: s.key, Group: g}, Revision: r, Given: true}})
	}
	return err
}

// unpack returns the CPU time of decompressing the text of one record, in µs.
func (m *member) unpack() (us float64, err error) {
	return cpuOf(appliedRecords, func(i int) error {
		_, err := m.unpackOne(i)
		return err
	})
}

func (m *member) unpackOne(i int) ([]byte, error) { return s2.Decode(nil, m.packed[i%len(m.packed)]) }

// cpuOf returns the CPU time of each of n calls, in µs, including the collection of
// the garbage that they make. It collects earlier garbage first.
func cpuOf(n int, call func(i int) error) (us float64, err error) {
	runtime.GC()
	begin, err := ownCPU()
	if err != nil {
		return 0, err
	}
	for i := range n {
		if err := call(i); err != nil {
			return 0, err
		}
	}
	end, err := ownCPU()
	return float64((end - begin).Nanoseconds()) / 1e3 / float64(n), err
}

// ownCPU returns the CPU time that this process has used so far.
func ownCPU() (time.Duration, error) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0, err
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), nil
}
