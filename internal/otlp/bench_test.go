package otlp

import (
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// BenchmarkNested reads an attribute whose value is in 25 lists.
func BenchmarkNested(b *testing.B) {
	value := &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: "v"}}
	for range 25 {
		value = &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{value}}}}
	}
	point := &metrics.NumberDataPoint{Attributes: []*common.KeyValue{{Key: "k", Value: value}}}
	gauge := &metrics.Gauge{}
	for range 100 {
		gauge.DataPoints = append(gauge.DataPoints, point)
	}
	body, err := proto.Marshal(&metrics.MetricsData{ResourceMetrics: []*metrics.ResourceMetrics{{ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{{Data: &metrics.Metric_Gauge{Gauge: gauge}}}}}}}})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		d := decoders.Get().(*decoder)
		req, err := d.decode(body, func(int) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
		for _, p := range req.ResourceMetrics[0].ScopeMetrics[0].Metrics[0].GetGauge().DataPoints {
			textOf(p.Attributes[0].Value)
		}
		d.release()
	}
}
