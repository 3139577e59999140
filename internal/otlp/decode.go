package otlp

import (
	"errors"
	"math"
	"sync"
	"unicode/utf8"
	"unsafe"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resources "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// decoder reads requests in protobuf with less CPU than the library. It makes
// messages many at a time, and their texts point into the body. It leaves to the
// library the messages that are rare, and bodies with an error. FuzzDecode compares
// it with the library.
type decoder struct {
	take func(bytes int) error
	err  error

	keyValues  slab[common.KeyValue]
	values     slab[common.AnyValue]
	texts      slab[common.AnyValue_StringValue]
	numbers    slab[metrics.NumberDataPoint]
	doubles    slab[metrics.NumberDataPoint_AsDouble]
	integers   slab[metrics.NumberDataPoint_AsInt]
	histograms slab[metrics.HistogramDataPoint]
	pointers   []*common.KeyValue // not used yet
}

// release lets the next request use the memory of what was read, which nobody may
// use any more.
func (d *decoder) release() {
	d.keyValues.reset()
	d.values.reset()
	d.texts.reset()
	d.numbers.reset()
	d.doubles.reset()
	d.integers.reset()
	d.histograms.reset()
	d.take, d.err, d.pointers = nil, nil, nil
	decoders.Put(d)
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// decode reads a request. It fails if anything is wrong with it.
func (d *decoder) decode(body []byte, take func(bytes int) error) (*metrics.MetricsData, error) {
	req := new(metrics.MetricsData)
	d.take = take
	for f := (field{}); d.next(&body, &f); {
		if f.key == 1<<3|bytesType {
			d.pay(messageSize)
			rm := new(metrics.ResourceMetrics)
			req.ResourceMetrics = append(req.ResourceMetrics, rm)
			d.resource(rm, f.bytes)
		}
	}
	return req, d.err
}

// slab makes values many at a time.
type slab[T any] struct {
	chunk []T
	used  int // of the chunk
	full  int // values in earlier chunks of the request
}

func (s *slab[T]) next(d *decoder) *T {
	const least, most = 8, 256
	if s.used == len(s.chunk) && s.used > 0 {
		s.full, s.used, s.chunk = s.full+s.used, 0, nil
	}
	if s.used == 0 {
		n := max(len(s.chunk), min(max(least, s.full), most))
		var one T
		if d.pay(n * int(unsafe.Sizeof(one))); s.chunk == nil {
			s.chunk = make([]T, n)
		}
	}
	s.used++
	return &s.chunk[s.used-1]
}

// reset makes all values free, so that the next request finds room for as many.
func (s *slab[T]) reset() {
	if s.full > 0 {
		const most = 256
		s.chunk = make([]T, min(most, s.full+s.used))
	} else {
		clear(s.chunk[:s.used])
	}
	s.used, s.full = 0, 0
}

// pay takes memory.
func (d *decoder) pay(bytes int) {
	if d.err == nil {
		d.err = d.take(bytes)
	}
}

// The wire types in keys of fields.
const (
	varintType  = uint32(protowire.VarintType)
	fixed64Type = uint32(protowire.Fixed64Type)
	bytesType   = uint32(protowire.BytesType)
)

// field is one field of a message.
type field struct {
	key   uint32 // the number, and the wire type in the last three bits
	bits  uint64 // of a number
	bytes []byte // of a text or a message
}

var errSyntax = errors.New("a field cannot be read")

// next reads the next field of a message. It returns false at the end, or if
// something is wrong.
func (d *decoder) next(msg *[]byte, f *field) bool {
	if len(*msg) == 0 || d.err != nil {
		return false
	}
	num, typ, n := protowire.ConsumeTag(*msg)
	if n < 0 || num > protowire.MaxValidNumber {
		d.err = errSyntax
		return false
	}
	b := (*msg)[n:]
	f.key = uint32(num)<<3 | uint32(typ)
	switch typ {
	case protowire.VarintType:
		f.bits, n = protowire.ConsumeVarint(b)
	case protowire.Fixed64Type:
		f.bits, n = protowire.ConsumeFixed64(b)
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(b)
	default:
		n = protowire.ConsumeFieldValue(num, typ, b)
	}
	if n < 0 {
		d.err = errSyntax
		return false
	}
	*msg = b[n:]
	return true
}

// text returns a text that points into the body.
func (d *decoder) text(b []byte) string {
	if !utf8.Valid(b) && d.err == nil {
		d.err = errSyntax
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// rest reads a message with the library, into what is known of it.
func (d *decoder) rest(m proto.Message, msg []byte, depth int) {
	d.pay(costOf(m.ProtoReflect().Descriptor(), msg, depth))
	if d.err == nil {
		d.err = proto.UnmarshalOptions{Merge: true, DiscardUnknown: true, RecursionLimit: deepest - depth}.Unmarshal(msg, m)
	}
}

// How many messages are around those that are in one.
const (
	inResource = 2
	inScope    = 3
	inMetric   = 4
	inData     = 5
	inPoint    = 6
)

func (d *decoder) resource(rm *metrics.ResourceMetrics, msg []byte) {
	for f := (field{}); d.next(&msg, &f); {
		switch f.key {
		case 1<<3 | bytesType:
			if rm.Resource == nil {
				d.pay(messageSize)
				rm.Resource = new(resources.Resource)
			}
			attributes := d.apart(1<<3|bytesType, f.bytes, inResource, rm.Resource)
			rm.Resource.Attributes = append(rm.Resource.Attributes, attributes...)
		case 2<<3 | bytesType:
			d.pay(messageSize)
			sm := new(metrics.ScopeMetrics)
			rm.ScopeMetrics = append(rm.ScopeMetrics, sm)
			d.scope(sm, f.bytes)
		case 3<<3 | bytesType:
			rm.SchemaUrl = d.text(f.bytes)
		}
	}
}

func (d *decoder) scope(sm *metrics.ScopeMetrics, msg []byte) {
	for f := (field{}); d.next(&msg, &f); {
		switch f.key {
		case 1<<3 | bytesType:
			if sm.Scope == nil {
				d.pay(messageSize)
				sm.Scope = new(common.InstrumentationScope)
			}
			attributes := d.apart(3<<3|bytesType, f.bytes, inScope, sm.Scope)
			sm.Scope.Attributes = append(sm.Scope.Attributes, attributes...)
		case 2<<3 | bytesType:
			d.pay(2 * messageSize)
			m := new(metrics.Metric)
			sm.Metrics = append(sm.Metrics, m)
			d.metric(m, f.bytes)
		case 3<<3 | bytesType:
			sm.SchemaUrl = d.text(f.bytes)
		}
	}
}

func (d *decoder) metric(m *metrics.Metric, msg []byte) {
	for f := (field{}); d.next(&msg, &f); {
		switch f.key {
		case 1<<3 | bytesType:
			m.Name = d.text(f.bytes)
		case 2<<3 | bytesType:
			m.Description = d.text(f.bytes)
		case 3<<3 | bytesType:
			m.Unit = d.text(f.bytes)
		case 12<<3 | bytesType:
			m.Metadata = append(m.Metadata, d.keyValue(f.bytes, inMetric))
		default:
			d.data(m, &f)
		}
	}
}

// data reads the points of a metric, if a field has them. A metric has one kind: the
// last.
func (d *decoder) data(m *metrics.Metric, f *field) {
	switch f.key {
	case 5<<3 | bytesType:
		to := m.GetGauge()
		if to == nil {
			to = new(metrics.Gauge)
			m.Data = &metrics.Metric_Gauge{Gauge: to}
		}
		d.gauge(to, f.bytes)
	case 7<<3 | bytesType:
		to := m.GetSum()
		if to == nil {
			to = new(metrics.Sum)
			m.Data = &metrics.Metric_Sum{Sum: to}
		}
		d.sum(to, f.bytes)
	case 9<<3 | bytesType:
		to := m.GetHistogram()
		if to == nil {
			to = new(metrics.Histogram)
			m.Data = &metrics.Metric_Histogram{Histogram: to}
		}
		d.histogram(to, f.bytes)
	case 10<<3 | bytesType:
		to := m.GetExponentialHistogram()
		if to == nil {
			to = new(metrics.ExponentialHistogram)
			m.Data = &metrics.Metric_ExponentialHistogram{ExponentialHistogram: to}
		}
		d.exponential(to, f.bytes)
	case 11<<3 | bytesType:
		to := m.GetSummary()
		if to == nil {
			to = new(metrics.Summary)
			m.Data = &metrics.Metric_Summary{Summary: to}
		}
		d.summary(to, f.bytes)
	}
}

func (d *decoder) gauge(g *metrics.Gauge, msg []byte) {
	g.DataPoints = withRoom(d, g.DataPoints, msg)
	for f := (field{}); d.next(&msg, &f); {
		if f.key == pointsField {
			g.DataPoints = append(g.DataPoints, d.number(f.bytes))
		}
	}
}

func (d *decoder) sum(s *metrics.Sum, msg []byte) {
	s.DataPoints = withRoom(d, s.DataPoints, msg)
	for f := (field{}); d.next(&msg, &f); {
		switch f.key {
		case pointsField:
			s.DataPoints = append(s.DataPoints, d.number(f.bytes))
		case 2<<3 | varintType:
			s.AggregationTemporality = metrics.AggregationTemporality(int32(f.bits))
		case 3<<3 | varintType:
			s.IsMonotonic = f.bits != 0
		}
	}
}

func (d *decoder) histogram(h *metrics.Histogram, msg []byte) {
	h.DataPoints = withRoom(d, h.DataPoints, msg)
	for f := (field{}); d.next(&msg, &f); {
		switch f.key {
		case pointsField:
			p := d.histograms.next(d)
			h.DataPoints = append(h.DataPoints, p)
			d.buckets(p, f.bytes)
		case 2<<3 | varintType:
			h.AggregationTemporality = metrics.AggregationTemporality(int32(f.bits))
		}
	}
}

func (d *decoder) exponential(h *metrics.ExponentialHistogram, msg []byte) {
	for f := (field{}); d.next(&msg, &f); {
		switch f.key {
		case pointsField:
			d.pay(messageSize)
			p := new(metrics.ExponentialHistogramDataPoint)
			h.DataPoints = append(h.DataPoints, p)
			p.Attributes = d.apart(1<<3|bytesType, f.bytes, inData, p)
		case 2<<3 | varintType:
			h.AggregationTemporality = metrics.AggregationTemporality(int32(f.bits))
		}
	}
}

func (d *decoder) summary(s *metrics.Summary, msg []byte) {
	for f := (field{}); d.next(&msg, &f); {
		if f.key == pointsField {
			d.pay(messageSize)
			p := new(metrics.SummaryDataPoint)
			s.DataPoints = append(s.DataPoints, p)
			p.Attributes = d.apart(7<<3|bytesType, f.bytes, inData, p)
		}
	}
}

// pointsField is the field of the points of a metric.
const pointsField = 1<<3 | bytesType

// withRoom returns points with room for those in a message.
func withRoom[T any](d *decoder, points []*T, msg []byte) []*T {
	n := d.count(msg, pointsField)
	const pointer = 8
	if d.pay(pointer * (len(points) + n)); d.err != nil || n == 0 {
		return points
	}
	return append(make([]*T, 0, len(points)+n), points...)
}

// count returns how often a message has a field.
func (d *decoder) count(msg []byte, key uint32) (n int) {
	for f := (field{}); d.next(&msg, &f); {
		if f.key == key {
			n++
		}
	}
	return n
}

func (d *decoder) number(msg []byte) *metrics.NumberDataPoint {
	p := d.numbers.next(d)
	p.Attributes = d.attributes(msg, 7<<3|bytesType)
	for f := (field{}); d.next(&msg, &f); {
		switch f.key {
		case 2<<3 | fixed64Type:
			p.StartTimeUnixNano = f.bits
		case 3<<3 | fixed64Type:
			p.TimeUnixNano = f.bits
		case 4<<3 | fixed64Type:
			v := d.doubles.next(d)
			v.AsDouble = math.Float64frombits(f.bits)
			p.Value = v
		case 5<<3 | bytesType:
			p.Exemplars = append(p.Exemplars, d.exemplar(f.bytes))
		case 6<<3 | fixed64Type:
			v := d.integers.next(d)
			v.AsInt = int64(f.bits)
			p.Value = v
		case 7<<3 | bytesType:
			p.Attributes = append(p.Attributes, d.keyValue(f.bytes, inPoint))
		case 8<<3 | varintType:
			p.Flags = uint32(f.bits)
		}
	}
	return p
}

func (d *decoder) exemplar(msg []byte) *metrics.Exemplar {
	d.pay(messageSize)
	e := new(metrics.Exemplar)
	e.FilteredAttributes = d.apart(7<<3|bytesType, msg, inPoint, e)
	return e
}

func (d *decoder) buckets(p *metrics.HistogramDataPoint, msg []byte) {
	p.Attributes = d.attributes(msg, 9<<3|bytesType)
	for f := (field{}); d.next(&msg, &f); {
		switch f.key {
		case 2<<3 | fixed64Type:
			p.StartTimeUnixNano = f.bits
		case 3<<3 | fixed64Type:
			p.TimeUnixNano = f.bits
		case 4<<3 | fixed64Type:
			p.Count = f.bits
		case 5<<3 | fixed64Type:
			p.Sum = proto.Float64(math.Float64frombits(f.bits))
		case 8<<3 | bytesType:
			p.Exemplars = append(p.Exemplars, d.exemplar(f.bytes))
		case 9<<3 | bytesType:
			p.Attributes = append(p.Attributes, d.keyValue(f.bytes, inPoint))
		case 10<<3 | varintType:
			p.Flags = uint32(f.bits)
		case 11<<3 | fixed64Type:
			p.Min = proto.Float64(math.Float64frombits(f.bits))
		case 12<<3 | fixed64Type:
			p.Max = proto.Float64(math.Float64frombits(f.bits))
		default:
			d.counts(p, &f)
		}
	}
}

// counts reads the bounds and the counts of buckets, if a field has them: all
// together, or one of them.
func (d *decoder) counts(p *metrics.HistogramDataPoint, f *field) {
	itself := func(bits uint64) uint64 { return bits }
	switch f.key {
	case 6<<3 | bytesType:
		p.BucketCounts = appendNumbers(d, p.BucketCounts, f.bytes, itself)
	case 6<<3 | fixed64Type:
		p.BucketCounts = appendNumbers(d, p.BucketCounts, protowire.AppendFixed64(nil, f.bits), itself)
	case 7<<3 | bytesType:
		p.ExplicitBounds = appendNumbers(d, p.ExplicitBounds, f.bytes, math.Float64frombits)
	case 7<<3 | fixed64Type:
		p.ExplicitBounds = appendNumbers(d, p.ExplicitBounds, protowire.AppendFixed64(nil, f.bits), math.Float64frombits)
	}
}

// appendNumbers appends numbers of eight bytes each.
func appendNumbers[T any](d *decoder, to []T, packed []byte, number func(bits uint64) T) []T {
	const size = 8
	if len(packed)%size != 0 && d.err == nil {
		d.err = errSyntax
	}
	if n := len(to) + len(packed)/size; n > cap(to) {
		n = max(n, 2*cap(to))
		if d.pay(size * n); d.err != nil {
			return to
		}
		to = append(make([]T, 0, n), to...)
	}
	for len(packed) >= size {
		bits, n := protowire.ConsumeFixed64(packed)
		to, packed = append(to, number(bits)), packed[n:]
	}
	return to
}

// attributes returns room for the attributes of a point, which has them in a field.
func (d *decoder) attributes(msg []byte, key uint32) []*common.KeyValue {
	const pointer, least = 8, 64
	n := d.count(msg, key)
	if n > len(d.pointers) {
		room := max(n, least, min(d.keyValues.full+d.keyValues.used, 8*least))
		if d.pay(pointer * room); d.err != nil {
			return nil
		}
		d.pointers = make([]*common.KeyValue, room)
	}
	if n == 0 {
		return nil
	}
	room := d.pointers[:0:n]
	d.pointers = d.pointers[n:]
	return room
}

func (d *decoder) keyValue(msg []byte, depth int) *common.KeyValue {
	kv := d.keyValues.next(d)
	var value []byte
	owned := false
	for f := (field{}); d.next(&msg, &f); {
		switch f.key {
		case 1<<3 | bytesType:
			kv.Key = d.text(f.bytes)
		case 2<<3 | bytesType:
			if kv.Value == nil {
				kv.Value, value = d.values.next(d), f.bytes
			} else {
				value, owned = d.merged(value, f.bytes, owned)
			}
		case 3<<3 | varintType:
			kv.KeyStrindex = int32(f.bits)
		}
	}
	if kv.Value != nil {
		d.value(kv.Value, value, depth+1)
	}
	return kv
}
