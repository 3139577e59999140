package record_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/journaltest"
	"pushgateway/internal/metric"
	"pushgateway/internal/record"
)

// BenchmarkRepeat applies records of another member that repeat their groups, of
// nine families with 100 lines. In turn, it unpacks them alone: where the speed of
// the machine changes, the ratio of the two does not.
func BenchmarkRepeat(b *testing.B) {
	const groups, pushes = 1000, 4
	m := new(member)
	g, err := gateway.Open(b.Context(), gateway.Config{Journal: m})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = g.Close() })
	var records [][]byte
	var keys []grouping.Key
	for n := range pushes * groups {
		key, err := grouping.NewKey("bench", metric.Label{Name: "instance", Value: fmt.Sprint("i-", n%groups)})
		if err != nil {
			b.Fatal(err)
		}
		keys, records = append(keys, key), append(records, stored(b, pushedGroup(b, key, journaltest.Lines(n), time.Now().Unix())))
	}
	revision := gateway.Revision(10)
	apply := func(n int) {
		revision++
		g, err := record.DecodeAs(records[n], keys[n], revision, m.stored(keys[n]))
		if err != nil {
			b.Fatal(err)
		}
		m.apply([]gateway.Applied{{Change: gateway.Change{Key: keys[n], Group: g}, Revision: revision, Given: true}})
	}
	for n := range groups {
		apply(n)
	}
	b.ReportAllocs()
	n, applying, unpacking := groups, time.Duration(0), time.Duration(0)
	for b.Loop() {
		begin := time.Now()
		apply(n)
		applied := time.Now()
		if _, err := s2.Decode(nil, records[n][contentAt:]); err != nil {
			b.Fatal(err)
		}
		applying, unpacking = applying+applied.Sub(begin), unpacking+time.Since(applied)
		if n++; n == len(records) {
			n = groups
		}
	}
	b.ReportMetric(float64(applying)/float64(unpacking), "x-unpacking")
}

const contentAt = 17 // what precedes the packed content of a record

// member is a journal that gets the changes of another member.
type member struct {
	gateway.Memory
	apply  func([]gateway.Applied)
	stored func(grouping.Key) *gateway.Group
}

// Open keeps the functions of the engine.
func (m *member) Open(ctx context.Context, apply func([]gateway.Applied), stored func(grouping.Key) *gateway.Group) error {
	m.apply, m.stored = apply, stored
	return m.Memory.Open(ctx, apply, stored)
}
