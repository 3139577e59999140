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
	switch p.Gauges {
	case SumGauges:
		return addHistogram(before, h, p.MaxBuckets)
	case ReplaceGauges:
		h, err = within(h, p.MaxBuckets)
		return h, false, err
	}
	return nil, false, errors.New("is a histogram, of which there is no largest or smallest; sum or replace it")
}

// addHistogram adds histograms. With different classic bounds, those in common
// remain, which is exact. Native histograms add as in Prometheus.
func addHistogram(before *metric.Series, h *metric.Buckets, maxBuckets int) (sum *metric.Buckets, reconciled bool, err error) {
	if err := checkHistogram(h); err != nil {
		return nil, false, err
	}
	if before == nil {
		h, err = within(h, maxBuckets)
		return h, false, err
	}
	old := before.Histogram
	sum = &metric.Buckets{Sum: old.Sum + h.Sum, Exemplars: orElse(h.Exemplars, old.Exemplars)}
	if err := checkSum(h.Sum, sum.Sum); err != nil {
		return nil, false, err
	}
	add := addInts
	if hasFloats(old) || hasFloats(h) {
		add = addFloats
	}
	if sum.Count, err = add(old.Count, h.Count); err != nil {
		return nil, false, err
	}
	wasNative, isNative := exposition.IsNative(old), exposition.IsNative(h)
	wasClassic, isClassic := isClassic(old), isClassic(h)
	if wasNative && isNative {
		if sum.Native, err = addNative(old, h, maxBuckets); err != nil {
			return nil, false, err
		}
	}
	if wasClassic && isClassic {
		sum.Classic, reconciled, err = addClassic(old.Classic, h.Classic, add)
	}
	switch {
	case sum.Native == nil && !(wasClassic && isClassic):
		return nil, false, errKinds
	case err != nil && sum.Native == nil, errors.Is(err, errCount):
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
	if exposition.IsNative(h) {
		return checkBuckets(exposition.ToFloatHistogram(h), errNegative)
	}
	return nil
}

func isCount(c metric.Count) bool { return c.Value() >= 0 && isFinite(c.Value()) }

// hasFloats reports whether some counts of a histogram are floats. Then all of its
// sum are.
func hasFloats(h *metric.Buckets) bool {
	isFloat := func(b metric.Bucket) bool { return b.Count.Float != 0 }
	return h.Count.Float != 0 || slices.ContainsFunc(h.Classic, isFloat) || exposition.IsNative(h) && exposition.IsFloat(h)
}

func addInts(a, b metric.Count) (metric.Count, error) {
	n, err := addCount(a.Int, b.Int)
	return metric.Count{Int: n}, err
}

func addFloats(a, b metric.Count) (metric.Count, error) {
	sum := a.Value() + b.Value()
	if !isFinite(sum) {
		return metric.Count{}, errCount
	}
	return metric.Count{Float: sum}, nil
}

// addClassic adds cumulative buckets. Only bounds that both have remain. The
// bound +Inf may be missing; it counts as the others do.
func addClassic(a, b []metric.Bucket, add func(a, b metric.Count) (metric.Count, error)) (sum []metric.Bucket, reconciled bool, err error) {
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
		n, err := add(x.Count, y.Count)
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
func addNative(old, h *metric.Buckets, maxBuckets int) (*metric.Native, error) {
	// Prometheus' model may panic if a span is empty, as clients send one for a
	// histogram that has observed nothing.
	total, _, _, err := exposition.ToFloatHistogram(old).Copy().Compact(0).Add(exposition.ToFloatHistogram(h).Copy().Compact(0))
	if err != nil {
		return nil, fmt.Errorf("cannot be added up: %w", err)
	}
	if err := checkBuckets(total, errCount); err != nil {
		return nil, err
	}
	if err := reduce(total, maxBuckets); err != nil {
		return nil, err
	}
	return nativeOf(total, hasFloats(old) || hasFloats(h))
}

// within returns a histogram with at most so many native buckets. It copies it if
// it has more.
func within(h *metric.Buckets, maxBuckets int) (*metric.Buckets, error) {
	if n := h.Native; !exposition.IsNative(h) || buckets(n.PositiveSpans)+buckets(n.NegativeSpans) <= uint64(maxBuckets) {
		return h, nil
	}
	fewer := exposition.ToFloatHistogram(h).Copy()
	if err := reduce(fewer, maxBuckets); err != nil {
		return nil, err
	}
	n, err := nativeOf(fewer, hasFloats(h))
	if err != nil {
		return nil, err
	}
	c := *h
	c.Native = n
	return &c, nil
}

func buckets(spans []metric.Span) (n uint64) {
	for _, s := range spans {
		n += uint64(s.Length)
	}
	return n
}

// reduce lowers the resolution until there are at most so many buckets.
func reduce(h *histogram.FloatHistogram, maxBuckets int) error {
	for h.Compact(0); len(h.PositiveBuckets)+len(h.NegativeBuckets) > maxBuckets; h.Compact(0) {
		if h.Schema <= histogram.ExponentialSchemaMin {
			return errResolution
		}
		if err := h.ReduceResolution(h.Schema - 1); err != nil {
			return fmt.Errorf("cannot get fewer buckets: %w", err)
		}
	}
	return nil
}

// nativeOf returns the buckets of a histogram, with counts that are floats or
// integers. Integers that floats do not hold are an error.
func nativeOf(h *histogram.FloatHistogram, floats bool) (*metric.Native, error) {
	n := &metric.Native{
		Schema: h.Schema, ZeroThreshold: h.ZeroThreshold, HasSchema: true, HasThreshold: true,
		PositiveSpans: spansOf(h.PositiveSpans), NegativeSpans: spansOf(h.NegativeSpans),
	}
	if n.ZeroThreshold == 0 && h.ZeroCount == 0 && len(n.PositiveSpans)+len(n.NegativeSpans) == 0 {
		n.PositiveSpans = []metric.Span{{}} // or else it would not be native
	}
	if floats {
		n.ZeroCount, n.PositiveCounts, n.NegativeCounts = metric.Count{Float: h.ZeroCount}, h.PositiveBuckets, h.NegativeBuckets
		return n, nil
	}
	if h.Count >= exact {
		return nil, errCount
	}
	n.ZeroCount = metric.Count{Int: uint64(h.ZeroCount)}
	n.PositiveDeltas, n.NegativeDeltas = deltasOf(h.PositiveBuckets), deltasOf(h.NegativeBuckets)
	return n, nil
}

// exact is up to where floats hold every integer.
const exact = 1 << 53

// checkBuckets returns err if a native bucket counts less than nothing, or does not
// end.
func checkBuckets(h *histogram.FloatHistogram, err error) error {
	wrong := func(n float64) bool { return !(n >= 0) || math.IsInf(n, 0) }
	if wrong(h.ZeroCount) || slices.ContainsFunc(h.PositiveBuckets, wrong) || slices.ContainsFunc(h.NegativeBuckets, wrong) {
		return err
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
