package otlp

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

// point is what all kinds of points have.
type point interface {
	GetAttributes() []*common.KeyValue
	GetStartTimeUnixNano() uint64
	GetTimeUnixNano() uint64
	GetFlags() uint32
}

// points translates the points of a metric into series of t.to.
func (t *translator) points(m *metrics.Metric) error {
	switch d := m.GetData().(type) {
	case *metrics.Metric_Gauge:
		return eachPoint(t, m, d.Gauge.GetDataPoints(), t.number)
	case *metrics.Metric_Sum:
		return eachPoint(t, m, d.Sum.GetDataPoints(), t.number)
	case *metrics.Metric_Histogram:
		return eachPoint(t, m, d.Histogram.GetDataPoints(), t.histogram)
	case *metrics.Metric_ExponentialHistogram:
		return eachPoint(t, m, d.ExponentialHistogram.GetDataPoints(), t.exponential)
	case *metrics.Metric_Summary:
		return eachPoint(t, m, d.Summary.GetDataPoints(), t.summary)
	}
	return nil
}

// noValue reports whether a point only says that its series has no value any
// more.
func noValue(p point) bool {
	return metrics.DataPointFlags(p.GetFlags())&metrics.DataPointFlags_DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK != 0
}

// eachPoint translates points. set sets the value of a series. An error rejects
// its point alone, unless nothing more may be taken.
func eachPoint[P point](t *translator, m *metrics.Metric, points []P, set func(*metric.Series, P) error) error {
	const most = 1 << 10 // the others may all be of the same series
	if err := t.reserve(min(len(points), most)); err != nil {
		return err
	}
	for _, p := range points {
		err := addPoint(t, p, set)
		switch {
		case err == nil:
		case errors.Is(err, guard.ErrTooLarge), errors.Is(err, guard.ErrBusy):
			return err
		default:
			t.to.Points--
			t.rejected.Add(1, "metric %q: %v", excerpt.Of(m.GetName()), err)
		}
	}
	return nil
}

func addPoint[P point](t *translator, p P, set func(*metric.Series, P) error) error {
	s, gone := &t.present, noValue(p)
	*s = metric.Series{}
	if !gone {
		if err := set(s, p); err != nil {
			return err
		}
	}
	var err error
	if s.Labels, err = t.labelsOf(p.GetAttributes(), nil); err != nil {
		return err
	}
	if start := p.GetStartTimeUnixNano(); start != 0 && t.to.Type != metric.Gauge {
		const chunk = 64
		if len(t.times) == 0 {
			if err := t.pay(chunk * int(unsafe.Sizeof(metric.Timestamp{}))); err != nil {
				return err
			}
			t.times = make([]metric.Timestamp, chunk)
		}
		s.Created, t.times = &t.times[0], t.times[1:]
		*s.Created = *timestamp(start)
	}
	return t.place(*s, p.GetTimeUnixNano(), gone)
}

func timestamp(nanos uint64) *metric.Timestamp {
	const second = 1_000_000_000
	return &metric.Timestamp{Seconds: int64(nanos / second), Nanos: int32(nanos % second)}
}

func (t *translator) number(s *metric.Series, p *metrics.NumberDataPoint) error {
	switch v := p.GetValue().(type) {
	case *metrics.NumberDataPoint_AsInt:
		s.Value = float64(v.AsInt)
	case *metrics.NumberDataPoint_AsDouble:
		s.Value = v.AsDouble
	default:
		return errors.New("a point has no value; set it, or the flag that there is none")
	}
	if t.to.Type != metric.Counter {
		return nil
	}
	if t.to.Delta && (!(s.Value >= 0) || math.IsInf(s.Value, +1)) {
		return fmt.Errorf("a point adds %v to a sum that only grows; export finite deltas that are not negative", s.Value)
	}
	latest := latestOf(p.GetExemplars())
	if latest == nil {
		return nil
	}
	e, err := t.exemplar(latest)
	s.Exemplar = e
	return err
}

// latestOf returns the exemplar that was taken last.
func latestOf(all []*metrics.Exemplar) (latest *metrics.Exemplar) {
	for _, e := range all {
		if latest == nil || e.GetTimeUnixNano() >= latest.GetTimeUnixNano() {
			latest = e
		}
	}
	return latest
}

// maxExemplarRunes is what Prometheus stores of the labels of an exemplar.
const maxExemplarRunes = 128

// exemplar translates an exemplar. Attributes for which there is no room are
// left out.
func (t *translator) exemplar(from *metrics.Exemplar) (*metric.Exemplar, error) {
	attributes, err := t.labelsOf(from.GetFilteredAttributes(), nil)
	if err != nil {
		return nil, nil // the point counts for more than its exemplar
	}
	if err := t.Take(int(unsafe.Sizeof(metric.Exemplar{})) + 200); err != nil {
		return nil, err
	}
	e := &metric.Exemplar{Value: valueOf(from)}
	if from.GetTimeUnixNano() != 0 {
		e.Time = timestamp(from.GetTimeUnixNano())
	}
	for _, id := range []struct {
		name  string
		bytes []byte
		size  int
	}{{"trace_id", from.GetTraceId(), 16}, {"span_id", from.GetSpanId(), 8}} {
		if len(id.bytes) > 0 {
			e.Labels = append(e.Labels, metric.Label{Name: id.name, Value: idOf(id.bytes, id.size)})
		}
	}
	left := maxExemplarRunes - runesOf(e.Labels)
	if n := runesOf(attributes); n <= left {
		e.Labels = append(e.Labels, attributes...)
	}
	return e, nil
}

