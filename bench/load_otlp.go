package main

import (
	"fmt"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// otlp returns a load in the OpenTelemetry protocol with the same metrics. Each
// counter and histogram has a start time.
func otlp(l *load) *load {
	export := *l
	export.contentType, export.export = "application/x-protobuf", true
	export.bodies = nil
	for _, body := range l.bodies {
		export.bodies = append(export.bodies, inOTLP(body))
	}
	return &export
}

// exported returns a request with the resource of a group. metrics are those of
// inOTLP.
func exported(group int, metrics string) string {
	resource := appendMessage(nil, 1, textAttribute("service.name", "bench")+textAttribute("service.instance.id", "i-"+strconv.Itoa(group)))
	head := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.BytesType), uint64(len(resource)+len(metrics)))
	return string(append(head, resource...)) + metrics
}

// textAttribute is attribute as a field of a resource, for clients that should cost
// little.
func textAttribute(name, value string) string {
	text := appendMessage(nil, 1, value)
	return string(appendMessage(nil, 1, string(appendMessage(appendMessage(nil, 1, name), 2, string(text)))))
}

func appendMessage(b []byte, field protowire.Number, content string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), content)
}

func encoded(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("the load cannot be written: %v", err))
	}
	return b
}

func attribute(name, value string) *common.KeyValue {
	return &common.KeyValue{Key: name, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

// inOTLP translates a body in text to the field scope_metrics.
func inOTLP(body string) string {
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		panic(fmt.Sprintf("the load cannot be read: %v", err))
	}
	scope := new(metrics.ScopeMetrics)
	for _, f := range families {
		scope.Metrics = append(scope.Metrics, familyInOTLP(f))
	}
	return string(appendMessage(nil, 2, string(encoded(scope))))
}

const began = 1_760_000_000_125_000_000 // ns

func familyInOTLP(f *dto.MetricFamily) *metrics.Metric {
	const cumulative = metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	m := &metrics.Metric{Name: f.GetName(), Description: f.GetHelp()}
	var numbers []*metrics.NumberDataPoint
	var histograms []*metrics.HistogramDataPoint
	for _, s := range f.Metric {
		var attributes []*common.KeyValue
		for _, l := range s.Label {
			attributes = append(attributes, attribute(l.GetName(), l.GetValue()))
		}
		if h := s.Histogram; h != nil {
			histograms = append(histograms, histogramInOTLP(attributes, h))
			continue
		}
		value := s.GetGauge().GetValue() + s.GetCounter().GetValue()
		numbers = append(numbers, &metrics.NumberDataPoint{Attributes: attributes, StartTimeUnixNano: began, TimeUnixNano: began, Value: &metrics.NumberDataPoint_AsDouble{AsDouble: value}})
	}
	switch f.GetType() {
	case dto.MetricType_HISTOGRAM:
		m.Data = &metrics.Metric_Histogram{Histogram: &metrics.Histogram{AggregationTemporality: cumulative, DataPoints: histograms}}
	case dto.MetricType_COUNTER:
		m.Data = &metrics.Metric_Sum{Sum: &metrics.Sum{AggregationTemporality: cumulative, IsMonotonic: true, DataPoints: numbers}}
	default:
		m.Data = &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: numbers}}
	}
	return m
}

func histogramInOTLP(attributes []*common.KeyValue, h *dto.Histogram) *metrics.HistogramDataPoint {
	p := &metrics.HistogramDataPoint{Attributes: attributes, StartTimeUnixNano: began, TimeUnixNano: began, Count: h.GetSampleCount(), Sum: h.SampleSum}
	before := uint64(0)
	for i, b := range h.Bucket {
		p.BucketCounts = append(p.BucketCounts, b.GetCumulativeCount()-before)
		if before = b.GetCumulativeCount(); i < len(h.Bucket)-1 {
			p.ExplicitBounds = append(p.ExplicitBounds, b.GetUpperBound())
		}
	}
	return p
}
