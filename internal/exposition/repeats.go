package exposition

import (
	"math"
	"slices"

	"pushgateway/internal/metric"
)

// Each bucket of a classic histogram and each quantile of a summary is a series of
// its own for Prometheus. If one comes twice, Prometheus drops the second at each
// scrape, and counts and logs it as a duplicate.

// checkRepeats refuses a series that has a bucket or a quantile twice. If repeated
// series are left out, it leaves out the later of both. What is stored already stays
// as it is.
func (r *renderer) checkRepeats(f *metric.Family, s *metric.Series) error {
	switch {
	case r.opts.Bare:
		return nil
	case s.Summary != nil:
		return checkParts(r, f, s, &s.Summary.Quantiles, func(q metric.Quantile) float64 { return q.Quantile })
	case s.Histogram != nil:
		return checkParts(r, f, s, &s.Histogram.Classic, func(b metric.Bucket) float64 { return b.UpperBound })
	}
	return nil
}

// checkParts checks the buckets or the quantiles of a series, which have numbers.
func checkParts[T any](r *renderer, f *metric.Family, s *metric.Series, parts *[]T, number func(T) float64) error {
	if isAscending(*parts, number) {
		return nil
	}
	const entry = 48 // of a map
	if err := r.memory.take(entry * len(*parts)); err != nil {
		return err
	}
	defer r.memory.put(entry * len(*parts))
	seen, kept := make(map[uint64]bool, len(*parts)), (*parts)[:0]
	for _, part := range *parts {
		n := asWritten(number(part))
		switch {
		case !seen[n]:
			kept = append(kept, part)
		case r.opts.Duplicate == nil:
			return invalid(f.Name, "the series %s occurs twice in the push; push it once", formatPart(f, s, number(part)))
		default:
			r.opts.Duplicate()
		}
		seen[n] = true
	}
	*parts = kept
	return nil
}

// isAscending quickly recognizes the usual order, in which nothing repeats.
func isAscending[T any](parts []T, number func(T) float64) bool {
	for i := 1; i < len(parts); i++ {
		if !(number(parts[i-1]) < number(parts[i])) {
			return false
		}
	}
	return true
}

// asWritten returns bits that are equal if two numbers are the same in text.
func asWritten(v float64) uint64 {
	switch {
	case math.IsNaN(v):
		return math.Float64bits(math.NaN())
	case v == 0:
		return 0
	}
	return math.Float64bits(v)
}

// formatPart formats the series of a bucket or a quantile, for messages.
func formatPart(f *metric.Family, s *metric.Series, number float64) string {
	name := f.Name
	if f.Type.IsHistogram() {
		name += metric.BucketSuffix
	}
	special := metric.Label{Name: specialLabel(f.Type), Value: string(appendFloat(nil, number))}
	return FormatSeries(name, append(slices.Clone(s.Labels), special))
}
