package main

import (
	"context"
	"fmt"
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

// appliedRecords is how many records a round applies.
const appliedRecords = 2000

// measureRecord measures the cost of applying another gateway's record of a push:
// the CPU per record, including garbage collection, in this process. The ceiling
// decompresses the same amount of text.
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
	next    int      // the next push
	packed  [][]byte // text of each body, compressed as in a record
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
	for range (l.groups + appliedRecords - 1) / appliedRecords {
		if _, err := m.applyRecords(); err != nil {
			return nil, err
		}
	}
	return m, nil
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

// sealed returns the records of the next pushes.
func (m *member) sealed() (records [][]byte, keys []grouping.Key, err error) {
	for range appliedRecords {
		g, err := m.group(m.next)
		if err != nil {
			return nil, nil, err
		}
		m.next++
		rec := record.Encode(g)
		record.Seal(rec, g.Key, 0) // a stream has the revision
		records, keys = append(records, rec), append(keys, g.Key)
	}
	return records, keys, nil
}

// applyRecords returns the CPU time of applying one record, in µs.
func (m *member) applyRecords() (us float64, err error) {
	first := gateway.Revision(m.next + 1)
	records, keys, err := m.sealed()
	if err != nil {
		return 0, err
	}
	return cpuOf(len(records), func(i int) error {
		r := first + gateway.Revision(i)
		g, err := record.DecodeAs(records[i], keys[i], r, m.stored(keys[i]))
		if err == nil {
			m.apply([]gateway.Applied{{Change: gateway.Change{Key: keys[i], Group: g}, Revision: r}})
		}
		return err
	})
}

// unpack returns the CPU time of decompressing the text of one record, in µs.
func (m *member) unpack() (us float64, err error) {
	return cpuOf(appliedRecords, func(i int) error {
		_, err := m.unpackOne(i)
		return err
	})
}

func (m *member) unpackOne(i int) ([]byte, error) { return s2.Decode(nil, m.packed[i%len(m.packed)]) }

// cpuOf returns the CPU time of each of n calls, in µs.
func cpuOf(n int, call func(i int) error) (us float64, err error) {
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
