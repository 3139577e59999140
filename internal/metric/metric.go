// Package metric defines families, series and their names as the gateway
// handles them while it reads and checks a push. It knows neither formats nor
// storage.
//
// The types are plain data without locks. Their creator may change them until
// it hands them on.
package metric

// Type is the type of a family. The numbers are those of MetricType in
// io.prometheus.client (client_model), so that a type is its own wire form.
type Type uint8

// The types of a family.
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

// Valid reports whether t is one of the types above.
func (t Type) Valid() bool { return t < typeCount }

// String returns the name of the type in a TYPE line.
func (t Type) String() string {
	if !t.Valid() {
		return "unknown"
	}
	return typeNames[t]
}

// IsHistogram reports whether t is one of the two histogram types, which expose
// the same lines.
func (t Type) IsHistogram() bool { return t == Histogram || t == GaugeHistogram }

// Label is one name and value of a label set.
type Label struct{ Name, Value string }

// Family is what one push says about one metric name. The strings may point
// into the body of the push, and are valid as long as it is.
type Family struct {
	Name   string
	Help   string
	Unit   string // of the values, like seconds; "" if unknown
	Type   Type
	Series []Series
	// Distinct means that no two series have the same labels.
	Distinct bool
	// EmptyHelp means that there is an empty help text, which protobuf
	// distinguishes from none.
	EmptyHelp bool
	// Line is the first line about the family, from 1, or 0 if it was not read
	// from text.
	Line int
}

// Series is one label set of a family with its value. The type of the family
// determines which value field is valid.
type Series struct {
	Labels    []Label
	Value     float64    // for counter, gauge, untyped
	Exemplar  *Exemplar  // for counter
	Summary   *Quantiles // for summary
	Histogram *Buckets   // for histogram, gauge histogram
	Created   *Timestamp // for counter, summary, histogram
	Timed     bool       // the sender set a timestamp
	Missing   bool       // the sender set no value for the family's type
}

// Quantiles is the value of a summary.
type Quantiles struct {
	Count     uint64
	Sum       float64
	Quantiles []Quantile
}

// Quantile is one quantile of a summary, in the order pushed.
type Quantile struct{ Quantile, Value float64 }

// Buckets is the value of a histogram: classic, native, or both.
type Buckets struct {
	Count   Count
	Sum     float64
	Classic []Bucket
	Native  *Native
	// Exemplars of a native histogram, nil if there are none. It is a pointer
	// since there may be many histograms and few have exemplars.
	Exemplars *[]Exemplar
}

// AllExemplars returns the exemplars of a native histogram.
func (b *Buckets) AllExemplars() []Exemplar {
	if b.Exemplars == nil {
		return nil
	}
	return *b.Exemplars
}

// Count is a number of observations. Float overrides Int if it is not zero, as
// in the protobuf format.
type Count struct {
	Int   uint64
	Float float64
}

// Value returns the count as the text format shows it.
func (c Count) Value() float64 {
	if c.Float != 0 {
		return c.Float
	}
	return float64(c.Int)
}

// Bucket is one cumulative bucket of a classic histogram.
type Bucket struct {
	UpperBound float64
	Count      Count
	Exemplar   *Exemplar
}

// Native holds the fields of a native histogram beyond count and sum. Its
// buckets are either integer deltas or absolute float counts.
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

// Exemplar is an observation that serves as an example, with its own labels.
type Exemplar struct {
	Labels []Label
	Value  float64
	Time   *Timestamp
}

// Timestamp is a point in time as in protobuf.
type Timestamp struct {
	Seconds int64
	Nanos   int32
}
