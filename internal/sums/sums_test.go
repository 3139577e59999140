package sums_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"

	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
	"pushgateway/internal/sums"
)

var (
	start    = time.Unix(1_700_000_000, 0)
	grouping = []metric.Label{{Name: "instance", Value: ""}, {Name: "job", Value: "lambda"}}
)

// text renders a family given in the text format as a push does.
func text(t *testing.T, body string) *exposition.Block {
	t.Helper()
	p := exposition.GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return block(t, families[0])
}

func block(t *testing.T, f *metric.Family) *exposition.Block {
	t.Helper()
	blocks, err := exposition.Render([]*metric.Family{f}, exposition.Options{Grouping: grouping, Valid: true})
	if err != nil {
		t.Fatal(err)
	}
	return blocks[0]
}

// total adds pushes up, each as if it came alone.
func total(t *testing.T, p sums.Push, pushes ...*exposition.Block) (*exposition.Block, error) {
	t.Helper()
	var b *exposition.Block
	for i, push := range pushes {
		f := sums.Like(push)
		if b != nil {
			f = sums.Of(b, nil, push)
		}
		p.At = start.Add(time.Duration(i) * time.Minute)
		a, err := f.Plan(push, p)
		if err != nil {
			return b, err
		}
		a.Apply()
		if b, err = f.Block(0, nil); err != nil {
			t.Fatal(err)
		}
	}
	return b, nil
}

// lines returns the lines of a block without the labels of its group.
func lines(b *exposition.Block) string {
	s := strings.NewReplacer(`instance="",job="lambda",`, "", `,instance="",job="lambda"`, "", `{instance="",job="lambda"}`, "").Replace(string(b.Text()))
	return strings.TrimSuffix(s, "\n")
}

