package exposition

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/util/convertnhcb"

	"pushgateway/internal/metric"
)

// TestContradicts compares the verdict on random histograms with that of
// Prometheus, which is given all buckets as they are.
func TestContradicts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	bounds := []float64{math.Inf(-1), -1, math.Copysign(0, -1), 0, 1, 2, 3, 4, math.Inf(+1), math.NaN()}
	for range 200_000 {
		h := &metric.Buckets{Sum: 1, Count: metric.Count{Float: float64(rnd.IntN(5)) / 2}}
		want := convertnhcb.NewTempHistogram()
		_ = want.SetCount(h.Count.Value())
		_ = want.SetSum(h.Sum)
		for i := range rnd.IntN(8) {
			b := metric.Bucket{UpperBound: bounds[rnd.IntN(len(bounds))], Count: metric.Count{Float: float64(rnd.IntN(4)-rnd.IntN(12)/11) / 2}}
			if rnd.IntN(2) == 0 {
				b = metric.Bucket{UpperBound: float64(i), Count: metric.Count{Float: float64(i / 3)}}
			}
			h.Classic = append(h.Classic, b)
			_ = want.SetBucketCount(b.UpperBound, b.Count.Value())
		}
		_, _, err := want.Convert()
		if got := contradicts(metric.Histogram, h); got != (err != nil) && !isOrderly(h) {
			t.Fatalf("%+v: contradicts gives %t, Prometheus says %v", h, got, err)
		}
	}
}
