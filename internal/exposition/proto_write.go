package exposition

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/metric"
)

// appendProto writes the series, whose labels are in r.msg, as one field
// "metric" of a MetricFamily.
func (r *renderer) appendProto(b []byte, f *metric.Family, s *metric.Series) []byte {
	if isNumber(f.Type, s) {
		b = appendMetricHead(b, len(r.msg)+plainValueSize)
		return appendPlainValue(append(b, r.msg...), f.Type, s.Value)
	}
	r.part = appendValue(r.part[:0], f.Type, s)
	value := sizeBytes(len(r.part)) // the field number is below 16
	b = append(appendMetricHead(b, len(r.msg)+value), r.msg...)
	return appendMessage(b, valueFields[f.Type], r.part)
}

// appendMetricHead begins a series that is followed by size bytes.
func appendMetricHead(b []byte, size int) []byte {
	return protowire.AppendVarint(append(b, 4<<3|byte(protowire.BytesType)), uint64(size))
}

// plainValueSize is the size of what appendPlainValue appends.
const plainValueSize = 2 + plainNumberSize

// plainNumberSize is the size of a message with a single number.
const plainNumberSize = 1 + 8

// valueSize is the size of the value of a plain series, with its field. It does
// not change from push to push.
func valueSize(t metric.Type, s *metric.Series) int {
	if specialLabel(t) == "" {
		return plainValueSize
	}
	return specialSize(t, specialLines(s))
}

// specialSize is like valueSize, for a summary or histogram with this many
// quantiles or buckets.
func specialSize(t metric.Type, parts int) int {
	const total = plainNumberSize + wholeSize // sum and count
	part := wholeSize + plainNumberSize
	if t == metric.Summary {
		part = 2 * plainNumberSize
	}
	return sizeBytes(total + parts*sizeBytes(part))
}

// appendPlainValue writes the value of a series that is a single number.
func appendPlainValue(b []byte, t metric.Type, v float64) []byte {
	b = append(b, byte(valueFields[t])<<3|byte(protowire.BytesType), plainNumberSize, 1<<3|byte(protowire.Fixed64Type))
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}

// isNumber reports whether the value is a single number, as most are.
func isNumber(t metric.Type, s *metric.Series) bool {
	return t != metric.Summary && !t.IsHistogram() && s.Exemplar == nil && s.Created == nil
}

// appendFamily writes the head of a delimited MetricFamily that is followed by
// the blocks' Proto, size bytes in total.
func appendFamily(b []byte, name, help string, hasHelp bool, unit string, t metric.Type, size int) []byte {
	b = protowire.AppendVarint(b, uint64(headSize(name, help, hasHelp, unit, t)+size))
	return appendHead(b, name, help, hasHelp, unit, t)
}

// appendHead appends the fields of a MetricFamily except its metrics.
func appendHead(b []byte, name, help string, hasHelp bool, unit string, t metric.Type) []byte {
	b = appendString(b, 1, name)
	if hasHelp {
		b = appendString(b, 2, help)
	}
	b = appendInt(b, 3, uint64(t))
	if unit != "" {
		b = appendString(b, unitField, unit)
	}
	return b
}

// headSize is the size of what appendHead appends.
func headSize(name, help string, hasHelp bool, unit string, t metric.Type) int {
	size := sizeBytes(len(name)) + 1 + protowire.SizeVarint(uint64(t))
	if hasHelp {
		size += sizeBytes(len(help))
	}
	if unit != "" {
		size += sizeBytes(len(unit))
	}
	return size
}

// unitField is the number of the field with the unit.
const unitField = 5

func appendMessage(b []byte, num protowire.Number, msg []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendBytes(b, msg)
}

func appendString(b []byte, num protowire.Number, s string) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendString(b, s)
}

func appendInt(b []byte, num protowire.Number, v uint64) []byte {
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, v)
}

// wholeSize is the size of what appendWhole appends for numbers that a float64
// can hold, with a field number below 16.
const wholeSize = 1 + 8

