package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resources "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const otlpJSON = "application/json"

// exportOf is a request in JSON with one resource, whose name is a.
func exportOf(attributes, metrics string) string {
	return fmt.Sprintf(`{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}%s]},"scopeMetrics":[{"scope":{"name":"s"},"metrics":[%s]}]}]}`, attributes, metrics)
}

// attributeOf is an attribute in JSON, after a comma.
func attributeOf(name, value string) string {
	return fmt.Sprintf(`,{"key":%q,"value":{"stringValue":%q}}`, name, value)
}

// TestOTLP exports metrics, and wants these lines in scrapes. $ stands for the
// labels of the group.
func TestOTLP(t *testing.T) {
	s := start(t, "--web.enable-openmetrics", "--web.enable-admin-api")
	for name, c := range map[string]struct{ attributes, metrics, text, open, proto string }{
		"counter": {"", `{"name":"my.requests","unit":"By","description":"Requests.","sum":{"isMonotonic":true,"aggregationTemporality":2,"dataPoints":[
			{"asInt":"3","startTimeUnixNano":"1600000000500000000","timeUnixNano":"1700000000000000000","attributes":[{"key":"http.method","value":{"stringValue":"GET"}}],
			"exemplars":[{"asDouble":1.5,"timeUnixNano":"1700000000000000000","traceId":"0AF7651916CD43dd8448eb211c80319c","spanId":"B7ad6b7169203331"}]}]}}`,
			"# HELP my_requests_bytes_total Requests.\n# TYPE my_requests_bytes_total counter\nmy_requests_bytes_total{http_method=\"GET\",$} 3\n",
			"# UNIT my_requests_bytes bytes\nmy_requests_bytes_total{http_method=\"GET\",$} 3.0 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\",span_id=\"b7ad6b7169203331\"} 1.5 1700000000\nmy_requests_bytes_created{http_method=\"GET\",$} 1600000000.5\n",
			"created_timestamp:{seconds:1600000000 nanos:500000000}"},
		"a sum that can fall": {"", `{"name":"queue","sum":{"aggregationTemporality":2,"dataPoints":[{"asDouble":-1.5}]}}`, "# TYPE queue gauge\nqueue{$} -1.5\n", "", ""},
		"gauge":               {"", `{"name":"g","unit":"1","gauge":{"dataPoints":[{"asDouble":0.5}]}}`, "# TYPE g_ratio gauge\ng_ratio{$} 0.5\n", "", ""},
		"histogram": {"", `{"name":"h","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[{"count":"3","sum":4.5,"startTimeUnixNano":"1000000000","explicitBounds":[1,2],"bucketCounts":["1","0","2"],
			"exemplars":[{"asDouble":0.5,"timeUnixNano":"2000000000"}]}]}}`,
			"# TYPE h_seconds histogram\nh_seconds_bucket{$,le=\"1\"} 1\nh_seconds_bucket{$,le=\"2\"} 1\nh_seconds_bucket{$,le=\"+Inf\"} 3\nh_seconds_sum{$} 4.5\nh_seconds_count{$} 3\n",
			"h_seconds_bucket{$,le=\"1.0\"} 1 # {} 0.5 2\n", "created_timestamp:{seconds:1 nanos:0}"},
		"exponential histogram": {"", `{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"5","sum":9,"scale":0,"zeroCount":"1","positive":{"offset":-1,"bucketCounts":["1","0","0","0","2"]},"negative":{"offset":0,"bucketCounts":["1"]}}]}}`,
			"# TYPE e histogram\ne_bucket{$,le=\"+Inf\"} 5\n", "",
			"schema:0 zero_threshold:1e-128 zero_count:1 negative_span:{offset:1 length:1} negative_delta:1 positive_span:{offset:0 length:1} positive_span:{offset:3 length:1} positive_delta:1 positive_delta:1"},
		"a finer one": {"", `{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"4","scale":9,"positive":{"offset":0,"bucketCounts":["1","2","1"]}}]}}`, "", "",
			"schema:8 zero_threshold:1e-128 zero_count:0 positive_span:{offset:1 length:2} positive_delta:3 positive_delta:-2"},
		"summary": {"", `{"name":"q","summary":{"dataPoints":[{"count":"2","sum":3,"quantileValues":[{"quantile":0.5,"value":1}]}]}}`,
			"# TYPE q summary\nq{$,quantile=\"0.5\"} 1\nq_sum{$} 3\nq_count{$} 2\n", "", ""},
		"target": {attributeOf("service.version", "1") + attributeOf("host.name", "h"), `{"name":"g","gauge":{"dataPoints":[{"asInt":"1"}]}}`,
			"# HELP target_info Target metadata\n# TYPE target_info gauge\ntarget_info{host_name=\"h\",$,service_version=\"1\"} 1\n", "", ""},
		"labels that become equal": {"", `{"name":"g","gauge":{"dataPoints":[{"asInt":"1","attributes":[{"key":"a_b","value":{"intValue":"2"}},{"key":"a.b","value":{"boolValue":true}},{"key":"l","value":{"arrayValue":{"values":[{"stringValue":"x"},{"doubleValue":1.5}]}}}]}]}}`,
			"g{a_b=\"true;2\",$,l=\"[\\\"x\\\",1.5]\"} 1\n", "", ""},
		"labels that Prometheus reserves": {"", `{"name":"g","gauge":{"dataPoints":[{"asInt":"1","attributes":[{"key":"__a","value":{"intValue":"1"}},{"key":"_b","value":{"intValue":"2"}},{"key":"9","value":{"intValue":"3"}},{"key":"c__d","value":{"intValue":"4"}}]}]}}`,
			"g{c__d=\"4\",$,key_9=\"3\",key_a=\"1\",key_b=\"2\"} 1\n", "", ""},
		"several times": {"", `{"name":"g","gauge":{"dataPoints":[{"asInt":"2","timeUnixNano":"2"},{"asInt":"1","timeUnixNano":"1"}]}}`, "# TYPE g gauge\ng{$} 2\n", "", ""},
		"no value":      {"", `{"name":"g","gauge":{"dataPoints":[{"flags":1},{"asInt":"1","attributes":[{"key":"n","value":{"intValue":"1"}}]}]}}`, "# TYPE g gauge\ng{$,n=\"1\"} 1\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := s.with(t)
			s.want(http.StatusAccepted, http.MethodPut, "/api/v1/admin/wipe", "")
			for _, path := range []string{"/v1/metrics", "/api/v1/otlp/v1/metrics"} {
				a := s.want(http.StatusOK, http.MethodPost, path, exportOf(c.attributes, c.metrics), "Content-Type", otlpJSON)
				if a.body != "{}" || a.header.Get("Content-Type") != otlpJSON {
					t.Errorf("%s: got %q, %q", path, a.body, a.header.Get("Content-Type"))
				}
			}
			s.wantTogether("", c.text)
			s.wantTogether(openMetricsUTF8, c.open)
			if proto := s.scrape("Accept", compactAccept).body; !strings.Contains(proto, c.proto) {
				t.Errorf("protobuf has no %s:\n%s", c.proto, aboutJob(proto))
			}
		})
	}
}

