package exposition

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pushgateway/internal/metric"
)

// checkMeaning holds that the library reads the forms of protobuf for people as
// what it reads in the binary form.
func checkMeaning(t *testing.T, b *Block) {
	t.Helper()
	want := new(dto.MetricFamily)
	wire := append(appendHead(nil, b.Name, b.Help, b.HasHelp(), b.Unit, b.Type), b.Proto()...)
	if err := proto.Unmarshal(wire, want); err != nil {
		t.Fatal(err)
	}
	for _, syntax := range []Syntax{ProtobufText, ProtobufCompact} {
		text := encode(t, Format{syntax, metric.UTF8}, []*Block{b})
		got := new(dto.MetricFamily)
		if err := prototext.Unmarshal(text, got); err != nil {
			t.Fatalf("%v: the library does not read %q: %v", syntax, text, err)
		}
		if b.Series() > 0 && !proto.Equal(got, want) {
			t.Fatalf("%v: %q\nis read as %v\nwant       %v", syntax, text, got, want)
		}
		if syntax == ProtobufCompact && bytes.Count(text, []byte("\n")) > 1 {
			t.Fatalf("%v: a family is not one line: %q", syntax, text)
		}
	}
}

// TestMeaning writes every field and every odd value there is.
func TestMeaning(t *testing.T) {
	at := &timestamppb.Timestamp{Seconds: -62135596800, Nanos: 999_999_999}
	exemplar := &dto.Exemplar{Label: []*dto.LabelPair{pair("trace", "\x01\x7f\u0080\u200b\U0001f600'\"\\\r\n")}, Value: proto.Float64(-0.5), Timestamp: at}
	floats := []float64{0, math.Copysign(0, -1), 1e6, 123456789, 1e21, 5e-324, math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN()}
	gauges := &dto.MetricFamily{Name: proto.String("g"), Help: proto.String(""), Type: dto.MetricType_GAUGE.Enum()}
	for i, v := range floats {
		gauges.Metric = append(gauges.Metric, &dto.Metric{Label: []*dto.LabelPair{pair("n", string(rune('a'+i)))}, Gauge: &dto.Gauge{Value: &v}})
	}
	for _, f := range []*dto.MetricFamily{
		gauges,
		{Name: proto.String("c.d"), Help: proto.String("\xff \u00e9"), Type: dto.MetricType_COUNTER.Enum(), Metric: []*dto.Metric{
			{Counter: &dto.Counter{Value: proto.Float64(1), Exemplar: exemplar, CreatedTimestamp: at}},
			{Label: []*dto.LabelPair{pair("long", strings.Repeat("x\n", 100_000))}, Counter: &dto.Counter{Value: proto.Float64(2)}}}},
		{Name: proto.String("s"), Type: dto.MetricType_SUMMARY.Enum(), Metric: []*dto.Metric{{Summary: &dto.Summary{
			SampleCount: proto.Uint64(math.MaxUint64), SampleSum: proto.Float64(3), CreatedTimestamp: at,
			Quantile: []*dto.Quantile{{Quantile: proto.Float64(0.5), Value: proto.Float64(math.NaN())}}}}}},
		{Name: proto.String("h"), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Histogram: &dto.Histogram{
			SampleCount: proto.Uint64(7), SampleSum: proto.Float64(3), CreatedTimestamp: at, Exemplars: []*dto.Exemplar{exemplar},
			Bucket: []*dto.Bucket{{CumulativeCount: proto.Uint64(1), UpperBound: proto.Float64(1), Exemplar: exemplar}},
			Schema: proto.Int32(-4), ZeroThreshold: proto.Float64(0.001), ZeroCount: proto.Uint64(1),
			NegativeSpan: []*dto.BucketSpan{{Offset: proto.Int32(-3), Length: proto.Uint32(2)}}, NegativeDelta: []int64{3, -2},
			PositiveSpan: []*dto.BucketSpan{{Offset: proto.Int32(0), Length: proto.Uint32(1)}}, PositiveDelta: []int64{2}}}}},
		{Name: proto.String("gh"), Type: dto.MetricType_GAUGE_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Histogram: &dto.Histogram{
			SampleCountFloat: proto.Float64(2.5), SampleSum: proto.Float64(3), Schema: proto.Int32(3), ZeroCountFloat: proto.Float64(1.5),
			PositiveSpan: []*dto.BucketSpan{{Offset: proto.Int32(1), Length: proto.Uint32(1)}}, PositiveCount: []float64{1}}}}},
	} {
		var body bytes.Buffer
		if _, err := protodelim.MarshalTo(&body, f); err != nil {
			t.Fatal(err)
		}
		p := GetParser()
		parsed, err := p.ParseProto(body.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", f.GetName(), err)
		}
		blocks, err := Render(parsed, Options{Bare: true})
		if err != nil {
			t.Fatalf("%s: %v", f.GetName(), err)
		}
		for _, b := range blocks {
			if b.Series() != len(f.Metric) {
				t.Errorf("%s: %d of %d series are there", b.Name, b.Series(), len(f.Metric))
			}
			checkMeaning(t, b)
		}
		p.Release()
	}
}

func pair(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

// TestReadableIsCheap holds that the forms for people take no memory for each
// series, as the library's do.
func TestReadableIsCheap(t *testing.T) {
	const series = 5_000
	p := GetParser()
	defer p.Release()
	parsed, err := p.ParseText([]byte(fewLabels(series)))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := Render(parsed, Options{Bare: true, Valid: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, syntax := range []Syntax{ProtobufText, ProtobufCompact} {
		e := NewEncoder(io.Discard, Format{syntax, metric.UTF8}, nil)
		allocs := testing.AllocsPerRun(3, func() {
			if err := e.Encode(ExposeBlock(blocks[0])); err != nil {
				t.Fatal(err)
			}
		})
		if allocs > series/100 {
			t.Errorf("%v: %v allocations for %d series", syntax, allocs, series)
		}
	}
}

func fewLabels(series int) string {
	var text strings.Builder
	for i := range series {
		fmt.Fprintf(&text, "m{a=\"%d\",job=\"j\"} %d\n", i, i)
	}
	return text.String()
}