func TestSums(t *testing.T) {
	const (
		counter  = "# TYPE c counter\n"
		gauge    = "# TYPE g gauge\n"
		summary  = "# TYPE s summary\n"
		classic  = "# TYPE h histogram\n"
		one, two = `h_bucket{le="1"} 1` + "\n", `h_bucket{le="2"} 2` + "\n"
		rest     = `h_bucket{le="+Inf"} 3` + "\nh_sum 5\nh_count 3\n"
	)
	for _, tt := range []struct {
		name   string
		pushes []string
		gauges sums.Gauges
		want   string
		err    string
	}{
		{name: "counters add", pushes: []string{counter + "c 1\n", counter + "c 2.5\n"}, want: "c 3.5"},
		{name: "untyped adds", pushes: []string{"c 1\n", "c 2\n"}, want: "c 3"},
		{name: "each series for itself", pushes: []string{counter + "c{a=\"x\"} 1\n", counter + "c{a=\"y\"} 2\nc{a=\"x\"} 4\n"}, want: "c{a=\"x\"} 5\nc{a=\"y\"} 2"},
		{name: "an addend of 0", pushes: []string{counter + "c 1\n", counter + "c 0\n"}, want: "c 1"},
		{name: "a negative addend", pushes: []string{counter + "c 1\n", counter + "c -1\n"}, want: "c 1", err: "adds -1"},
		{name: "a negative first addend", pushes: []string{counter + "c -1\n"}, err: "adds -1"},
		{name: "infinite", pushes: []string{"c +Inf\n"}, err: "adds +Inf"},
		{name: "not a number", pushes: []string{counter + "c NaN\n"}, err: "adds NaN"},
		{name: "beyond the largest float", pushes: []string{"c 1.7e308\n", "c 1.7e308\n"}, want: "c 1.7e+308", err: "would become +Inf"},
		{name: "another type", pushes: []string{counter + "c 1\n", "# TYPE c gauge\nc 1\n"}, want: "c 1", err: "counter in the group, but gauge"},
		{name: "gauges replace", pushes: []string{gauge + "g 5\n", gauge + "g -2\n"}, want: "g -2"},
		{name: "gauges sum", pushes: []string{gauge + "g 5\n", gauge + "g -2\n"}, gauges: sums.SumGauges, want: "g 3"},
		{name: "the largest gauge", pushes: []string{gauge + "g 5\n", gauge + "g -2\n", gauge + "g NaN\n"}, gauges: sums.MaxGauges, want: "g 5"},
		{name: "the smallest gauge", pushes: []string{gauge + "g NaN\n", gauge + "g 5\n", gauge + "g -2\n"}, gauges: sums.MinGauges, want: "g -2"},
		{name: "quantiles go", pushes: []string{summary + "s{quantile=\"0.5\"} 9\ns_sum 5\ns_count 2\n", summary + "s_sum 1\ns_count 1\n"}, want: "s_sum 6\ns_count 3"},
		{name: "quantiles of the first go", pushes: []string{summary + "s{quantile=\"0.5\"} 9\ns_sum 5\ns_count 2\n"}, want: "s_sum 5\ns_count 2"},
		{name: "a sum that is not finite", pushes: []string{summary + "s_sum NaN\ns_count 2\n"}, err: "the sum NaN"},
		{name: "equal bounds", pushes: []string{classic + one + two + rest, classic + one + two + rest}, want: `h_bucket{le="1"} 2` + "\n" + `h_bucket{le="2"} 4` + "\n" + `h_bucket{le="+Inf"} 6` + "\nh_sum 10\nh_count 6"},
		{name: "some bounds in common", pushes: []string{classic + one + two + rest, classic + two + rest}, want: `h_bucket{le="2"} 4` + "\n" + `h_bucket{le="+Inf"} 6` + "\nh_sum 10\nh_count 6"},
		{name: "more bounds than before", pushes: []string{classic + two + rest, classic + one + two + rest}, want: `h_bucket{le="2"} 4` + "\n" + `h_bucket{le="+Inf"} 6` + "\nh_sum 10\nh_count 6"},
		{name: "no bounds at all", pushes: []string{classic + rest, classic + rest}, want: `h_bucket{le="+Inf"} 6` + "\nh_sum 10\nh_count 6"},
		{name: "no bound in common", pushes: []string{classic + one + rest, classic + two + rest}, err: "no bound"},
		{name: "no bound in the second", pushes: []string{classic + one + rest, classic + rest}, err: "no bound"},
		{name: "buckets that shrink", pushes: []string{classic + `h_bucket{le="1"} 2` + "\n" + `h_bucket{le="2"} 1` + "\n" + rest}, err: "contradict"},
		{name: "a sum of counts beyond 64 bits", pushes: []string{summary + "s_sum 1\ns_count 9e18\n", summary + "s_sum 1\ns_count 9e18\n", summary + "s_sum 1\ns_count 1e18\n"}, err: "count more"},
		{name: "a count below nothing", pushes: []string{summary + "s_sum 1\ns_count -1\n"}, err: "a count that is negative"},
		{name: "a count that is no number", pushes: []string{summary + "s_sum 1\ns_count NaN\n"}, err: "or no number"},
		{name: "a count without end", pushes: []string{summary + "s_sum 1\ns_count +Inf\n"}, err: "too large"},
		{name: "buckets beyond 64 bits", pushes: []string{classic + `h_bucket{le="1"} 1.8e19` + "\nh_count 1.8e19\n", classic + `h_bucket{le="1"} 1e18` + "\nh_count 1e18\n"}, err: "count more"},
		{name: "buckets of floats", pushes: []string{classic + `h_bucket{le="1"} 0` + "\nh_count 0.5\n", classic + `h_bucket{le="1"} 1` + "\nh_count 1\n"}, want: `h_bucket{le="1"} 1` + "\n" + `h_bucket{le="+Inf"} 1.5` + "\nh_sum 0\nh_count 1.5"},
		{name: "buckets beyond the largest float", pushes: []string{classic + `h_bucket{le="1"} 1.7e308` + "\nh_count 1.7e308\n", classic + `h_bucket{le="1"} 1.7e308` + "\nh_count 1.7e308\n"}, err: "count more"},
		{name: "the largest histogram of gauges", pushes: []string{"# TYPE h gaugehistogram\n" + one + rest}, gauges: sums.MaxGauges, err: "no largest"},
		{name: "a first histogram of gauges that cannot be added to", pushes: []string{"# TYPE h gaugehistogram\n" + one + "h_count 1\nh_sum NaN\n"}, gauges: sums.SumGauges, err: "the sum NaN"},
		{name: "a bucket above the count", pushes: []string{classic + `h_bucket{le="1"} 4` + "\n" + rest}, err: "contradict"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var pushes []*exposition.Block
			for _, body := range tt.pushes {
				pushes = append(pushes, text(t, body))
			}
			got, err := total(t, sums.Push{Gauges: tt.gauges, MaxBuckets: 100}, pushes...)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("error %v, want one with %q", err, tt.err)
			}
			if tt.want != "" && lines(got) != tt.want {
				t.Errorf("got\n%s\nwant\n%s", lines(got), tt.want)
			}
		})
	}
}

