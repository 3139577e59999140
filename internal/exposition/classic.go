package exposition

import (
	"math"

	"github.com/prometheus/prometheus/util/convertnhcb"

	"pushgateway/internal/metric"
)

// contradicts tells whether the buckets of a classic histogram contradict each
// other or its count. As text it is exposed all the same, as Pushgateway 1.11
// does. In delimited protobuf it would end the scrape of a Prometheus that is
// told to make native histograms of classic ones
// (convert_classic_histograms_to_nhcb), so there it is left out. So is a native
// histogram whose classic buckets are like that: a Prometheus that does not
// want native ones (scrape_native_histograms) converts these all the same.
func contradicts(t metric.Type, h *metric.Buckets) bool {
	if !t.IsHistogram() || isOrderly(h) {
		return false
	}
	c := convertnhcb.NewTempHistogram()
	_ = c.SetCount(h.Count.Value()) // Convert gives the first error of all
	_ = c.SetSum(h.Sum)
	for _, b := range h.Classic {
		_ = c.SetBucketCount(b.UpperBound, b.Count.Value())
	}
	_, _, err := c.Convert()
	return err != nil
}

// isOrderly finds at a glance the histograms that nearly everybody pushes:
// integer counts that grow with the bounds, up to that of all observations.
func isOrderly(h *metric.Buckets) bool {
	bound, count := math.Inf(-1), uint64(0)
	for _, b := range h.Classic {
		if !(b.UpperBound > bound) || b.Count.Float != 0 || b.Count.Int < count {
			return false
		}
		bound, count = b.UpperBound, b.Count.Int
	}
	return h.Count.Float == 0 && h.Count.Int < exact &&
		(count == h.Count.Int || count < h.Count.Int && !math.IsInf(bound, +1))
}
