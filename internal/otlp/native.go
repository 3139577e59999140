package otlp

import (
	"cmp"
	"fmt"
	"math"
	"unsafe"

	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"

	"pushgateway/internal/metric"
)

// The resolutions of native histograms.
const (
	coarsest = -4
	finest   = 8
	// zeroThreshold is what Prometheus takes where none is given.
	zeroThreshold = 1e-128
)

// exponential makes a native histogram.
func (t *translator) exponential(s *metric.Series, p *metrics.ExponentialHistogramDataPoint) error {
	scale := p.GetScale()
	if scale < coarsest {
		return fmt.Errorf("the scale of a point is %d; native histograms begin at %d, so use more buckets", scale, coarsest)
	}
	down := int32(0)
	if scale > finest {
		down, scale = min(scale-finest, 31), finest
	}
	positive, negative := p.GetPositive(), p.GetNegative()
	if err := t.checkAddend(p.GetSum(), p.GetCount(), p.GetZeroCount(), positive.GetBucketCounts(), negative.GetBucketCounts()); err != nil {
		return err
	}
	if in, err := total(p.GetZeroCount(), positive.GetBucketCounts(), negative.GetBucketCounts()); err != nil || in > math.MaxInt64 {
		return cmp.Or(err, fmt.Errorf("a point counts %d observations, more than a native histogram can; export what was counted", in))
	}
	buckets := len(positive.GetBucketCounts()) + len(negative.GetBucketCounts())
	const size = 16 // of a bucket with its share of a span
	if err := t.Take(int(unsafe.Sizeof(metric.Buckets{})+unsafe.Sizeof(metric.Native{})) + 3*size*buckets); err != nil {
		return err
	}
	n := &metric.Native{Schema: scale, HasSchema: true, ZeroThreshold: p.GetZeroThreshold(), HasThreshold: true, ZeroCount: metric.Count{Int: p.GetZeroCount()}}
	if n.ZeroThreshold == 0 {
		n.ZeroThreshold = zeroThreshold
	}
	var err error
	if n.PositiveSpans, n.PositiveDeltas, err = layout(positive, down); err != nil {
		return err
	}
	if n.NegativeSpans, n.NegativeDeltas, err = layout(negative, down); err != nil {
		return err
	}
	h := &metric.Buckets{Count: metric.Count{Int: p.GetCount()}, Sum: p.GetSum(), Native: n}
	s.Histogram = h
	return t.nativeExemplars(h, p.GetExemplars())
}

// nativeExemplars adds exemplars to a native histogram.
func (t *translator) nativeExemplars(h *metric.Buckets, all []*metrics.Exemplar) error {
	var kept []metric.Exemplar
	for _, from := range all {
		e, err := t.exemplar(from)
		if err != nil {
			return err
		}
		if e != nil && e.Time != nil { // Prometheus wants a time
			kept = append(kept, *e)
		}
	}
	if len(kept) > 0 {
		h.Exemplars = &kept
	}
	return nil
}

// largestIndex bounds the index of a bucket, so that it fits after arithmetic.
const largestIndex = 1 << 30

// layout makes the spans and deltas of dense buckets, and merges 2^down of them
// into one. Bucket 0 of OTLP begins at 1, that of Prometheus ends there.
func layout(from *metrics.ExponentialHistogramDataPoint_Buckets, down int32) (spans []metric.Span, deltas []int64, err error) {
	counts, offset := from.GetBucketCounts(), int64(from.GetOffset())
	if offset < -largestIndex || offset+int64(len(counts)) > largestIndex {
		return nil, nil, fmt.Errorf("the offset of a point's buckets is %d, beyond the numbers of any value; export what was measured", offset)
	}
	next, before := int64(0), int64(0) // the index after the last bucket, and its count
	for i := 0; i < len(counts); {
		index, count := (int64(i)+offset)>>down+1, int64(0)
		for ; i < len(counts) && (int64(i)+offset)>>down+1 == index; i++ {
			count += int64(counts[i])
		}
		if count == 0 {
			continue
		}
		if len(spans) == 0 || index > next {
			spans = append(spans, metric.Span{Offset: int32(index - next)})
		}
		spans[len(spans)-1].Length++
		deltas = append(deltas, count-before)
		next, before = index+1, count
	}
	return spans, deltas, nil
}