// appendWhole writes a count in a fixed number of bytes. Varints may be longer
// than necessary.
func appendWhole(b []byte, num protowire.Number, v uint64) []byte {
	b = protowire.AppendTag(b, num, protowire.VarintType)
	if v >= 1<<56 {
		return protowire.AppendVarint(b, v)
	}
	const more = 0x80
	for range 7 {
		b = append(b, byte(v)|more)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendDouble(b []byte, num protowire.Number, v float64) []byte {
	b = protowire.AppendTag(b, num, protowire.Fixed64Type)
	return protowire.AppendFixed64(b, math.Float64bits(v))
}

func appendLabelPairs(b []byte, num protowire.Number, labels []metric.Label) []byte {
	for _, l := range labels {
		b = appendLabelPair(b, num, l.Name, l.Value)
	}
	return b
}

func appendLabelPair(b []byte, num protowire.Number, name, value string) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	if len(name)+len(value) < 0x80-4 { // all lengths fit into a byte
		b = append(b, byte(len(name)+len(value)+4), 1<<3|byte(protowire.BytesType), byte(len(name)))
		b = append(b, name...)
		b = append(b, 2<<3|byte(protowire.BytesType), byte(len(value)))
		return append(b, value...)
	}
	b = protowire.AppendVarint(b, uint64(sizeString(name)+sizeString(value)))
	return appendString(appendString(b, 1, name), 2, value)
}

// sizeLabelPair is the size of what appendLabelPair appends for a field number
// below 16.
func sizeLabelPair(name, value string) int { return sizeBytes(sizeString(name) + sizeString(value)) }

// sizeString is the size of a string field with a number below 16.
func sizeString(s string) int { return sizeBytes(len(s)) }

// sizeBytes is the size of a length-delimited field with a number below 16.
func sizeBytes(n int) int { return 1 + protowire.SizeBytes(n) }

func appendValue(b []byte, t metric.Type, s *metric.Series) []byte {
	switch {
	case t == metric.Summary:
		return appendSummary(b, s)
	case t.IsHistogram():
		return appendHistogram(b, s)
	}
	b = appendDouble(b, 1, s.Value)
	if t == metric.Counter {
		b = appendExemplar(b, 2, s.Exemplar)
		b = appendTimestamp(b, 3, s.Created)
	}
	return b
}

func appendSummary(b []byte, s *metric.Series) []byte {
	b = appendWhole(b, 1, s.Summary.Count)
	b = appendDouble(b, 2, s.Summary.Sum)
	for _, q := range s.Summary.Quantiles {
		var msg [18]byte
		part := appendDouble(msg[:0], 1, q.Quantile)
		b = appendMessage(b, 3, appendDouble(part, 2, q.Value))
	}
	return appendTimestamp(b, 4, s.Created)
}

func appendHistogram(b []byte, s *metric.Series) []byte {
	h := s.Histogram
	b = appendCount(b, 1, 4, h.Count)
	b = appendDouble(b, 2, h.Sum)
	for _, bucket := range h.Classic {
		var msg [64]byte
		part := appendCount(msg[:0], 1, 4, bucket.Count)
		part = appendDouble(part, 2, bucket.UpperBound)
		b = appendMessage(b, 3, appendExemplar(part, 3, bucket.Exemplar))
	}
	if h.Native != nil {
		b = appendNative(b, h.Native)
	}
	b = appendTimestamp(b, 15, s.Created)
	for i := range h.AllExemplars() {
		b = appendExemplar(b, 16, &h.AllExemplars()[i])
	}
	return b
}

// appendCount writes an integer and a float field. It writes the float only if
// it is set.
func appendCount(b []byte, integer, float protowire.Number, c metric.Count) []byte {
	if c.Float == 0 || c.Int != 0 {
		b = appendWhole(b, integer, c.Int)
	}
	if c.Float != 0 {
		b = appendDouble(b, float, c.Float)
	}
	return b
}

func appendNative(b []byte, n *metric.Native) []byte {
	if n.HasSchema {
		b = appendInt(b, 5, protowire.EncodeZigZag(int64(n.Schema)))
	}
	if n.HasThreshold {
		b = appendDouble(b, 6, n.ZeroThreshold)
	}
	b = appendCount(b, 7, 8, n.ZeroCount)
	b = appendSpans(b, 9, n.NegativeSpans)
	b = appendDeltas(b, 10, n.NegativeDeltas)
	b = appendCounts(b, 11, n.NegativeCounts)
	b = appendSpans(b, 12, n.PositiveSpans)
	b = appendDeltas(b, 13, n.PositiveDeltas)
	return appendCounts(b, 14, n.PositiveCounts)
}

func appendSpans(b []byte, num protowire.Number, spans []metric.Span) []byte {
	for _, s := range spans {
		var msg [16]byte
		part := appendInt(msg[:0], 1, protowire.EncodeZigZag(int64(s.Offset)))
		b = appendMessage(b, num, appendInt(part, 2, uint64(s.Length)))
	}
	return b
}

func appendDeltas(b []byte, num protowire.Number, deltas []int64) []byte {
	for _, d := range deltas {
		b = appendInt(b, num, protowire.EncodeZigZag(d))
	}
	return b
}

func appendCounts(b []byte, num protowire.Number, counts []float64) []byte {
	for _, c := range counts {
		b = appendDouble(b, num, c)
	}
	return b
}

func appendExemplar(b []byte, num protowire.Number, e *metric.Exemplar) []byte {
	if e == nil {
		return b
	}
	msg := appendLabelPairs(nil, 1, e.Labels)
	msg = appendDouble(msg, 2, e.Value)
	return appendMessage(b, num, appendTimestamp(msg, 3, e.Time))
}

func appendTimestamp(b []byte, num protowire.Number, t *metric.Timestamp) []byte {
	if t == nil {
		return b
	}
	var msg [24]byte
	part := appendInt(msg[:0], 1, uint64(t.Seconds))
	return appendMessage(b, num, appendInt(part, 2, uint64(int64(t.Nanos))))
}

// largestProto is the maximum size of what appendProto appends, without the
// labels.
func largestProto(s *metric.Series) int {
	const message, number = 64, 11
	n := message + largestExemplar(s.Exemplar)
	if s.Summary != nil {
		n += 2 * number * len(s.Summary.Quantiles)
	}
	h := s.Histogram
	if h == nil {
		return n
	}
	for i := range h.Classic {
		n += 4*number + largestExemplar(h.Classic[i].Exemplar)
	}
	for i := range h.AllExemplars() {
		n += largestExemplar(&h.AllExemplars()[i])
	}
	if h.Native != nil {
		spans := len(h.Native.NegativeSpans) + len(h.Native.PositiveSpans)
		buckets := len(h.Native.NegativeDeltas) + len(h.Native.PositiveDeltas) + len(h.Native.NegativeCounts) + len(h.Native.PositiveCounts)
		n += message + 2*number*spans + number*buckets
	}
	return n
}

func largestExemplar(e *metric.Exemplar) int {
	if e == nil {
		return 0
	}
	const message, pair = 64, 16
	n := message
	for _, l := range e.Labels {
		n += pair + len(l.Name) + len(l.Value)
	}
	return n
}
