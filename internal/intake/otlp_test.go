package intake_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/intake"
	"pushgateway/internal/metric"
	"pushgateway/internal/otlp"
	"pushgateway/internal/scrape"
)

// exports are metrics in JSON, each of a kind.
var exports = []string{
	`{"name":"my.requests","unit":"By","sum":{"isMonotonic":true,"aggregationTemporality":2,"dataPoints":[{"asInt":"3","startTimeUnixNano":"1600000000500000000","attributes":[{"key":"http.method","value":{"stringValue":"GET"}},{"key":"__x","value":{"stringValue":"1"}}],"exemplars":[{"asDouble":1.5,"traceId":"0af7651916cd43dd8448eb211c80319c"}]}]}}`,
	`{"name":"queue","sum":{"aggregationTemporality":1,"dataPoints":[{"asDouble":-1.5}]}}`,
	`{"name":"h","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[{"count":"3","sum":4.5,"explicitBounds":[1,2],"bucketCounts":["1","0","2"],"exemplars":[{"asDouble":0.5}]}]}}`,
	`{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"5","scale":9,"zeroCount":"1","positive":{"offset":-1,"bucketCounts":["1","0","0","0","2"]},"negative":{"bucketCounts":["1"]},"exemplars":[{"asInt":"1","timeUnixNano":"1"}]}]}}`,
	`{"name":"q","summary":{"dataPoints":[{"count":"2","sum":3,"quantileValues":[{"quantile":0.5,"value":1}]}]}}`,
	`{"name":"d","unit":"s","sum":{"isMonotonic":true,"aggregationTemporality":1,"dataPoints":[{"asInt":"3","timeUnixNano":"5"},{"asDouble":0.5},{"flags":1}]}},{"name":"t","sum":{"isMonotonic":true,"aggregationTemporality":2,"dataPoints":[{"asInt":"-3"}]}}`,
	`{"name":"dh","histogram":{"aggregationTemporality":1,"dataPoints":[{"count":"3","sum":4.5,"explicitBounds":[1,2],"bucketCounts":["1","0","2"]},{"count":"1","explicitBounds":[2],"bucketCounts":["1","0"]}]}}`,
	`{"name":"de","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{"count":"4","scale":9,"zeroCount":"1","positive":{"offset":-1,"bucketCounts":["1","0","0","0","2"]}},{"count":"1","scale":-4,"negative":{"bucketCounts":["1"]}}]}}`,
	`{"name":"g","gauge":{"dataPoints":[{"asInt":"1","attributes":[{"key":"l","value":{"arrayValue":{"values":[{"kvlistValue":{"values":[{"key":"a","value":{"bytesValue":"AAE="}}]}}]}}}]},{"flags":1}]}}`,
}

// FuzzOTLP exports anything, then something else, and both again, and wants every
// scrape to be readable and to have no series twice.
func FuzzOTLP(f *testing.F) {
	var all []string
	var wires [][]byte
	for i, m := range exports {
		body := fmt.Sprintf(`{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}},{"key":"a.b","value":{"intValue":"1"}}]},"scopeMetrics":[{"metrics":[%s]}]}]}`, m)
		all = append(all, body)
		f.Add([]byte(body), []byte(all[len(all)/2]), true, true)
		req := new(metrics.MetricsData)
		if err := protojson.Unmarshal([]byte(body), req); err != nil {
			f.Fatal(err)
		}
		wire, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		wires = append(wires, wire)
		f.Add(wire, wires[i/2], false, false)
	}
	f.Fuzz(func(t *testing.T, body, other []byte, inJSON, escape bool) {
		c := intake.Config{UTF8Names: !escape}
		if !escape {
			c.OTLP.Strategy = "NoTranslation"
		}
		g := open(t)
		e := otlp.Protobuf
		if inJSON {
			e = otlp.JSON
		}
		in := intake.New(g, c)
		for i, body := range [][]byte{body, other, body, other} {
			r := intake.Request{Header: http.Header{intake.OnceHeader: {strconv.Itoa(i)}}, Client: "192.0.2.1", Body: bytes.NewReader(body), Length: -1}
			if _, _, err := in.PushOTLP(t.Context(), r, e); err == nil {
				checkScrapes(t, g, true)
			}
		}
	})
}

// FuzzSum adds anything up, and wants every scrape to be readable.
func FuzzSum(f *testing.F) {
	for _, body := range []string{
		"# TYPE c counter\nc_total 1 # {a=\"b\"} 1\nc_created 5\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_count 2\nh_sum 3\n# EOF\n",
		"# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_count 1\ns_sum 1\n# TYPE g gauge\ng NaN\ng{clearmode=\"sum\"} 2\n# TYPE h gaugehistogram\nh_bucket{le=\"+Inf\"} 2\nh_gcount 2\nh_gsum 3\n# EOF\n",
		"# TYPE c counter\nc 1\nc{clearmode=\"family\"} 3\nu 1\n",
	} {
		for _, how := range []string{"", "sum", "max", "clearmode"} {
			f.Add([]byte(body), "application/openmetrics-text", how)
		}
	}
	f.Add([]byte("\x0c\x0a\x01c\x18\x00\x22\x05\x1a\x03\x0a\x01\x31"), "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited", "")
	f.Fuzz(func(t *testing.T, body []byte, contentType, gauges string) {
		g := open(t)
		in := intake.New(g, intake.Config{UTF8Names: true})
		for range 3 {
			r := intake.Request{Key: "job/a", Query: "merge=sum", Client: "192.0.2.1", Body: bytes.NewReader(body), Length: -1,
				Header: http.Header{"Content-Type": {contentType}, intake.GaugesHeader: {gauges}}}
			if _, err := in.Push(t.Context(), r); err != nil {
				return
			}
		}
		checkScrapes(t, g, false)
	})
}

// checkScrapes reads scrapes in all formats and escapings as Prometheus does.
// If once, no series may occur twice.
func checkScrapes(t *testing.T, g *gateway.Gateway, once bool) {
	t.Helper()
	for _, syntax := range []exposition.Syntax{exposition.Text, exposition.Protobuf, exposition.OpenMetrics1} {
		for _, escaping := range metric.Escapings {
			checkScrape(t, g.View(), exposition.Format{Syntax: syntax, Escaping: escaping}, once)
		}
	}
}

// checkScrape reads a scrape as Prometheus does.
func checkScrape(t *testing.T, v *gateway.View, format exposition.Format, once bool) {
	t.Helper()
	var b bytes.Buffer
	if _, err := scrape.New(nil, nil).All(&b, v, format); err != nil {
		t.Fatal(err)
	}
	p, err := textparse.New(b.Bytes(), format.ContentType(), labels.NewSymbolTable(), textparse.ParserOptions{})
	seen := make(map[string]bool)
	for err == nil {
		var e textparse.Entry
		if e, err = p.Next(); err != nil || !once || e != textparse.EntrySeries && e != textparse.EntryHistogram {
			continue
		}
		var set labels.Labels
		if p.Labels(&set); seen[set.String()] && format.Escaping == metric.UTF8 {
			t.Fatalf("%s: twice %s\n%q", format.ContentType(), set, b.Bytes())
		}
		seen[set.String()] = true
	}
	if !errors.Is(err, io.EOF) {
		t.Fatalf("%s: %v\n%q", format.ContentType(), err, b.Bytes())
	}
}
