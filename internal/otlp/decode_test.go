package otlp

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
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
