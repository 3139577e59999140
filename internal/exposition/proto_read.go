package exposition

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/metric"
)

// The protobuf format is io.prometheus.client.MetricFamily, each message
// preceded by its length as a varint. Field numbers are those of
// client_model/io/prometheus/client/metrics.proto.

// field is one field of a message: bits for numbers, bytes for what has a
// length.
type field struct {
	num   protowire.Number
	typ   protowire.Type
	bits  uint64
	bytes []byte
}

var errFieldNumber = errors.New("a field number is out of range")

// nextField removes the first field from msg.
func nextField(msg []byte) (f field, rest []byte, err error) {
	num, typ, n := protowire.ConsumeTag(msg)
	if n < 0 {
		return f, nil, protowire.ParseError(n)
	}
	if num > protowire.MaxValidNumber {
		return f, nil, errFieldNumber
	}
	msg = msg[n:]
	f.num, f.typ = num, typ
	switch typ {
	case protowire.VarintType:
		f.bits, n = protowire.ConsumeVarint(msg)
	case protowire.Fixed64Type:
		f.bits, n = protowire.ConsumeFixed64(msg)
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(msg)
	default:
		n = protowire.ConsumeFieldValue(num, typ, msg)
	}
	if n < 0 {
		return f, nil, protowire.ParseError(n)
	}
	return f, msg[n:], nil
}

func (f field) isBytes(n protowire.Number) bool { return f.num == n && f.typ == protowire.BytesType }
func (f field) isInt(n protowire.Number) bool   { return f.num == n && f.typ == protowire.VarintType }
func (f field) isFloat(n protowire.Number) bool { return f.num == n && f.typ == protowire.Fixed64Type }
func (f field) float() float64                  { return math.Float64frombits(f.bits) }

// ParseProto parses delimited protobuf. Of two families with one name, the last
// counts. The strings in the result point into body.
func (p *Parser) ParseProto(body []byte) ([]*metric.Family, error) {
	p.reset()
	return p.readProto(body)
}

func (p *Parser) readProto(body []byte) ([]*metric.Family, error) {
	for n := 1; len(body) > 0; n++ {
		size, head := protowire.ConsumeVarint(body)
		p.at, p.size = 0, 0
		if head < 0 || size > uint64(len(body)-head) {
			return nil, &SyntaxError{Msg: fmt.Sprintf("message %d of the protobuf body is truncated or has no valid length", n)}
		}
		if err := p.parseFamily(body[head : head+int(size)]); err != nil {
			return nil, fmt.Errorf("message %d of the protobuf body: %w", n, err)
		}
		body = body[head+int(size):]
	}
	found := make([]*metric.Family, 0, len(p.byName))
	for _, f := range p.families[:p.used] {
		if p.byName[f.Name] == f {
			found = append(found, &f.Family)
		}
	}
	return found, nil
}

func syntaxError(err error) error {
	return &SyntaxError{Msg: fmt.Sprintf("not a valid protobuf message: %v", err)}
}

// parseFamily parses one message in two passes, since the meaning of a series
// depends on the type, which may follow it.
func (p *Parser) parseFamily(msg []byte) error {
	head := metric.Family{Type: metric.Counter}
	for rest := msg; len(rest) > 0; {
		f, next, err := nextField(rest)
		if err != nil {
			return syntaxError(err)
		}
		switch {
		case f.isBytes(1):
			head.Name = view(f.bytes)
		case f.isBytes(2):
			head.Help, head.EmptyHelp = view(f.bytes), len(f.bytes) == 0
		case f.isBytes(unitField):
			head.Unit = view(f.bytes)
		case f.isInt(3):
			head.Type = metric.Type(min(uint32(f.bits), math.MaxUint8)) // enumerations have 32 bits
		}
		rest = next
	}
	fam, err := p.add(head.Name)
	if err != nil {
		return err
	}
	fam.Type, fam.Help, fam.EmptyHelp, fam.Unit = head.Type, head.Help, head.EmptyHelp, head.Unit
	p.size = len(msg)
	for rest := msg; len(rest) > 0; {
		f, next, _ := nextField(rest)
		p.at = len(msg) - len(next)
		if f.isBytes(4) {
			if err := p.parseMetric(fam, f.bytes); err != nil {
				return fmt.Errorf("family %q: %w", excerpt.Of(fam.Name), err)
			}
		}
		rest = next
	}
	return nil
}

