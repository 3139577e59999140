package sums

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"

	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
)

var (
	errNegative   = errors.New("counts less than nothing; push how much it grew")
	errOrder      = errors.New("has buckets that contradict each other or its count; push cumulative buckets")
	errKinds      = errors.New("is classic in one of both and native in the other, so they cannot be added up; push the same kind, or delete the group first")
	errBounds     = errors.New("has no bound of a bucket in common with that of the group; push the same buckets, or delete the group first")
	errResolution = errors.New("would have too many buckets even at the lowest resolution; push fewer")
)

// addGaugeHistogram treats a histogram of current values like other gauges.
func addGaugeHistogram(before *metric.Series, h *metric.Buckets, p Push) (sum *metric.Buckets, reconciled bool, err error) {
	switch {
	case before == nil || p.Gauges == ReplaceGauges:
		return h, false, nil
	case p.Gauges == SumGauges:
		return addHistogram(before, h, p.MaxBuckets)
	}
	return nil, false, errors.New("is a histogram, of which there is no largest or smallest; sum or replace it")
}

// addHistogram adds histograms. With different classic bounds, those in common
// remain, which is exact. Native histograms add as in Prometheus.
func addHistogram(before *metric.Series, h *metric.Buckets, maxBuckets int) (sum *metric.Buckets, reconciled bool, err error) {
	if err := checkHistogram(h); err != nil {
		return nil, false, err
	}
	if exposition.IsNative(h) {
		if err := checkBuckets(exposition.ToFloatHistogram(h)); err != nil {
			return nil, false, err
		}
	}
	if before == nil {
		return h, false, nil
	}
	old := before.Histogram
	sum = &metric.Buckets{Sum: old.Sum + h.Sum, Exemplars: orElse(h.Exemplars, old.Exemplars)}
	if err := checkSum(h.Sum, sum.Sum); err != nil {
		return nil, false, err
	}
	if sum.Count, err = addCounts(old.Count, h.Count); err != nil {
		return nil, false, err
	}
	wasNative, isNative := exposition.IsNative(old), exposition.IsNative(h)
	wasClassic, isClassic := isClassic(old), isClassic(h)
	if wasNative && isNative {
		if sum.Native, err = addNative(sum, old, h, maxBuckets); err != nil {
			return nil, false, err
		}
	}
	if wasClassic && isClassic {
		sum.Classic, reconciled, err = addClassic(old.Classic, h.Classic)
	}
	switch {
	case sum.Native == nil && !(wasClassic && isClassic):
		return nil, false, errKinds
	case err != nil && sum.Native == nil:
		return nil, false, err
	case err != nil || wasNative != isNative || wasClassic != isClassic:
		reconciled = true // the kind that only one of both has goes
	}
	return sum, reconciled, nil
}

// isClassic reports whether a histogram has classic buckets, or at least no
// others.
func isClassic(h *metric.Buckets) bool { return len(h.Classic) > 0 || !exposition.IsNative(h) }

// checkHistogram checks what a push adds.
func checkHistogram(h *metric.Buckets) error {
	if err := checkSum(h.Sum, h.Sum); err != nil {
		return err
	}
	if !isCount(h.Count) {
		return errNegative
	}
	before := 0.
	for i, b := range h.Classic {
		n := b.Count.Value()
		switch {
		case !isCount(b.Count):
			return errNegative
		case n < before, n > h.Count.Value(), i > 0 && !(b.UpperBound > h.Classic[i-1].UpperBound):
			return errOrder
		}
		before = n
	}
	return nil
}

func isCount(c metric.Count) bool { return c.Value() >= 0 && isFinite(c.Value()) }

func addCounts(a, b metric.Count) (metric.Count, error) {
	if a.Float == 0 && b.Float == 0 {
		n, err := addCount(a.Int, b.Int)
		return metric.Count{Int: n}, err
	}
	sum := a.Value() + b.Value()
	if !isFinite(sum) {
		return metric.Count{}, errCount
	}
	return metric.Count{Float: sum}, nil
}

