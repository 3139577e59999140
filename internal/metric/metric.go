// Package metric holds families, series and their names as this program sees
// them while a push is read and checked. It knows no format and no storage.
//
// The types are plain data without locks: whoever made them may change them
// until they are handed on.
package metric

// Type is the type of a family. The numbers are those of MetricType in
// io.prometheus.client (client_model), so that a type is its own wire form.
type Type uint8

// The types a family can have.
const (
	Counter Type = iota
	Gauge
	Summary
	Untyped
	Histogram
	GaugeHistogram
	typeCount
)

var typeNames = [typeCount]string{"counter", "gauge", "summary", "untyped", "histogram", "gaugehistogram"}

// Valid tells whether t is one of the types above.
func (t Type) Valid() bool { return t < typeCount }

// String is the name of the type as people write it in a TYPE line.
func (t Type) String() string {
	if !t.Valid() {
		return "unknown"
	}
	return typeNames[t]
}

// IsHistogram is true for both kinds of histogram: they expose the same lines.
func (t Type) IsHistogram() bool { return t == Histogram || t == GaugeHistogram }

// Label is one name and value of a label set.
type Label struct{ Name, Value string }

// Family is what one push says of one metric name. The strings may point into
// the body of the push and live no longer than it.
type Family struct {
	Name   string
	Help   string
	Type   Type
	Series []Series
	// Distinct tells that no two series have the same labels.
	Distinct bool
	// EmptyHelp tells that there is a help text, and that it is empty, which is
	// not the same in protobuf as none.
	EmptyHelp bool
	// Line is the first one, from 1, that was about the family. It is 0 if it was
	// not read from text.
	Line int
}

// Series is one label set of a family with its value. Which of the value
// fields counts follows from the family's type.
type Series struct {
	Labels    []Label
	Value     float64    // counter, gauge, untyped
	Exemplar  *Exemplar  // counter
	Summary   *Quantiles // summary
	Histogram *Buckets   // histogram, gauge histogram
	Created   *Timestamp // counter, summary, histogram
	Timed     bool       // the sender gave a timestamp
	Missing   bool       // the sender gave no value of the family's type
}

// Quantiles is the value of a summary.
type Quantiles struct {
	Count     uint64
	Sum       float64
	Quantiles []Quantile
}

// Quantile is one quantile of a summary, in the order in which it was pushed.
type Quantile struct{ Quantile, Value float64 }

// Buckets is the value of a histogram: classic, native, or both at once.
type Buckets struct {
	Count   Count
	Sum     float64
	Classic []Bucket
	Native  *Native
	// Exemplars are those of a native histogram, nil if there are none. There may
	// be very many histograms, and few have any.
	Exemplars *[]Exemplar
}

// AllExemplars are those of a native histogram.
func (b *Buckets) AllExemplars() []Exemplar {
	if b.Exemplars == nil {
		return nil
	}
	return *b.Exemplars
}

// Count is a number of observations. Float overrides Int if it is not zero,
// as in the protobuf format.
type Count struct {
	Int   uint64
	Float float64
}

// Value is the count as the text format shows it.
func (c Count) Value() float64 {
	if c.Float != 0 {
		return c.Float
	}
	return float64(c.Int)
}

// Bucket is one bucket of a classic histogram, cumulative.
type Bucket struct {
	UpperBound float64
	Count      Count
	Exemplar   *Exemplar
}

// Native is what a native histogram has beyond count and sum. Its buckets are
// either integer deltas or absolute float counts.
type Native struct {
	Schema         int32
	ZeroThreshold  float64
	ZeroCount      Count
	NegativeSpans  []Span
	PositiveSpans  []Span
	NegativeDeltas []int64
	PositiveDeltas []int64
	NegativeCounts []float64
	PositiveCounts []float64
	HasSchema      bool
	HasThreshold   bool
}

// Span is a run of consecutive buckets of a native histogram.
type Span struct {
	Offset int32
	Length uint32
}

// Exemplar is one observation kept as an example, with its own labels.
type Exemplar struct {
	Labels []Label
	Value  float64
	Time   *Timestamp
}

// Timestamp is a point in time as protobuf has it.
type Timestamp struct {
	Seconds int64
	Nanos   int32
}
