package sums_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
	"pushgateway/internal/sums"
)

// TestFewOfMany adds random pushes to a large family twice: reading all that is stored,
// and only what the pushes add to. The results must be the same.
func TestFewOfMany(t *testing.T) {
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 1))
		names := []string{"m", "größe"}
		m := many{r: r, name: names[r.IntN(2)], typ: metric.Type(r.IntN(6)), poor: r.IntN(2) == 0}
		stored := block(t, m.family(20+r.IntN(20), 100))
		ends := m.ends(stored.Series())
		all, some := sums.Of(stored, ends, stored), sums.Of(stored, ends, block(t, m.family(1, 100)))
		for step := range 1 + r.IntN(4) {
			pushed := block(t, m.family(1+r.IntN(4), 120))
			if r.IntN(5) == 0 {
				if a, b := all.Shared(pushed), some.Shared(pushed); a != b {
					t.Fatalf("seed %d: %d or %d series are shared", seed, a, b)
				}
				if a, b := all.Remove(pushed), some.Remove(pushed); a != b {
					t.Fatalf("seed %d: %d or %d series were removed", seed, a, b)
				}
				continue
			}
			by := sums.Push{Gauges: sums.Gauges(r.IntN(4)), At: start, MaxBuckets: 40, Overwrites: r.IntN(8) == 0, Ends: []int64{0, 5, 8}[r.IntN(3)]}
			if r.IntN(4) == 0 {
				modes := []string{"sum", "replace", "family"}
				by.Gauges, pushed = sums.ByLabel, block(t, m.labeled(modes[r.IntN(3)], 1+r.IntN(3)))
			}
			a, err := all.Plan(pushed, by)
			b, err2 := some.Plan(pushed, by)
			if reason(err) != reason(err2) {
				t.Fatalf("seed %d, step %d: %v or %v", seed, step, err, err2)
			}
			if err != nil {
				continue
			}
			if a.Grows != b.Grows || a.Reconciled != b.Reconciled {
				t.Fatalf("seed %d, step %d: it grows by %d or %d", seed, step, a.Grows, b.Grows)
			}
			a.Apply()
			b.Apply()
		}
		checkSame(t, seed, all, some)
	}
}

// checkSame compares two families.
func checkSame(t *testing.T, seed uint64, all, some *sums.Family) {
	t.Helper()
	want, err := all.Block(0, nil)
	got, err2 := some.Block(0, nil)
	if err != nil || err2 != nil {
		t.Fatalf("seed %d: %v, %v", seed, err, err2)
	}
	if !bytes.Equal(got.Text(), want.Text()) || got.Help != want.Help || got.HasHelp() != want.HasHelp() || got.Unit != want.Unit || got.Legacy != want.Legacy {
		t.Fatalf("seed %d: got %q\n%s\nwant %q\n%s", seed, got.Help, got.Text(), want.Help, want.Text())
	}
	checkEqual(t, got, want, 0)
	if all.Series() != want.Series() || some.Series() != want.Series() {
		t.Fatalf("seed %d: the families say %d and %d series, the block has %d", seed, all.Series(), some.Series(), want.Series())
	}
	if !slices.Equal(got.Hashes(), want.Hashes()) || !slices.Equal(some.Ends(), all.Ends()) {
		t.Fatalf("seed %d: the hashes or the ends differ: %v, want %v", seed, some.Ends(), all.Ends())
	}
	if got.DelimitedSize() != len(got.Proto()) {
		t.Fatalf("seed %d: the block says %d bytes of protobuf, and has %d", seed, got.DelimitedSize(), len(got.Proto()))
	}
}

// many makes families of one name and type.
type many struct {
	r    *rand.Rand
	name string
	typ  metric.Type
	poor bool // without anything that needs protobuf
}

func (m *many) family(series, of int) *metric.Family {
	f := &metric.Family{Name: m.name, Type: m.typ, Help: []string{"", "Some.", "Other."}[m.r.IntN(3)]}
	for _, i := range m.r.Perm(of)[:series] {
		f.Series = append(f.Series, m.series([]metric.Label{{Name: "x", Value: fmt.Sprintf("\"%d\\", i)}}))
	}
	return f
}

// labeled makes a family whose series say what becomes of them.
func (m *many) labeled(mode string, series int) *metric.Family {
	f := m.family(series, 120)
	for i := range f.Series {
		f.Series[i].Labels = append([]metric.Label{{Name: sums.ClearMode, Value: mode}}, f.Series[i].Labels...)
	}
	return f
}

func (m *many) ends(series int) []int64 {
	if m.r.IntN(2) == 0 {
		return nil
	}
	ends := make([]int64, series)
	for i := range ends {
		ends[i] = int64(m.r.IntN(3))
	}
	return ends
}

func (m *many) series(labels []metric.Label) metric.Series {
	s := metric.Series{Labels: labels, Value: float64(m.r.IntN(1000))}
	rich := !m.poor && m.r.IntN(2) == 0
	switch m.typ {
	case metric.Counter:
		if rich {
			s.Exemplar = &metric.Exemplar{Labels: []metric.Label{{Name: "id", Value: "1"}}, Value: 1}
		}
	case metric.Summary:
		s.Summary = &metric.Quantiles{Count: uint64(m.r.IntN(100)), Sum: s.Value}
	case metric.Histogram, metric.GaugeHistogram:
		s.Histogram = m.histogram(rich)
	}
	if rich && m.typ != metric.Gauge && m.typ != metric.Untyped && m.typ != metric.GaugeHistogram {
		s.Created = &metric.Timestamp{Seconds: start.Add(-time.Hour).Unix()}
	}
	return s
}

func (m *many) histogram(rich bool) *metric.Buckets {
	if rich && m.typ == metric.Histogram {
		return native(m.r, true)
	}
	h := &metric.Buckets{Sum: float64(m.r.IntN(100))}
	count := uint64(0)
	for _, bound := range []float64{1, 2, math.Inf(1)}[m.r.IntN(2):] {
		count += uint64(m.r.IntN(9))
		h.Classic = append(h.Classic, metric.Bucket{UpperBound: bound, Count: metric.Count{Int: count}})
	}
	h.Count.Int = count
	return h
}

// BenchmarkFewOfMany adds one series to a family of a thousand.
func BenchmarkFewOfMany(b *testing.B) {
	m := many{r: rand.New(rand.NewPCG(1, 2)), name: "m", typ: metric.Counter}
	render := func(f *metric.Family) *exposition.Block {
		blocks, err := exposition.Render([]*metric.Family{f}, exposition.Options{Grouping: grouping, Valid: true})
		if err != nil {
			b.Fatal(err)
		}
		return blocks[0]
	}
	stored, pushed := render(m.family(1000, 1000)), render(m.family(1, 1000))
	for b.Loop() {
		f := sums.Of(stored, nil, pushed)
		a, err := f.Plan(pushed, sums.Push{At: start, MaxBuckets: 100})
		if err != nil {
			b.Fatal(err)
		}
		a.Apply()
		if _, err := f.Block(0, nil); err != nil {
			b.Fatal(err)
		}
	}
}
