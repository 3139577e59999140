package e2e

import (
	"context"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// TestOTLPSDK exports with the Go SDK, and lets a real Prometheus scrape it.
func TestOTLPSDK(t *testing.T) {
	t.Parallel() // mostly it waits
	s := start(t, "--web.enable-openmetrics")
	err := s.export(otlpmetrichttp.WithURLPath("/v1/metrics"), otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression), otlpmetrichttp.WithHeaders(map[string]string{"X-Pushgateway-TTL": "26h"}))
	if err != nil {
		t.Error(err)
	}
	s.wantSeries([]string{
		`sdk_requests_total{http_method="GET",instance="i",job="shop/a"} 3`, `sdk_load_ratio{instance="i",job="shop/a"} 0.5`,
		`sdk_took_seconds_bucket{instance="i",job="shop/a",le="5"} 1`, `sdk_took_seconds_count{instance="i",job="shop/a"} 2`, `sdk_size_bytes_count{instance="i",job="shop/a"} 1`,
		`target_info{instance="i",job="shop/a",service_version="1.2"} 1`,
	}, nil)
	open := s.get("/metrics", "Accept", openMetricsUTF8).body
	for _, want := range []string{"sdk_requests_created{", "sdk_took_seconds_created{", "# UNIT sdk_took_seconds seconds\n"} {
		if !strings.Contains(open, want) {
			t.Errorf("OpenMetrics has no %q", want)
		}
	}
	if scrape := s.scrape().body; strings.Count(scrape, "\npush_expiry_time_seconds{") != 1 {
		t.Error("the header with the time to live is not taken")
	}
	if proto := s.scrape("Accept", compactAccept).body; !strings.Contains(proto, "schema:") {
		t.Error("there is no native histogram")
	}
	addr := startPrometheus(t, scrapeConfig(s))
	await(t, addr, `sdk_requests_total{job="shop/a",instance="i",http_method="GET"}`, "3")
	await(t, addr, `sdk_took_seconds_count * on (job, instance) group_left(service_version) target_info`, "2")
}

// TestOTLPSDKDelta exports with delta temporality, from two runs of a job, and wants
// the sum.
func TestOTLPSDKDelta(t *testing.T) {
	t.Parallel() // mostly it waits
	s := start(t, "--web.enable-openmetrics")
	for range 2 {
		if err := s.export(otlpmetrichttp.WithURLPath("/api/v1/otlp/v1/metrics"), otlpmetrichttp.WithTemporalitySelector(sdk.DeltaTemporalitySelector)); err != nil {
			t.Error(err)
		}
	}
	s.wantSeries([]string{
		`sdk_requests_total{http_method="GET",instance="i",job="shop/a"} 6`, `sdk_load_ratio{instance="i",job="shop/a"} 0.5`,
		`sdk_took_seconds_bucket{instance="i",job="shop/a",le="5"} 2`, `sdk_took_seconds_sum{instance="i",job="shop/a"} 88`, `sdk_size_bytes_count{instance="i",job="shop/a"} 2`,
		`target_info{instance="i",job="shop/a",service_version="1.2"} 1`,
	}, nil)
	if open := s.get("/metrics", "Accept", openMetricsUTF8).body; !strings.Contains(open, "sdk_requests_created{") || !strings.Contains(open, "# UNIT sdk_took_seconds seconds\n") {
		t.Errorf("a start time or a unit is missing:\n%s", aboutJob(open))
	}
	if proto := s.scrape("Accept", compactAccept).body; !strings.Contains(proto, "schema:") {
		t.Error("there is no native histogram")
	}
	addr := startPrometheus(t, scrapeConfig(s))
	await(t, addr, `sdk_requests_total{job="shop/a",instance="i",http_method="GET"}`, "6")
	await(t, addr, `sdk_took_seconds_count`, "4")
}

// export exports some metrics to the gateway once, and returns what the SDK says
// when it shuts down.
func (s *server) export(o ...otlpmetrichttp.Option) error {
	s.t.Helper()
	ctx := context.Background()
	exporter := must(otlpmetrichttp.New(ctx, append(o, otlpmetrichttp.WithEndpoint(s.addr), otlpmetrichttp.WithInsecure(), otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{}))...))
	about := resource.NewSchemaless(attribute.String("service.name", "a"), attribute.String("service.namespace", "shop"), attribute.String("service.instance.id", "i"), attribute.String("service.version", "1.2"))
	exponential := sdk.NewView(sdk.Instrument{Name: "sdk.size"}, sdk.Stream{Aggregation: sdk.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}})
	provider := sdk.NewMeterProvider(sdk.WithReader(sdk.NewPeriodicReader(exporter)), sdk.WithResource(about), sdk.WithView(exponential))
	meter := provider.Meter("e2e")
	must(meter.Int64Counter("sdk.requests")).Add(ctx, 3, metric.WithAttributes(attribute.String("http.method", "GET")))
	must(meter.Float64Gauge("sdk.load", metric.WithUnit("1"))).Record(ctx, 0.5)
	took := must(meter.Float64Histogram("sdk.took", metric.WithUnit("s")))
	took.Record(ctx, 4)
	took.Record(ctx, 40)
	must(meter.Int64Histogram("sdk.size", metric.WithUnit("By"))).Record(ctx, 1000)
	return provider.Shutdown(ctx)
}
