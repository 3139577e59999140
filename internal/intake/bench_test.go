package intake_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"pushgateway/internal/intake"
	"pushgateway/internal/otlp"
)

// BenchmarkOTLP exports 88 counters with start times to one group.
func BenchmarkOTLP(b *testing.B) {
	var families []string
	for f := range 8 {
		var points []string
		for i := range 11 {
			points = append(points, fmt.Sprintf(`{"asInt":"%d","startTimeUnixNano":"1600000000500000000","attributes":[{"key":"stage","value":{"stringValue":"extract"}},{"key":"shard","value":{"stringValue":"%d"}}]}`, i*f, i))
		}
		families = append(families, fmt.Sprintf(`{"name":"etl.%d","description":"Records.","sum":{"isMonotonic":true,"aggregationTemporality":2,"dataPoints":[%s]}}`, f, strings.Join(points, ",")))
	}
	req := new(metrics.MetricsData)
	if err := protojson.Unmarshal([]byte(`{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"scopeMetrics":[{"metrics":[`+strings.Join(families, ",")+`]}]}]}`), req); err != nil {
		b.Fatal(err)
	}
	wire, err := proto.Marshal(req)
	if err != nil {
		b.Fatal(err)
	}
	in := intake.New(open(b), intake.Config{})
	b.ReportAllocs()
	for b.Loop() {
		r := intake.Request{Header: http.Header{}, Client: "192.0.2.1", Body: bytes.NewReader(wire), Length: -1}
		if out, _, err := in.PushOTLP(b.Context(), r, otlp.Protobuf); err != nil || out.Rejected.Points > 0 {
			b.Fatal(err, out.Rejected.String())
		}
	}
}