// TestOTLPRejected wants answers with the points that are not taken, and the
// others in the store.
func TestOTLPRejected(t *testing.T) {
	s := start(t, "--push.reserved-names=up")
	s.push("/metrics/job/other", "# TYPE taken counter\ntaken 1\n", http.StatusOK)
	const good = `{"name":"good","gauge":{"dataPoints":[{"asInt":"1"}]}}`
	for name, c := range map[string]struct {
		body, says string
		points     int
	}{
		"a delta that may fall":  {exportOf("", good+`,{"name":"d","sum":{"aggregationTemporality":1,"dataPoints":[{"asInt":"1"},{"asInt":"-2"}]}}`), `metric \"d\": a sum that can go down cannot have delta temporality`, 2},
		"a delta that falls":     {exportOf("", good+`,{"name":"d","sum":{"isMonotonic":true,"aggregationTemporality":1,"dataPoints":[{"asInt":"-1"},{"asInt":"1"}]}}`), `metric \"d\": a point adds -1 to a sum that only grows`, 1},
		"a delta without end":    {exportOf("", good+`,{"name":"d","sum":{"isMonotonic":true,"aggregationTemporality":1,"dataPoints":[{"asDouble":"Infinity"},{"asDouble":"NaN"}]}}`), `a point adds +Inf`, 2},
		"a histogram of nothing": {exportOf("", good+`,{"name":"h","histogram":{"aggregationTemporality":1,"dataPoints":[{"count":"1","sum":"NaN","explicitBounds":[1],"bucketCounts":["1","0"]}]}}`), "a point has the sum NaN", 1},
		"fewer in buckets":       {exportOf("", good+`,{"name":"h","histogram":{"aggregationTemporality":1,"dataPoints":[{"count":"3","sum":1,"explicitBounds":[1],"bucketCounts":["1","1"]}]}}`), "a point counts 3, but its buckets 2", 1},
		"no buckets at all":      {exportOf("", good+`,{"name":"e","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{"count":"3","sum":1}]}}`), "a point counts 3, but its buckets 0", 1},
		"two temporalities":      {exportOf("", good+`,{"name":"d","sum":{"isMonotonic":true,"aggregationTemporality":1,"dataPoints":[{"asInt":"1"}]}},{"name":"d","sum":{"isMonotonic":true,"aggregationTemporality":2,"dataPoints":[{"asInt":"5"}]}}`), `the request has the name \"d_total\" with another temporality`, 1},
		"one of another type":    {exportOf("", good+`,{"name":"taken","gauge":{"dataPoints":[{"asInt":"1"}]}}`), "its type is counter in group", 1},
		"one delta of another":   {exportOf("", good+`,{"name":"good_too","sum":{"isMonotonic":true,"aggregationTemporality":1,"dataPoints":[{"asInt":"1"}]}},{"name":"taken","gauge":{"dataPoints":[{"asInt":"1"}]}}`), "its type is counter in group", 1},
		"no temporality":         {exportOf("", good+`,{"name":"d","sum":{"dataPoints":[{"asInt":"1"}]}}`), "its aggregation temporality is missing", 1},
		"a coarse scale":         {exportOf("", good+`,{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"scale":-5}]}}`), "the scale of a point is -5", 1},
		"buckets":                {exportOf("", good+`,{"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"explicitBounds":[1],"bucketCounts":["1"]}]}}`), "a point has 1 buckets for 1 bounds", 1},
		"bounds":                 {exportOf("", good+`,{"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"explicitBounds":[1,1],"bucketCounts":["1","1","1"]}]}}`), "do not rise", 1},
		"two types":              {exportOf("", good+`,{"name":"good","sum":{"isMonotonic":true,"aggregationTemporality":2,"dataPoints":[{"asInt":"1"}]}},{"name":"good_total","gauge":{"dataPoints":[{"asInt":"1"}]}}`), "with another type", 1},
		"a reserved name":        {exportOf("", good+`,{"name":"up","gauge":{"dataPoints":[{"asInt":"1"}]}}`), "is reserved by --push.reserved-names", 1},
		"no job":                 {strings.ReplaceAll(exportOf("", good), "service.name", "other"), "a resource has no service.name, which becomes the job; set OTEL_SERVICE_NAME", 1},
		"another group":          {exportOf("", `{"name":"taken","gauge":{"dataPoints":[{"asInt":"1"}]}}`), "its type is counter in group", 1},
	} {
		a := s.want(http.StatusOK, http.MethodPost, "/v1/metrics", c.body, "Content-Type", otlpJSON)
		if !strings.Contains(a.body, c.says) || !strings.HasPrefix(a.body, fmt.Sprintf(`{"partialSuccess":{"rejectedDataPoints":"%d","errorMessage":`, c.points)) {
			t.Errorf("%s: got %s, want %d points, %s", name, a.body, c.points, c.says)
		}
		if c.points > 0 && strings.Contains(c.body, `"name":"good"`) && name != "no job" {
			s.wantTogether("", "# TYPE good gauge\ngood{$} 1\n")
		}
	}
}