// addClassic adds cumulative buckets. Only bounds that both have remain. The
// bound +Inf may be missing; it counts as the others do.
func addClassic(a, b []metric.Bucket) (sum []metric.Bucket, reconciled bool, err error) {
	finite := false
	for _, x := range a {
		i, found := slices.BinarySearchFunc(b, x.UpperBound, func(y metric.Bucket, bound float64) int {
			switch {
			case y.UpperBound < bound:
				return -1
			case y.UpperBound > bound:
				return 1
			}
			return 0
		})
		if !found {
			continue
		}
		y := b[i]
		n, err := addCounts(x.Count, y.Count)
		if err != nil {
			return nil, false, err
		}
		finite = finite || !math.IsInf(x.UpperBound, +1)
		sum = append(sum, metric.Bucket{UpperBound: x.UpperBound, Count: n, Exemplar: orElse(y.Exemplar, x.Exemplar)})
	}
	na, nb := finiteBounds(a), finiteBounds(b)
	if !finite && na+nb > 0 {
		return nil, false, errBounds
	}
	n := finiteBounds(sum)
	return sum, n < na || n < nb, nil
}

// orElse returns a, or b if a is nil.
func orElse[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

func finiteBounds(buckets []metric.Bucket) (n int) {
	for _, b := range buckets {
		if !math.IsInf(b.UpperBound, 0) {
			n++
		}
	}
	return n
}

// addNative adds native histograms as Prometheus does. The result is of floats
// if one of both is.
func addNative(sum, old, h *metric.Buckets, maxBuckets int) (*metric.Native, error) {
	a, b := exposition.ToFloatHistogram(old).Copy(), exposition.ToFloatHistogram(h)
	total, _, _, err := a.Add(b)
	if err != nil {
		return nil, fmt.Errorf("cannot be added up: %w", err)
	}
	total.Compact(0)
	for len(total.PositiveBuckets)+len(total.NegativeBuckets) > maxBuckets {
		if total.Schema <= histogram.ExponentialSchemaMin {
			return nil, errResolution
		}
		if err := total.ReduceResolution(total.Schema - 1); err != nil {
			return nil, fmt.Errorf("cannot get fewer buckets: %w", err)
		}
		total.Compact(0)
	}
	n := &metric.Native{
		Schema: total.Schema, ZeroThreshold: total.ZeroThreshold, HasSchema: true, HasThreshold: true,
		PositiveSpans: spansOf(total.PositiveSpans), NegativeSpans: spansOf(total.NegativeSpans),
	}
	if exposition.IsFloat(old) || exposition.IsFloat(h) {
		sum.Count = metric.Count{Float: sum.Count.Value()}
		n.ZeroCount, n.PositiveCounts, n.NegativeCounts = metric.Count{Float: total.ZeroCount}, total.PositiveBuckets, total.NegativeBuckets
		return n, nil
	}
	if total.Count >= exact {
		return nil, errCount
	}
	n.ZeroCount = metric.Count{Int: uint64(total.ZeroCount)}
	n.PositiveDeltas, n.NegativeDeltas = deltasOf(total.PositiveBuckets), deltasOf(total.NegativeBuckets)
	return n, nil
}

// exact is up to where floats hold every integer.
const exact = 1 << 53

func checkBuckets(h *histogram.FloatHistogram) error {
	for _, counts := range [][]float64{h.PositiveBuckets, h.NegativeBuckets, {h.ZeroCount}} {
		if slices.ContainsFunc(counts, func(n float64) bool { return !(n >= 0) || math.IsInf(n, 0) }) {
			return errNegative
		}
	}
	return nil
}

func spansOf(spans []histogram.Span) []metric.Span {
	out := make([]metric.Span, len(spans))
	for i, s := range spans {
		out[i] = metric.Span{Offset: s.Offset, Length: s.Length}
	}
	return out
}

// deltasOf returns the form of integer buckets: each but the first by how much
// it differs from the one before.
func deltasOf(counts []float64) []int64 {
	out, before := make([]int64, len(counts)), int64(0)
	for i, n := range counts {
		out[i] = int64(n) - before
		before = int64(n)
	}
	return out
}
