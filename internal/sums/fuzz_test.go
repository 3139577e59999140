package sums_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
	"pushgateway/internal/sums"
)

// FuzzAssociative adds families of three bodies in two ways: one after the other,
// and the last two first. The sums are the same within what floats allow, and a
// scrape can expose them.
func FuzzAssociative(f *testing.F) {
	const (
		counters  = "# HELP c some\n# TYPE c counter\nc{x=\"1\"} 1\nc{x=\"2\"} 0.1\n"
		more      = "# TYPE c counter\nc{x=\"2\"} 0.2\nc 1e15\n"
		gauges    = "# TYPE g gauge\ng{x=\"1\"} -1\ng NaN\n"
		summaries = "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 3.5\ns_count 2\n"
		classic   = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 5\nh_count 3\n"
		other     = "# TYPE h histogram\nh_bucket{le=\"2\"} 2\nh_bucket{le=\"5\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum -5\nh_count 3\n"
		third     = "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"5\"} 2\nh_sum 0\nh_count 3\n"
	)
	for _, bodies := range [][3]string{
		{counters, more, counters}, {more, counters, more}, {gauges, gauges, "# TYPE g gauge\ng 5\n"}, {summaries, summaries, summaries},
		{classic, other, classic}, {classic, other, third}, {counters + classic, more + other, more}, {"c 1e308\n", "c 1e308\n", "c 1\n"}, {"c -0\n", "c 0\n", "c -0\n"},
	} {
		for how := range byte(4) {
			f.Add([]byte(bodies[0]), []byte(bodies[1]), []byte(bodies[2]), how)
		}
	}
	f.Fuzz(func(t *testing.T, first, second, third []byte, how byte) {
		by := sums.Push{Gauges: sums.Gauges(how % 4), At: start, MaxBuckets: 100}
		for _, a := range families(first) {
			for _, b := range families(second) {
				for _, c := range families(third) {
					if a.Name == b.Name && b.Name == c.Name {
						checkAssociative(t, by, a, b, c)
					}
				}
			}
		}
	})
}

// families renders a body as a push does, or nothing if it is refused.
func families(body []byte) []*exposition.Block {
	p := exposition.GetParser()
	defer p.Release()
	all, err := p.ParseText(body)
	if err != nil {
		return nil
	}
	blocks, _ := exposition.Render(all, exposition.Options{Grouping: grouping})
	return blocks
}

func checkAssociative(t *testing.T, by sums.Push, a, b, c *exposition.Block) {
	t.Helper()
	first, err := plus(by, nil, a, b, c)
	var last *exposition.Block
	rest, err2 := plus(by, nil, b, c)
	if err2 == nil {
		last, err2 = plus(by, nil, a, rest)
	}
	switch {
	case err == nil && err2 == nil:
		checkEqual(t, first, last, scale(a, b, c)*1e-12)
	case (err == nil) != (err2 == nil) && !strings.Contains(reason(err)+reason(err2), "would"): // become infinite on the way
		t.Fatalf("one after the other: %v, the last two first: %v", err, err2)
	}
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// plus adds pushes to a block, which may be nil.
func plus(by sums.Push, to *exposition.Block, pushes ...*exposition.Block) (*exposition.Block, error) {
	for _, push := range pushes {
		f := sums.Like(push)
		if to != nil {
			f = sums.Of(to, nil, push)
		}
		plan, err := f.Plan(push, by)
		if err != nil {
			return nil, err
		}
		plan.Apply()
		if to, err = f.Block(0, nil); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// scale returns the largest number in blocks, as far as floats are about it.
func scale(blocks ...*exposition.Block) (most float64) {
	for _, b := range blocks {
		for s := range b.EachSeries {
			numbers := []float64{s.Value}
			if s.Summary != nil {
				numbers = append(numbers, s.Summary.Sum)
			}
			if s.Histogram != nil {
				numbers = append(numbers, s.Histogram.Sum, s.Histogram.Count.Value())
			}
			for _, n := range numbers {
				if n = math.Abs(n); n > most && !math.IsInf(n, 0) {
					most = n
				}
			}
		}
	}
	return most
}

// checkEqual compares sums. Floats may differ by rounding.
func checkEqual(t *testing.T, a, b *exposition.Block, rounding float64) {
	t.Helper()
	if a.Name != b.Name || a.Type != b.Type || a.Help != b.Help || a.Unit != b.Unit || a.Series() != b.Series() {
		t.Fatalf("got\n%s\nand\n%s", a.Text(), b.Text())
	}
	var others []metric.Series
	for s := range b.EachSeries {
		others = append(others, s)
	}
	i := 0
	for s := range a.EachSeries {
		if o := others[i]; !reflect.DeepEqual(s.Labels, o.Labels) || !reflect.DeepEqual(s.Created, o.Created) || !reflect.DeepEqual(s.Exemplar, o.Exemplar) || !near(s, o, rounding) {
			t.Fatalf("got\n%s\nand\n%s", a.Text(), b.Text())
		}
		i++
	}
}

func near(s, o metric.Series, rounding float64) bool {
	same := func(a, b float64) bool {
		return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= rounding
	}
	switch {
	case (s.Summary == nil) != (o.Summary == nil), (s.Histogram == nil) != (o.Histogram == nil):
		return false
	case s.Summary != nil:
		return s.Summary.Count == o.Summary.Count && same(s.Summary.Sum, o.Summary.Sum)
	case s.Histogram == nil:
		return same(s.Value, o.Value)
	case len(s.Histogram.Classic) != len(o.Histogram.Classic):
		return false
	}
	for i, b := range s.Histogram.Classic {
		if is := o.Histogram.Classic[i]; b.UpperBound != is.UpperBound || !same(b.Count.Value(), is.Count.Value()) {
			return false
		}
	}
	return same(s.Histogram.Count.Value(), o.Histogram.Count.Value()) && same(s.Histogram.Sum, o.Histogram.Sum)
}

// TestNativeAssociative does the same with random native histograms.
func TestNativeAssociative(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 300 {
		var blocks [3]*exposition.Block
		for n := range blocks {
			blocks[n] = block(t, &metric.Family{Name: "h", Type: metric.Histogram, Series: []metric.Series{{Histogram: native(r, i%2 == 0)}}})
		}
		checkAssociative(t, sums.Push{At: start, MaxBuckets: 1000}, blocks[0], blocks[1], blocks[2])
	}
}
