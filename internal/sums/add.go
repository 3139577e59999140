package sums

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"pushgateway/internal/metric"
)

// add returns the sum of a series and what a push adds to it. before is nil if
// there is none. It changes neither. reconciled reports whether a histogram lost
// buckets.
func add(t metric.Type, before, pushed *metric.Series, p Push) (sum metric.Series, reconciled bool, err error) {
	sum = *pushed
	sum.Created = startOf(t, before, pushed, p.At)
	if before != nil {
		sum.Exemplar = orElse(pushed.Exemplar, before.Exemplar)
	}
	switch t {
	case metric.Counter, metric.Untyped:
		sum.Value, err = addValue(before, pushed.Value)
	case metric.Gauge:
		sum.Value = addGauge(before, pushed.Value, p.Gauges)
	case metric.Summary:
		sum.Summary, err = addSummary(before, pushed.Summary)
	case metric.Histogram:
		sum.Histogram, reconciled, err = addHistogram(before, pushed.Histogram, p.MaxBuckets)
	case metric.GaugeHistogram:
		sum.Histogram, reconciled, err = addGaugeHistogram(before, pushed.Histogram, p)
	}
	return sum, reconciled, err
}

// startOf returns the start time of a sum: that of its first addition. With it,
// Prometheus knows that the sum was 0 before.
func startOf(t metric.Type, before, pushed *metric.Series, at time.Time) *metric.Timestamp {
	switch {
	case t == metric.Gauge || t == metric.GaugeHistogram || t == metric.Untyped:
		return nil
	case before != nil:
		return before.Created // none if a plain push made the series: what it had counted then is not known
	case pushed.Created != nil:
		return pushed.Created
	}
	return &metric.Timestamp{Seconds: at.Unix(), Nanos: int32(at.Nanosecond())}
}

func addValue(before *metric.Series, v float64) (float64, error) {
	if v < 0 || !isFinite(v) {
		return 0, fmt.Errorf("adds %v, but a sum takes only finite numbers that are not negative; push by how much it grew, or push a gauge", v)
	}
	sum := v
	if before != nil {
		sum += before.Value
	}
	// Without a sum before, a group may have got any value by a plain push.
	if !isFinite(sum) {
		return 0, fmt.Errorf("would become %v; replace or delete the group to begin anew", sum)
	}
	return sum, nil
}

// addGauge never fails: a gauge may have any value. A number wins over NaN,
// which says that there is no value.
func addGauge(before *metric.Series, v float64, how Gauges) float64 {
	if before == nil || how == ReplaceGauges {
		return v
	}
	old := before.Value
	switch {
	case how == SumGauges:
		return old + v
	case math.IsNaN(v):
		return old
	case math.IsNaN(old):
		return v
	case how == MaxGauges:
		return max(old, v)
	}
	return min(old, v)
}

// addSummary adds counts and sums. Quantiles of different observations cannot be
// added up, so they go.
func addSummary(before *metric.Series, s *metric.Quantiles) (*metric.Quantiles, error) {
	const uncountable = 1 << 63 // what negative counts and NaN in text become at least
	if s.Count >= uncountable {
		return nil, errors.New("has a count that is negative, too large or no number; push how many it has observed")
	}
	sum := &metric.Quantiles{Count: s.Count, Sum: s.Sum}
	if before != nil {
		var err error
		if sum.Count, err = addCount(before.Summary.Count, s.Count); err != nil {
			return nil, err
		}
		sum.Sum += before.Summary.Sum
	}
	return sum, checkSum(s.Sum, sum.Sum)
}

// checkSum checks the sum of observations in a push, and what it becomes.
func checkSum(pushed, sum float64) error {
	switch {
	case !isFinite(pushed):
		return fmt.Errorf("has the sum %v, which cannot be added; push a finite one", pushed)
	case !isFinite(sum):
		return fmt.Errorf("would get the sum %v; replace or delete the group to begin anew", sum)
	}
	return nil
}

var errCount = errors.New("would count more than a counter holds; replace or delete the group to begin anew")

func addCount(a, b uint64) (uint64, error) {
	sum, carry := bits.Add64(a, b, 0)
	if carry > 0 {
		return 0, errCount
	}
	return sum, nil
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
