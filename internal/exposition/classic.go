package exposition

import (
	"cmp"
	"math"
	"slices"

	"github.com/prometheus/prometheus/util/convertnhcb"

	"pushgateway/internal/metric"
)

// contradicts reports whether the buckets of a classic histogram contradict
// each other or its count. As text it is exposed anyway, as in Pushgateway
// 1.11. In delimited protobuf it would make the scrape fail in a Prometheus
// that converts classic histograms to native ones
// (convert_classic_histograms_to_nhcb), so it is left out there. The same goes
// for a native histogram with such classic buckets, since a Prometheus without
// scrape_native_histograms converts these.
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

// setBuckets sets the buckets of a histogram, and reports whether it accepts
// them. It leaves out repeated bounds, which are ignored, and empty buckets:
// Convert cuts these out one by one, which takes time quadratic in their
// number, and finds nothing else wrong with them. The last bound counts.
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

// sortedBuckets returns buckets in the order of their bounds. Equal bounds keep
// their order. TempHistogram would insert each bucket in its place, which takes
// quadratic time for unsorted buckets.
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

// isOrderly quickly recognizes the usual histograms: integer counts that grow
// with the bounds up to the total count.
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
