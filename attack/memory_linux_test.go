package attack

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// TestSmallBodyLargeStructure pushes one body that took two gigabytes: each
// line of 20 bytes is a histogram.
func TestSmallBodyLargeStructure(t *testing.T) {
	g := besiege(t)
	idle := g.peak()
	if status, answer := g.send(text("# TYPE h histogram\n" + many("h_count{a=\"%d\"} 1\n", 1_000_000))); status != http.StatusOK {
		t.Fatalf("got %d %q", status, answer)
	}
	if taken := g.peak() - idle; taken > 400e6 {
		t.Errorf("it took %d bytes", taken)
	}
}

// inflight is the bound that the attacks on memory run under, in bytes.
const inflight = 128 << 20

// TestMemoryOfPushes pushes bodies of each shape that takes much more memory
// than it has bytes, four at once. All of them together take no more than the
// bound and a half.
func TestMemoryOfPushes(t *testing.T) {
	const n = 200_000
	lines := func(head, format string, n int) func(testing.TB) push {
		return func(testing.TB) push { return text(head + many(format, n)) }
	}
	series := func(of dto.MetricType, value func(*dto.Metric), n int) func(testing.TB) push {
		return func(t testing.TB) push {
			f := &dto.MetricFamily{Name: proto.String("m"), Type: of.Enum()}
			for i := range n {
				m := &dto.Metric{Label: []*dto.LabelPair{pair("a", fmt.Sprint(i))}}
				value(m)
				f.Metric = append(f.Metric, m)
			}
			return protobuf(t, f)
		}
	}
	spans, buckets := make([]*dto.BucketSpan, 100), make([]*dto.Bucket, 100)
	for i := range spans {
		spans[i], buckets[i] = new(dto.BucketSpan), new(dto.Bucket)
	}
	exemplar := &dto.Exemplar{Label: []*dto.LabelPair{pair("a", "b")}, Value: proto.Float64(1)}
	tests := map[string]func(testing.TB) push{
		"gauges":                 lines("", "m{a=\"%d\"} 1\n", n),
		"negative zeros":         lines("", "m{a=\"%d\"} -0\n", n),
		"histograms":             lines("# TYPE h histogram\n", "h_count{a=\"%d\"} 1\n", n),
		"histograms of a bucket": lines("# TYPE h histogram\n", "h_bucket{a=\"%d\",le=\"1\"} 1\n", n),
		"buckets":                lines("# TYPE h histogram\n", "h_bucket{le=\"%d\"} 1\n", n),
		"summaries":              lines("# TYPE s summary\n", "s_count{a=\"%d\"} 1\n", n),
		"quantiles":              lines("# TYPE s summary\n", "s{quantile=\"%d\"} 1\n", 2*n),
		"families":               lines("", "m%d 1\n", 50_000),
		"families of histograms": func(testing.TB) push { return text(many("# TYPE h%[1]d histogram\nh%[1]d_count 1\n", 50_000)) },
		"labels":                 func(testing.TB) push { return text(many("m{z=\"%d\","+many("a%d=\"\",", 400)+"} 1\n", 1000)) },
		"escapes":                lines("", "m{a=\"%d\\n\"} 1\n", n),
		"long labels":            lines("", "m{a=\""+strings.Repeat("x", 1000)+"%d\"} 1\n", 20_000),
		"several groups":         func(testing.TB) push { return many10000(n, "/api/v1/push?group_by=job") },
		"series merged": func(testing.TB) push {
			p := lines("", "m{a=\"%d\"} 1\n", n/4)(nil)
			p.method, p.path = http.MethodPost, p.path+"?merge=series"
			return p
		},
		"exemplars":               series(dto.MetricType_COUNTER, func(m *dto.Metric) { m.Counter = &dto.Counter{Exemplar: exemplar} }, n),
		"exemplars of histograms": series(dto.MetricType_HISTOGRAM, func(m *dto.Metric) { m.Histogram = &dto.Histogram{Exemplars: []*dto.Exemplar{exemplar}} }, n),
		"native histograms":       series(dto.MetricType_HISTOGRAM, func(m *dto.Metric) { m.Histogram = &dto.Histogram{Schema: proto.Int32(1)} }, n),
		"spans":                   series(dto.MetricType_HISTOGRAM, func(m *dto.Metric) { m.Histogram = &dto.Histogram{PositiveSpan: spans} }, 5000),
		"values of other types":   series(dto.MetricType_GAUGE, func(m *dto.Metric) { m.Gauge, m.Histogram = &dto.Gauge{}, &dto.Histogram{Bucket: buckets} }, 10_000),
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) { crowd(t, make(t)) })
	}
	for _, name := range []string{"gauges", "negative zeros", "histograms"} {
		t.Run(name+" on disk", func(t *testing.T) {
			crowd(t, tests[name](t), "--persistence.file="+filepath.Join(t.TempDir(), "db"))
		})
	}
}

// many10000 is a push for 10,000 groups.
func many10000(n int, path string) push {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "m{job=\"%d\",a=\"%d\"} 1\n", i%10_000, i)
	}
	return push{http.MethodPost, path, "text/plain", b.String()}
}

// crowd sends a push four times at once.
func crowd(t *testing.T, p push, args ...string) {
	args = append(args, fmt.Sprintf("--push.max-inflight-bytes=%d", inflight), fmt.Sprintf("--push.max-body-bytes=%d", inflight/2))
	g := besiege(t, args...)
	idle := g.peak()
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			switch status, answer := g.send(p); status {
			case http.StatusOK, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
			default:
				t.Errorf("got %d %q", status, clip(answer))
			}
		})
	}
	done.Wait()
	taken := g.peak() - idle
	_, stored := g.get("/metrics", "text/plain")
	taken -= 2 * int64(len(stored)) // of the push before, and of the last one
	if taken > inflight*3/2 {
		t.Errorf("they took %d MiB under a bound of %d", taken>>20, inflight>>20)
	}
}
