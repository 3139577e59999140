package exposition

import (
	"errors"
	"math"

	"github.com/prometheus/prometheus/model/histogram"

	"pushgateway/internal/metric"
)

// isNative reports whether Prometheus takes h for a native histogram. Otherwise
// it ignores Native.
func isNative(n *metric.Native) bool {
	return n != nil && (len(n.PositiveSpans) > 0 || len(n.NegativeSpans) > 0 || n.ZeroThreshold > 0 || n.ZeroCount.Int > 0)
}

// IsFloat reports whether Prometheus takes h for a float histogram.
func IsFloat(h *metric.Buckets) bool {
	n := h.Native
	return h.Count.Float > 0 || n.ZeroCount.Float > 0 || len(n.PositiveCounts) > 0 || len(n.NegativeCounts) > 0
}

var (
	errThreshold = errors.New("its zero threshold is negative or not finite")
	errSpans     = errors.New("its spans have buckets beyond all numbers")
)

// inRange reports whether the buckets of spans have indexes of 32 bits. Prometheus'
// own model counts on that when it adds histograms, but does not check it.
func inRange(spans []metric.Span) bool {
	next := int64(0)
	for _, s := range spans {
		if next += int64(s.Offset); next < math.MinInt32 || next+int64(s.Length) > math.MaxInt32 {
			return false
		}
		next += int64(s.Length)
	}
	return true
}

var errMixed = errors.New("it has both integer and float buckets")

// mayBeNative is isNative for all versions of Prometheus: 2.x takes buckets
// alone for a native histogram.
func mayBeNative(n *metric.Native) bool {
	buckets := len(n.PositiveDeltas) + len(n.NegativeDeltas) + len(n.PositiveCounts) + len(n.NegativeCounts)
	return isNative(n) || buckets > 0
}

// checkNative returns the verdict of Prometheus' own model on h.Native, since
// one series that it refuses makes the scrape fail.
func checkNative(h *metric.Buckets) error {
	n := h.Native
	if !mayBeNative(n) {
		return nil
	}
	if t := n.ZeroThreshold; !(t >= 0) || math.IsInf(t, 1) {
		return errThreshold
	}
	if !inRange(n.PositiveSpans) || !inRange(n.NegativeSpans) {
		return errSpans
	}
	if !IsFloat(h) {
		return toHistogram(h).Validate()
	}
	if len(n.PositiveDeltas)+len(n.NegativeDeltas) > 0 {
		return errMixed
	}
	return ToFloatHistogram(h).Validate()
}

// IsNative reports whether the histogram is native.
func IsNative(h *metric.Buckets) bool { return isNative(h.Native) }

// toHistogram converts a native integer histogram to Prometheus' own type. It
// shares the buckets with h.
func toHistogram(h *metric.Buckets) *histogram.Histogram {
	n := h.Native
	return &histogram.Histogram{
		Schema: n.Schema, ZeroThreshold: n.ZeroThreshold, ZeroCount: n.ZeroCount.Int, Count: h.Count.Int, Sum: h.Sum,
		PositiveSpans: toSpans(n.PositiveSpans), NegativeSpans: toSpans(n.NegativeSpans),
		PositiveBuckets: n.PositiveDeltas, NegativeBuckets: n.NegativeDeltas,
	}
}

// ToFloatHistogram is toHistogram for both kinds of buckets, for callers that
// do not care which it was.
func ToFloatHistogram(h *metric.Buckets) *histogram.FloatHistogram {
	if !IsFloat(h) {
		return toHistogram(h).ToFloat(nil)
	}
	n := h.Native
	return &histogram.FloatHistogram{
		Schema: n.Schema, ZeroThreshold: n.ZeroThreshold, ZeroCount: n.ZeroCount.Float, Count: h.Count.Float, Sum: h.Sum,
		PositiveSpans: toSpans(n.PositiveSpans), NegativeSpans: toSpans(n.NegativeSpans),
		PositiveBuckets: n.PositiveCounts, NegativeBuckets: n.NegativeCounts,
	}
}

func toSpans(spans []metric.Span) []histogram.Span {
	out := make([]histogram.Span, len(spans))
	for i, s := range spans {
		out[i] = histogram.Span{Offset: s.Offset, Length: s.Length}
	}
	return out
}