func (p *Parser) parseMetric(fam *family, msg []byte) error {
	s, err := p.addSeries(fam, nil)
	if err != nil {
		return err
	}
	p.first = len(p.labels)
	m := metricReader{typ: fam.Type, family: fam.Name, series: s, parser: p}
	if err := m.read(msg); err != nil {
		if errors.Is(err, ErrTooLarge) || errors.Is(err, ErrBusy) {
			return err
		}
		return syntaxError(err)
	}
	s.Labels = p.labels[p.first:len(p.labels):len(p.labels)]
	s.Missing = !m.hasValue
	return nil
}

// metricReader parses one message Metric into a series.
type metricReader struct {
	typ      metric.Type
	family   string // its name, for errors
	series   *metric.Series
	labels   []metric.Label // the message is our own
	hasValue bool
	own      int // labels
	// parser counts the parts of the push; nil for our own messages.
	parser *Parser
}

// count counts a label, bucket, quantile or span of that size before it takes
// memory.
func (m *metricReader) count(size int) error {
	if m.parser == nil {
		return nil
	}
	if err := m.take(2 * size); err != nil { // lists grow
		return err
	}
	return m.parser.count(1)
}

// take takes memory for something that is not a part of its own.
func (m *metricReader) take(size int) error {
	if m.parser == nil {
		return nil
	}
	return m.parser.memory.take(size)
}

// addLabel appends to the labels of the series.
func (m *metricReader) addLabel(l metric.Label) error {
	if m.parser == nil {
		m.labels = append(m.labels, l)
		return nil
	}
	if err := m.parser.room(); err != nil {
		return err
	}
	m.parser.labels = append(m.parser.labels, l)
	return nil
}

// valueFields are the numbers of the value fields, by type.
var valueFields = [...]protowire.Number{
	metric.Counter: 3, metric.Gauge: 2, metric.Summary: 4,
	metric.Untyped: 5, metric.Histogram: 7, metric.GaugeHistogram: 7,
}

func (m *metricReader) read(msg []byte) error {
	for len(msg) > 0 {
		f, rest, err := nextField(msg)
		if err != nil {
			return err
		}
		switch {
		case f.isBytes(1):
			if err := m.countLabel(&m.own, 0); err != nil {
				return err
			}
			l, err := readLabel(f.bytes)
			if err != nil {
				return err
			}
			if err := m.addLabel(l); err != nil {
				return err
			}
		case f.isInt(6):
			m.series.Timed = true
		case f.typ == protowire.BytesType:
			if err := m.valueField(f); err != nil {
				return err
			}
		}
		msg = rest
	}
	return nil
}

// countLabel counts one more label of a series or exemplar that has n.
func (m *metricReader) countLabel(n *int, size int) error {
	if *n++; m.parser != nil && *n > m.parser.limits.LabelCount && !m.parser.trusted {
		return m.parser.limits.tooManyLabels(m.family)
	}
	return m.count(size)
}

// valueField parses the value if it is of the family's type. Other values are
// ignored, but must be well-formed.
func (m *metricReader) valueField(f field) error {
	if m.typ.Valid() && f.num == valueFields[m.typ] {
		m.hasValue = true
		return m.readValue(f.bytes)
	}
	for t, num := range valueFields {
		if f.num == num {
			if err := m.take(seriesSize); err != nil {
				return err
			}
			other := metricReader{typ: metric.Type(t), series: new(metric.Series), parser: m.parser}
			return other.readValue(f.bytes)
		}
	}
	return nil
}

func (m *metricReader) readValue(msg []byte) error {
	switch {
	case m.typ == metric.Summary && m.series.Summary == nil:
		if err := m.take(summarySize); err != nil {
			return err
		}
		m.series.Summary = new(metric.Quantiles)
	case m.typ.IsHistogram() && m.series.Histogram == nil:
		if err := m.take(histogramSize); err != nil {
			return err
		}
		m.series.Histogram = new(metric.Buckets)
	}
	for len(msg) > 0 {
		f, rest, err := nextField(msg)
		if err != nil {
			return err
		}
		switch {
		case m.typ == metric.Summary:
			err = m.summaryField(f)
		case m.typ.IsHistogram():
			err = m.histogramField(f)
		default:
			err = m.simpleField(f)
		}
		if err != nil {
			return err
		}
		msg = rest
	}
	return nil
}

