package attack

import (
	"fmt"
	"strings"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resources "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// otlp is a request in the OpenTelemetry protocol, with a resource for each
// family.
func (r recipe) otlp() string { return inProto(r.export(cumulative)) }

// otlpDelta is a request that adds up. If it is mixed, its families are of one
// resource, its points of one series, and the values of its attributes deep.
func (r recipe) otlpDelta() string {
	req := r.export(delta)
	if !r.Mixed || len(req.ResourceMetrics) == 0 {
		return inProto(req)
	}
	first := req.ResourceMetrics[0]
	for _, rm := range req.ResourceMetrics[1:] {
		first.ScopeMetrics = append(first.ScopeMetrics, rm.ScopeMetrics...)
	}
	req.ResourceMetrics = req.ResourceMetrics[:1]
	for _, sm := range first.ScopeMetrics {
		for _, m := range sm.Metrics {
			r.deepen(m)
		}
	}
	return inProto(req)
}

// deepen gives all points of a sum or a histogram the same deep attributes.
func (r recipe) deepen(m *metrics.Metric) {
	const depth = 25
	value := &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: strings.Repeat("v", r.Length)}}
	for range depth {
		value = &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{value}}}}
	}
	attributes := make([]*common.KeyValue, r.Labels)
	for i := range attributes {
		attributes[i] = &common.KeyValue{Key: fmt.Sprintf("l%d", i), Value: value}
	}
	for _, p := range m.GetSum().GetDataPoints() {
		p.Attributes = attributes
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		p.Attributes = attributes
	}
}

const (
	cumulative = metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	delta      = metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
)

func inProto(req *metrics.MetricsData) string {
	b, err := proto.Marshal(req)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (r recipe) otlpJSON() string {
	b, err := protojson.Marshal(r.export(cumulative))
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (r recipe) export(temporality metrics.AggregationTemporality) *metrics.MetricsData {
	req, size := new(metrics.MetricsData), 0
	for f := range r.Families {
		m := &metrics.Metric{Name: r.name(f), Description: strings.Repeat("h", r.Length)}
		var numbers []*metrics.NumberDataPoint
		var histograms []*metrics.HistogramDataPoint
		var exponential []*metrics.ExponentialHistogramDataPoint
		for s := range r.Series {
			attributes := r.attributes(s)
			counts := make([]uint64, r.Parts+1)
			bounds := make([]float64, r.Parts)
			for i := range bounds {
				counts[i], bounds[i] = 1, float64(i)
			}
			switch typeNames[r.Type] {
			case "histogram":
				histograms = append(histograms, &metrics.HistogramDataPoint{Attributes: attributes, ExplicitBounds: bounds, BucketCounts: counts, Count: uint64(r.Parts)})
			case "summary":
				exponential = append(exponential, &metrics.ExponentialHistogramDataPoint{Attributes: attributes, Scale: 20, Count: uint64(r.Parts), Positive: &metrics.ExponentialHistogramDataPoint_Buckets{BucketCounts: counts}})
			default:
				numbers = append(numbers, &metrics.NumberDataPoint{Attributes: attributes, TimeUnixNano: uint64(s), StartTimeUnixNano: 1, Value: &metrics.NumberDataPoint_AsInt{AsInt: int64(s)}})
			}
			if size += r.Labels*(r.Length+10) + 9*r.Parts; size > maxMade {
				break
			}
		}
		switch typeNames[r.Type] {
		case "histogram":
			m.Data = &metrics.Metric_Histogram{Histogram: &metrics.Histogram{AggregationTemporality: temporality, DataPoints: histograms}}
		case "summary":
			m.Data = &metrics.Metric_ExponentialHistogram{ExponentialHistogram: &metrics.ExponentialHistogram{AggregationTemporality: temporality, DataPoints: exponential}}
		default:
			m.Data = &metrics.Metric_Sum{Sum: &metrics.Sum{IsMonotonic: true, AggregationTemporality: temporality, DataPoints: numbers}}
		}
		req.ResourceMetrics = append(req.ResourceMetrics, &metrics.ResourceMetrics{
			Resource:     &resources.Resource{Attributes: []*common.KeyValue{textAttribute("service.name", "a"), textAttribute("service.instance.id", fmt.Sprint(f))}},
			ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{m}}},
		})
		if size > maxMade {
			break
		}
	}
	return req
}

func (r recipe) attributes(series int) (all []*common.KeyValue) {
	for l := range r.Labels {
		all = append(all, textAttribute(fmt.Sprintf("l%d", l), fmt.Sprintf("%d%s", series, strings.Repeat("v", r.Length))))
	}
	return all
}

func textAttribute(name, value string) *common.KeyValue {
	return &common.KeyValue{Key: name, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}
