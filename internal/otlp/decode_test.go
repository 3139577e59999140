package otlp

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// FuzzDecode compares the decoder with the library: both read the same bodies, and
// read the same in them.
func FuzzDecode(f *testing.F) {
	bodies, err := filepath.Glob("../../testdata/otlp/*/*.pb")
	if err != nil || len(bodies) == 0 {
		f.Fatalf("there are no bodies: %v", err)
	}
	for _, file := range bodies {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte("\xb9\x9b\xb6\xf0000000000")) // a field number that is too large
	for _, text := range []string{
		`{"resourceMetrics":[{"schemaUrl":"u","scopeMetrics":[{"scope":{"name":"n"},"schemaUrl":"v","metrics":[{"name":"n","description":"d","unit":"u","metadata":[{"key":"k","value":{"intValue":"1"}}],"gauge":{"dataPoints":[{"asDouble":1,"flags":1,"exemplars":[{"asInt":"2"}]}]}}]}]}]}`,
		`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"aggregationTemporality":1,"dataPoints":[{"count":"1","sum":2,"min":3,"max":4,"flags":5,"bucketCounts":["6","7"],"explicitBounds":[8],"exemplars":[{"asInt":"2"}],"attributes":[{"key":"a","value":{"arrayValue":{"values":[{"kvlistValue":{}}]}}},{"key":"b","value":{}},{"key":"c"}]}]}},{"summary":{"dataPoints":[{}]}},{"exponentialHistogram":{"dataPoints":[{"positive":{"bucketCounts":["1"]}}]}}]}]}]}`,
	} {
		req := new(metrics.MetricsData)
		if err := protojson.Unmarshal([]byte(text), req); err != nil {
			f.Fatal(err)
		}
		body, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
		f.Add(append(body, body...))
	}
	f.Add([]byte("\x80\x80\x80\x80\x10\x00")) // a field with a number that no field may have
	f.Fuzz(func(t *testing.T, body []byte) {
		want := new(metrics.MetricsData)
		wrong := proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: deepest}.Unmarshal(body, want)
		taken := 0
		d := decoders.Get().(*decoder)
		defer d.release()
		got, err := d.decode(body, func(bytes int) error {
			taken += bytes
			return nil
		})
		if wrong == nil {
			writeOut(t, want)
		}
		if (err == nil) != (wrong == nil) || err == nil && !proto.Equal(got, want) {
			t.Errorf("read %v, %v, want %v, %v", got, err, want, wrong)
		}
		over := errors.New("no memory")
		if _, err := new(decoder).decode(body, func(bytes int) error {
			if taken -= bytes; taken < 1 {
				return over
			}
			return nil
		}); wrong == nil && len(got.ResourceMetrics) > 0 && !errors.Is(err, over) {
			t.Errorf("with too little memory: %v", err)
		}
	})
}

// writeOut replaces the lists and maps in attributes by their texts, as the decoder
// does.
func writeOut(t *testing.T, req *metrics.MetricsData) {
	err := protorange.Range(req.ProtoReflect(), func(p protopath.Values) error {
		m, ok := p.Index(-1).Value.Interface().(protoreflect.Message)
		if !ok {
			return nil
		}
		kv, ok := m.Interface().(*common.KeyValue)
		if !ok {
			return nil
		}
		switch kv.GetValue().GetValue().(type) {
		case *common.AnyValue_ArrayValue, *common.AnyValue_KvlistValue:
			kv.Value.Value = &common.AnyValue_StringValue{StringValue: textOf(kv.Value)}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNestedValues reads lists and maps as text. The library reads them from the same
// bytes.
func TestNestedValues(t *testing.T) {
	for name, tt := range map[string]struct{ value, text string }{
		"empty":       {`{"arrayValue":{}}`, "[]"},
		"empty map":   {`{"kvlistValue":{}}`, "{}"},
		"kinds":       {`{"arrayValue":{"values":[{"stringValue":"a"},{"boolValue":true},{"boolValue":false},{"intValue":"-5"},{"doubleValue":0.1},{"doubleValue":1e21},{"bytesValue":"aGk="},{"bytesValue":""},{}]}}`, `["a",true,false,-5,0.1,1e+21,"aGk=","",null]`},
		"no numbers":  {`{"arrayValue":{"values":[{"doubleValue":"NaN"},{"doubleValue":"-Infinity"}]}}`, `["NaN","-Inf"]`},
		"texts":       {`{"arrayValue":{"values":[{"stringValue":"\u00fc<&>\"\\\n\u2028"},{"stringValue":""}]}}`, `["ü\u003c\u0026\u003e\"\\\n\u2028",""]`},
		"maps":        {`{"kvlistValue":{"values":[{"key":"z","value":{"intValue":"1"}},{"key":"a"},{"key":"z","value":{"intValue":"2"}},{"key":"","value":{"kvlistValue":{"values":[{"key":"b","value":{"arrayValue":{"values":[{}]}}}]}}}]}}`, `{"":{"b":[null]},"a":null,"z":2}`},
		"deep enough": {strings.Repeat(`{"arrayValue":{"values":[`, 20) + `{"intValue":"1"}` + strings.Repeat(`]}}`, 20), strings.Repeat("[", 20) + "1" + strings.Repeat("]", 20)},
	} {
		point := &metrics.NumberDataPoint{}
		if err := protojson.Unmarshal([]byte(`{"attributes":[{"key":"k","value":`+tt.value+`}]}`), point); err != nil {
			t.Fatal(name, err)
		}
		if got := textOf(point.Attributes[0].Value); got != tt.text {
			t.Errorf("%s in JSON: got %s, want %s", name, got, tt.text)
		}
		body, err := proto.Marshal(&metrics.MetricsData{ResourceMetrics: []*metrics.ResourceMetrics{{ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{{Data: &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: []*metrics.NumberDataPoint{point}}}}}}}}}})
		if err != nil {
			t.Fatal(name, err)
		}
		d := decoders.Get().(*decoder)
		req, err := d.decode(body, func(int) error { return nil })
		if err != nil {
			t.Fatal(name, err)
		}
		if got := textOf(req.ResourceMetrics[0].ScopeMetrics[0].Metrics[0].GetGauge().DataPoints[0].Attributes[0].Value); got != tt.text {
			t.Errorf("%s in protobuf: got %s, want %s", name, got, tt.text)
		}
		d.release()
	}
}