func (m *metricReader) simpleField(f field) (err error) {
	counter := m.typ == metric.Counter
	switch {
	case f.isFloat(1):
		m.series.Value = f.float()
	case counter && f.isBytes(2):
		m.series.Exemplar, err = m.readExemplar(f.bytes)
	case counter && f.isBytes(3):
		m.series.Created, err = readTimestamp(f.bytes)
	}
	return err
}

func (m *metricReader) summaryField(f field) (err error) {
	s := m.series.Summary
	switch {
	case f.isInt(1):
		s.Count = f.bits
	case f.isFloat(2):
		s.Sum = f.float()
	case f.isBytes(3):
		if err := m.count(quantileSize); err != nil {
			return err
		}
		var q metric.Quantile
		q, err = readQuantile(f.bytes)
		s.Quantiles = append(s.Quantiles, q)
	case f.isBytes(4):
		m.series.Created, err = readTimestamp(f.bytes)
	}
	return err
}

func readQuantile(msg []byte) (q metric.Quantile, err error) {
	for len(msg) > 0 {
		var f field
		if f, msg, err = nextField(msg); err != nil {
			return q, err
		}
		switch {
		case f.isFloat(1):
			q.Quantile = f.float()
		case f.isFloat(2):
			q.Value = f.float()
		}
	}
	return q, nil
}

func readLabel(msg []byte) (l metric.Label, err error) {
	for len(msg) > 0 {
		var f field
		if f, msg, err = nextField(msg); err != nil {
			return l, err
		}
		switch {
		case f.isBytes(1):
			l.Name = view(f.bytes)
		case f.isBytes(2):
			l.Value = view(f.bytes)
		}
	}
	return l, nil
}

func (m *metricReader) readExemplar(msg []byte) (*metric.Exemplar, error) {
	if err := m.count(exemplarSize); err != nil {
		return nil, err
	}
	e, own := new(metric.Exemplar), 0
	for len(msg) > 0 {
		f, rest, err := nextField(msg)
		if err != nil {
			return nil, err
		}
		switch {
		case f.isBytes(1):
			if err := m.countLabel(&own, labelSize); err != nil {
				return nil, err
			}
			var l metric.Label
			l, err = readLabel(f.bytes)
			e.Labels = append(e.Labels, l)
		case f.isFloat(2):
			e.Value = f.float()
		case f.isBytes(3):
			e.Time, err = readTimestamp(f.bytes)
		}
		if err != nil {
			return nil, err
		}
		msg = rest
	}
	return e, nil
}

func readTimestamp(msg []byte) (*metric.Timestamp, error) {
	t := new(metric.Timestamp)
	for len(msg) > 0 {
		f, rest, err := nextField(msg)
		if err != nil {
			return nil, err
		}
		switch {
		case f.isInt(1):
			t.Seconds = int64(f.bits)
		case f.isInt(2):
			t.Nanos = int32(f.bits)
		}
		msg = rest
	}
	return t, nil
}

// nextMetric removes the first series from what Block.Proto returns.
func nextMetric(b []byte) (msg, rest []byte) {
	f, rest, err := nextField(b)
	if err != nil {
		panic(fmt.Sprintf("a block holds broken protobuf: %v", err)) // we wrote it ourselves
	}
	return f.bytes, rest
}

// readLabels appends the labels of one of our own metrics.
func readLabels(labels []metric.Label, msg []byte) []metric.Label {
	for len(msg) > 0 {
		f, rest, err := nextField(msg)
		if err != nil || !f.isBytes(1) {
			break // the labels come first
		}
		l, _ := readLabel(f.bytes)
		labels = append(labels, l)
		msg = rest
	}
	return labels
}

// readSeries parses one of our own metrics.
func (b *Block) readSeries(msg []byte) metric.Series {
	var s metric.Series
	m := metricReader{typ: b.Type, series: &s}
	if err := m.read(msg); err != nil {
		panic(fmt.Sprintf("block %q holds broken protobuf: %v", b.Name, err))
	}
	s.Labels = m.labels
	return s
}