// TestOTLPKeys wants groups by what a resource says.
func TestOTLPKeys(t *testing.T) {
	const gauge = `{"name":"g","gauge":{"dataPoints":[{"asInt":"1"}]}}`
	all := attributeOf("service.namespace", "n") + attributeOf("service.instance.id", "i") + attributeOf("k8s.pod.name", "p")
	s := start(t, "--otlp.promote-resource-attributes=k8s.pod.name,missing")
	post := func(query string, header ...string) {
		t.Helper()
		s.want(http.StatusOK, http.MethodPost, "/v1/metrics"+query, exportOf(all, gauge), append(header, "Content-Type", otlpJSON)...)
	}
	post("")
	s.wantSeries([]string{`g{instance="i",job="n/a",k8s_pod_name="p"} 1`}, []string{"target_info"})
	post("?instance=drop", "X-Pushgateway-TTL", "1h")
	post("", "X-Pushgateway-TTL", "1h", "X-Pushgateway-Instance", "drop")
	s.wantSeries([]string{`g{instance="",job="n/a",k8s_pod_name="p"} 1`}, nil)
	if scrape := s.scrape().body; strings.Count(scrape, "\npush_expiry_time_seconds{") != 1 {
		t.Errorf("the time to live is not taken:\n%s", scrape)
	}
	s = start(t, "--otlp.translation-strategy=NoTranslation", "--push.enable-utf8-names", "--otlp.drop-instance")
	s.want(http.StatusOK, http.MethodPost, "/v1/metrics", exportOf(all, `{"name":"my.g","unit":"s","gauge":{"dataPoints":[{"asInt":"1"}]}}`), "Content-Type", otlpJSON)
	if got := s.get("/metrics", "Accept", "text/plain;version=1.0.0;escaping=allow-utf-8").body; !strings.Contains(got, "\n{\"my.g\",instance=\"\",job=\"n/a\"} 1\n") || !strings.Contains(got, `target_info{instance="",job="n/a","k8s.pod.name"="p"} 1`) {
		t.Errorf("NoTranslation: got\n%s", aboutJob(got))
	}
}

