package exposition

import (
	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/metric"
)

// histogramField parses one field of the message Histogram.
func (m *metricReader) histogramField(f field) (err error) {
	h := m.series.Histogram
	switch {
	case f.isInt(1):
		h.Count.Int = f.bits
	case f.isFloat(4):
		h.Count.Float = f.float()
	case f.isFloat(2):
		h.Sum = f.float()
	case f.isBytes(3):
		if err := m.count(bucketSize); err != nil {
			return err
		}
		var b metric.Bucket
		b, err = m.readBucket(f.bytes)
		h.Classic = append(h.Classic, b)
	case f.isBytes(15):
		m.series.Created, err = readTimestamp(f.bytes)
	case f.isBytes(16):
		var e *metric.Exemplar
		if e, err = m.readExemplar(f.bytes); err == nil {
			all := append(h.AllExemplars(), *e)
			h.Exemplars = &all
		}
	case f.num >= 5 && f.num <= 14:
		if h.Native == nil {
			if err := m.take(nativeSize); err != nil {
				return err
			}
			h.Native = new(metric.Native)
		}
		err = m.nativeField(h.Native, f)
	}
	return err
}

func (m *metricReader) nativeField(n *metric.Native, f field) (err error) {
	switch {
	case f.isInt(5):
		n.Schema, n.HasSchema = int32(protowire.DecodeZigZag(f.bits&0xffffffff)), true
	case f.isFloat(6):
		n.ZeroThreshold, n.HasThreshold = f.float(), true
	case f.isInt(7):
		n.ZeroCount.Int = f.bits
	case f.isFloat(8):
		n.ZeroCount.Float = f.float()
	case f.isBytes(9):
		n.NegativeSpans, err = m.appendSpan(n.NegativeSpans, f.bytes)
	case f.isBytes(12):
		n.PositiveSpans, err = m.appendSpan(n.PositiveSpans, f.bytes)
	case f.num == 10:
		n.NegativeDeltas, err = m.appendDeltas(n.NegativeDeltas, f)
	case f.num == 13:
		n.PositiveDeltas, err = m.appendDeltas(n.PositiveDeltas, f)
	case f.num == 11:
		n.NegativeCounts, err = m.appendCounts(n.NegativeCounts, f)
	case f.num == 14:
		n.PositiveCounts, err = m.appendCounts(n.PositiveCounts, f)
	}
	return err
}

// numberSize is the size of a span, a delta or a count.
const numberSize = 8

func (m *metricReader) appendSpan(spans []metric.Span, msg []byte) ([]metric.Span, error) {
	if err := m.count(numberSize); err != nil {
		return nil, err
	}
	var s metric.Span
	for len(msg) > 0 {
		f, rest, err := nextField(msg)
		if err != nil {
			return nil, err
		}
		switch {
		case f.isInt(1):
			s.Offset = int32(protowire.DecodeZigZag(f.bits & 0xffffffff))
		case f.isInt(2):
			s.Length = uint32(f.bits)
		}
		msg = rest
	}
	return append(spans, s), nil
}

// appendDeltas parses one number, or many packed ones.
func (m *metricReader) appendDeltas(deltas []int64, f field) ([]int64, error) {
	if f.typ == protowire.VarintType {
		return append(deltas, protowire.DecodeZigZag(f.bits)), m.count(numberSize)
	}
	for rest := f.bytes; len(rest) > 0; {
		v, n := protowire.ConsumeVarint(rest)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		if err := m.count(numberSize); err != nil {
			return nil, err
		}
		deltas = append(deltas, protowire.DecodeZigZag(v))
		rest = rest[n:]
	}
	return deltas, nil
}

// appendCounts parses one number, or many packed ones.
func (m *metricReader) appendCounts(counts []float64, f field) ([]float64, error) {
	if f.typ == protowire.Fixed64Type {
		return append(counts, f.float()), m.count(numberSize)
	}
	for rest := f.bytes; len(rest) > 0; {
		v, n := protowire.ConsumeFixed64(rest)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		if err := m.count(numberSize); err != nil {
			return nil, err
		}
		counts = append(counts, field{bits: v}.float())
		rest = rest[n:]
	}
	return counts, nil
}

func (m *metricReader) readBucket(msg []byte) (b metric.Bucket, err error) {
	for len(msg) > 0 {
		var f field
		if f, msg, err = nextField(msg); err != nil {
			return b, err
		}
		switch {
		case f.isInt(1):
			b.Count.Int = f.bits
		case f.isFloat(4):
			b.Count.Float = f.float()
		case f.isFloat(2):
			b.UpperBound = f.float()
		case f.isBytes(3):
			if b.Exemplar, err = m.readExemplar(f.bytes); err != nil {
				return b, err
			}
		}
	}
	return b, nil
}