// idOf returns an identifier in hexadecimal. JSON has it like that, where the
// reader of JSON expects base64.
func idOf(id []byte, size int) string {
	if text := base64.StdEncoding.EncodeToString(id); len(id) != size && len(text) == 2*size {
		return strings.ToLower(text)
	}
	return hex.EncodeToString(id)
}

func runesOf(labels []metric.Label) (n int) {
	for _, l := range labels {
		n += utf8.RuneCountInString(l.Name) + utf8.RuneCountInString(l.Value)
	}
	return n
}

func valueOf(e *metrics.Exemplar) float64 {
	if v, ok := e.GetValue().(*metrics.Exemplar_AsInt); ok {
		return float64(v.AsInt)
	}
	return e.GetAsDouble()
}

func (t *translator) histogram(s *metric.Series, p *metrics.HistogramDataPoint) error {
	bounds, counts := p.GetExplicitBounds(), p.GetBucketCounts()
	if len(counts) != len(bounds)+1 && len(counts)+len(bounds) > 0 {
		return fmt.Errorf("a point has %d buckets for %d bounds; there must be one more", len(counts), len(bounds))
	}
	if !rise(bounds) {
		return errors.New("the bounds of a histogram do not rise; sort them")
	}
	inBuckets := counts
	if len(counts) == 0 {
		inBuckets = []uint64{p.GetCount()}
	}
	if _, err := total(0, counts); err != nil {
		return err
	}
	if err := t.checkAddend(p.GetSum(), p.GetCount(), 0, inBuckets); err != nil {
		return err
	}
	if err := t.Take(int(unsafe.Sizeof(metric.Buckets{})) + (len(bounds)+1)*int(unsafe.Sizeof(metric.Bucket{}))); err != nil {
		return err
	}
	h := &metric.Buckets{Sum: p.GetSum(), Count: metric.Count{Int: p.GetCount()}}
	sum := uint64(0)
	for i, bound := range bounds {
		if math.IsInf(bound, +1) {
			break
		}
		sum += counts[i]
		h.Classic = append(h.Classic, metric.Bucket{UpperBound: bound, Count: metric.Count{Int: sum}})
	}
	h.Classic = append(h.Classic, metric.Bucket{UpperBound: math.Inf(+1), Count: h.Count})
	s.Histogram = h
	return t.bucketExemplars(h, p.GetExemplars())
}

// rise reports whether each number is above the one before.
func rise(numbers []float64) bool {
	for i, n := range numbers {
		if math.IsNaN(n) || i > 0 && n <= numbers[i-1] {
			return false
		}
	}
	return true
}

// bucketExemplars gives each bucket the latest exemplar in it.
func (t *translator) bucketExemplars(h *metric.Buckets, all []*metrics.Exemplar) error {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b *metrics.Exemplar) int { return cmp.Compare(a.GetTimeUnixNano(), b.GetTimeUnixNano()) })
	for _, from := range sorted {
		e, err := t.exemplar(from)
		if err != nil {
			return err
		}
		if e == nil {
			continue
		}
		i, _ := slices.BinarySearchFunc(h.Classic, e.Value, func(b metric.Bucket, v float64) int { return cmp.Compare(b.UpperBound, v) })
		if i < len(h.Classic) {
			h.Classic[i].Exemplar = e
		}
	}
	return nil
}

func (t *translator) summary(s *metric.Series, p *metrics.SummaryDataPoint) error {
	quantiles := p.GetQuantileValues()
	if err := t.Take(int(unsafe.Sizeof(metric.Quantiles{})) + 2*len(quantiles)*int(unsafe.Sizeof(metric.Quantile{}))); err != nil {
		return err
	}
	s.Summary = &metric.Quantiles{Count: p.GetCount(), Sum: p.GetSum(), Quantiles: make([]metric.Quantile, 0, len(quantiles))}
	for _, q := range quantiles {
		s.Summary.Quantiles = append(s.Summary.Quantiles, metric.Quantile{Quantile: q.GetQuantile(), Value: q.GetValue()})
	}
	return checkQuantiles(s.Summary.Quantiles)
}

// checkQuantiles refuses quantiles that are none, and repeated ones, which would
// be the same series.
func checkQuantiles(all []metric.Quantile) error {
	byQuantile := func(a, b metric.Quantile) int { return cmp.Compare(a.Quantile, b.Quantile) }
	if !slices.IsSortedFunc(all, byQuantile) {
		all = slices.Clone(all)
		slices.SortFunc(all, byQuantile)
	}
	for i, q := range all {
		switch {
		case !(q.Quantile >= 0 && q.Quantile <= 1):
			return fmt.Errorf("a point has the quantile %v; export quantiles from 0 to 1", q.Quantile)
		case i > 0 && q.Quantile == all[i-1].Quantile:
			return fmt.Errorf("a point has the quantile %v twice; export each once", q.Quantile)
		}
	}
	return nil
}
