package exposition

import (
	"cmp"
	"math"
	"slices"

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
	if !setBuckets(&c, sortedBuckets(h.Classic)) {
		return true
	}
	_, _, err := c.Convert()
	return err != nil
}

// setBuckets gives a histogram its buckets, and tells whether it takes them. It
// leaves out those of bounds that came before, which are ignored, and those in
// which nothing was counted: Convert cuts them out one by one, which takes the
// square of their number, and finds nothing else of them. The last bound counts.
func setBuckets(c *convertnhcb.TempHistogram, sorted []plainBucket) bool {
	before := -1.0 // what the bucket counts that was set last
	for i, b := range sorted {
		twice := i > 0 && b.bound == sorted[i-1].bound
		empty := b.count == before && i < len(sorted)-1 && !math.IsInf(b.bound, +1)
		if (twice || empty) && !(b.count < 0) {
			continue
		}
		if c.SetBucketCount(b.bound, b.count) != nil {
			return false
		}
		before = b.count
	}
	return true
}

type plainBucket struct {
	bound, count float64
	at           int
}

// sortedBuckets gives buckets in the order of their bounds, equal ones as they
// came. TempHistogram puts each into its place, which takes the square of their
// number where they come in another order.
func sortedBuckets(buckets []metric.Bucket) []plainBucket {
	sorted := make([]plainBucket, len(buckets))
	for i, b := range buckets {
		sorted[i] = plainBucket{b.UpperBound, b.Count.Value(), i}
	}
	slices.SortFunc(sorted, func(a, b plainBucket) int {
		return cmp.Or(cmp.Compare(a.bound, b.bound), cmp.Compare(a.at, b.at))
	})
	return sorted
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