// TestOTLPProtobuf sends protobuf, packed, and merges what two requests bring.
func TestOTLPProtobuf(t *testing.T) {
	s := start(t)
	for i, coding := range []string{"gzip", "zstd", ""} {
		body := string(must(proto.Marshal(exportInProto(fmt.Sprint(i), metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE))))
		header := []string{"Content-Type", "application/x-protobuf"}
		if coding != "" {
			body, header = packedAs(t, coding, body), append(header, "Content-Encoding", coding)
		}
		if a := s.want(http.StatusOK, http.MethodPost, "/v1/metrics", body, header...); a.body != "" {
			t.Errorf("got %q, want an empty message", a.body)
		}
	}
	s.wantTogether("", "# TYPE c_total counter\nc_total{$,n=\"0\"} 1\nc_total{$,n=\"1\"} 1\nc_total{$,n=\"2\"} 1\n")
	body := must(proto.Marshal(exportInProto("3", metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_UNSPECIFIED)))
	a := s.want(http.StatusOK, http.MethodPost, "/v1/metrics", string(body), "Content-Type", "application/x-protobuf")
	partial, n := protowire.ConsumeBytes([]byte(a.body)[1:])
	if n < 0 || !strings.HasPrefix(string(partial), "\x08\x01\x12") {
		t.Errorf("got %q", a.body)
	}
}

func exportInProto(n string, temporality metrics.AggregationTemporality) *metrics.MetricsData {
	attribute := func(name, value string) []*common.KeyValue {
		return []*common.KeyValue{{Key: name, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}}
	}
	points := []*metrics.NumberDataPoint{{Attributes: attribute("n", n), Value: &metrics.NumberDataPoint_AsInt{AsInt: 1}}}
	sum := &metrics.Sum{IsMonotonic: true, AggregationTemporality: temporality, DataPoints: points}
	return &metrics.MetricsData{ResourceMetrics: []*metrics.ResourceMetrics{{
		Resource:     &resources.Resource{Attributes: attribute("service.name", "a")},
		ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{{Name: "c", Data: &metrics.Metric_Sum{Sum: sum}}}}},
	}}}
}