// A sum starts with its first addition, or when that says it did.
func TestStartTimes(t *testing.T) {
	own := &metric.Timestamp{Seconds: 5}
	counter := func(created *metric.Timestamp) *exposition.Block {
		return block(t, &metric.Family{Name: "c", Type: metric.Counter, Series: []metric.Series{{Value: 1, Created: created}}})
	}
	for _, tt := range []struct {
		name        string
		first, then *metric.Timestamp
		want        int64
	}{
		{"none said", nil, nil, start.Unix()},
		{"the first says", own, nil, 5},
		{"a later one says", nil, own, start.Unix()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := total(t, sums.Push{MaxBuckets: 100}, counter(tt.first), counter(tt.then))
			if err != nil {
				t.Fatal(err)
			}
			for s := range got.EachSeries {
				if s.Created == nil || s.Created.Seconds != tt.want || s.Value != 2 {
					t.Errorf("value %v created %v, want 2 and %d", s.Value, s.Created, tt.want)
				}
			}
		})
	}
}

// A push that is refused for one series changes nothing, and neither does a plan
// that is not applied.
func TestPlanChangesNothing(t *testing.T) {
	stored := text(t, "# TYPE c counter\nc{a=\"x\"} 1\n")
	f := sums.Of(stored, nil, stored)
	if _, err := f.Plan(text(t, "# TYPE c counter\nc{a=\"y\"} 1\nc{a=\"x\"} -1\n"), sums.Push{}); err == nil {
		t.Error("a negative addend was taken")
	}
	if _, err := f.Plan(text(t, "# TYPE c counter\nc{a=\"y\"} 1\n"), sums.Push{}); err != nil {
		t.Error(err)
	}
	if f.Changed() || f.Series() != 1 {
		t.Errorf("the family changed, and has %d series", f.Series())
	}
}

// native returns a native histogram with random buckets, with integer counts if
// whole.
func native(r *rand.Rand, whole bool) *metric.Buckets {
	n := &metric.Native{Schema: r.Int32N(6) - 2, HasSchema: true, ZeroThreshold: math.Ldexp(1, -r.IntN(8)-20), HasThreshold: true}
	h := &metric.Buckets{Sum: float64(r.IntN(1000)), Native: n}
	var counts []float64
	all := 0
	for i := range 1 + r.IntN(3) {
		if r.IntN(4) == 0 {
			n.PositiveSpans = append(n.PositiveSpans, metric.Span{Offset: int32(min(i, 1))})
		}
		span := metric.Span{Offset: int32(r.IntN(4)) + min(int32(i), 1), Length: uint32(1 + r.IntN(4))}
		n.PositiveSpans = append(n.PositiveSpans, span)
		for range span.Length {
			counts = append(counts, float64(r.IntN(9)))
			all += int(counts[len(counts)-1])
		}
	}
	if !whole {
		n.ZeroCount, n.PositiveCounts, h.Count = metric.Count{Float: 1.5}, counts, metric.Count{Float: float64(all) + 1.5}
		return h
	}
	zero, before := r.IntN(5), 0.
	for _, c := range counts {
		n.PositiveDeltas = append(n.PositiveDeltas, int64(c-before))
		before = c
	}
	n.ZeroCount, h.Count = metric.Count{Int: uint64(zero)}, metric.Count{Int: uint64(all + zero)}
	return h
}

// Native histograms add up to what Prometheus makes of them, and stay whole if
// all are.
func TestNativeHistograms(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 500 {
		whole := i%2 == 0
		var want *histogram.FloatHistogram
		var pushes []*exposition.Block
		for range 2 + r.IntN(3) {
			h := native(r, whole)
			if want == nil {
				want = exposition.ToFloatHistogram(h).Copy().Compact(0)
			} else if _, _, _, err := want.Add(exposition.ToFloatHistogram(h).Copy().Compact(0)); err != nil {
				t.Fatal(err)
			}
			pushes = append(pushes, block(t, &metric.Family{Name: "h", Type: metric.Histogram, Series: []metric.Series{{Histogram: h}}}))
		}
		got, err := total(t, sums.Push{MaxBuckets: 1000}, pushes...)
		if err != nil {
			t.Fatal(err)
		}
		for s := range got.EachSeries {
			if whole == exposition.IsFloat(s.Histogram) {
				t.Errorf("whole %v, but float %v", whole, !whole)
			}
			if h := exposition.ToFloatHistogram(s.Histogram); !h.Compact(0).Equals(want.Compact(0)) {
				t.Fatalf("got %v\nwant %v", h, want)
			}
		}
	}
}

// A native histogram without observations has one empty span if its zero threshold is
// 0. It can be added to, and stays native.
func TestEmptyNativeHistograms(t *testing.T) {
	of := func(counts ...int64) *exposition.Block {
		n := &metric.Native{Schema: 3, HasSchema: true, HasThreshold: true, PositiveSpans: []metric.Span{{Length: uint32(len(counts))}}, PositiveDeltas: counts}
		return block(t, &metric.Family{Name: "h", Type: metric.Histogram, Series: []metric.Series{{Histogram: &metric.Buckets{Count: metric.Count{Int: uint64(len(counts))}, Native: n}}}})
	}
	for name, tt := range map[string]struct {
		pushes []*exposition.Block
		count  float64
	}{
		"one":    {[]*exposition.Block{of()}, 0},
		"two":    {[]*exposition.Block{of(), of()}, 0},
		"first":  {[]*exposition.Block{of(), of(1)}, 1},
		"second": {[]*exposition.Block{of(1), of()}, 1},
		"among":  {[]*exposition.Block{of(), of(1), of(), of(1, 0), of()}, 3},
	} {
		got, err := total(t, sums.Push{MaxBuckets: 100}, tt.pushes...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for s := range got.EachSeries {
			if h := exposition.ToFloatHistogram(s.Histogram); !exposition.IsNative(s.Histogram) || h.Count != tt.count || h.Validate() != nil {
				t.Errorf("%s: got %v", name, h)
			}
		}
	}
}

// Over the bound of buckets, the resolution goes down, and nothing is lost. The
// first addition is no exception, and neither are gauges that are replaced.
func TestFewerBuckets(t *testing.T) {
	wide := func(typ metric.Type, floats bool) *exposition.Block {
		n := &metric.Native{Schema: 3, HasSchema: true, ZeroThreshold: 1e-10, HasThreshold: true, PositiveSpans: []metric.Span{{Length: 100}}}
		h := &metric.Buckets{Count: metric.Count{Int: 100}, Native: n}
		if n.PositiveDeltas = append([]int64{1}, make([]int64, 99)...); floats {
			n.PositiveDeltas, n.PositiveCounts, h.Count = nil, slices.Repeat([]float64{1}, 100), metric.Count{Float: 100}
		}
		return block(t, &metric.Family{Name: "h", Type: typ, Series: []metric.Series{{Histogram: h}}})
	}
	for _, typ := range []metric.Type{metric.Histogram, metric.GaugeHistogram} {
		for _, gauges := range []sums.Gauges{sums.ReplaceGauges, sums.SumGauges} {
			for pushes := 1; pushes <= 2; pushes++ {
				floats := pushes == 2
				got, err := total(t, sums.Push{MaxBuckets: 30, Gauges: gauges}, slices.Repeat([]*exposition.Block{wide(typ, floats)}, pushes)...)
				if err != nil {
					t.Fatal(err)
				}
				want := 100.
				if typ == metric.Histogram || gauges == sums.SumGauges {
					want *= float64(pushes)
				}
				wantFewer(t, got, want, floats)
			}
		}
	}
}

// wantFewer wants a histogram of so many observations in at most 30 buckets.
func wantFewer(t *testing.T, b *exposition.Block, want float64, floats bool) {
	t.Helper()
	for s := range b.EachSeries {
		h := exposition.ToFloatHistogram(s.Histogram)
		all := 0.
		for _, n := range h.PositiveBuckets {
			all += n
		}
		if len(h.PositiveBuckets) > 30 || h.Schema >= 3 || all != want || h.Count != want || exposition.IsFloat(s.Histogram) != floats {
			t.Errorf("%d buckets of schema %d hold %v of %v, want %v", len(h.PositiveBuckets), h.Schema, all, h.Count, want)
		}
	}
}

// In whatever order pushes come, and whether together or one by one, the sum is
// the same.
func TestOrderDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var pushes []*exposition.Block
	for range 50 {
		var b strings.Builder
		b.WriteString("# TYPE c counter\n")
		for _, name := range []string{"x", "y", "z"} {
			if r.IntN(3) > 0 {
				fmt.Fprintf(&b, "c{a=%q} %d\n", name, r.IntN(1000))
			}
		}
		b.WriteString("c{a=\"w\"} 1\n")
		pushes = append(pushes, text(t, b.String()))
	}
	want, err := total(t, sums.Push{}, pushes...)
	if err != nil {
		t.Fatal(err)
	}
	r.Shuffle(len(pushes), func(i, j int) { pushes[i], pushes[j] = pushes[j], pushes[i] })
	f := sums.Like(pushes[0])
	for _, push := range pushes {
		a, err := f.Plan(push, sums.Push{At: start})
		if err != nil {
			t.Fatal(err)
		}
		a.Apply()
	}
	got, err := f.Block(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	sorted := func(b *exposition.Block) []string {
		return slices.Sorted(slices.Values(strings.Split(lines(b), "\n")))
	}
	if !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("got\n%s\nwant\n%s", lines(got), lines(want))
	}
}
