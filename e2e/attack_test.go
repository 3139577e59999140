package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
)

const protobufDelimited = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

// attack is a sequence of pushes that must not break anything for anybody.
type attack struct {
	name   string
	pushes []attackPush
}

type attackPush struct {
	path     string // below /metrics
	text     string
	families []*dto.MetricFamily // sent as protobuf instead of text
	// want is the status of a checked gateway, unchecked that of an unchecked
	// one; 0 means that either a good answer or a refusal will do.
	want, unchecked int
	names           bool // it needs --push.enable-utf8-names
}

// refused is a push that no gateway may take; contradicts is one that only an
// unchecked one takes.
func refused(path, text string) attackPush {
	return attackPush{path: path, text: text, want: 400, unchecked: 400}
}
func contradicts(path, text string) attackPush {
	return attackPush{path: path, text: text, want: 400, unchecked: 202}
}
func taken(path, text string) attackPush {
	return attackPush{path: path, text: text, want: 200, unchecked: 202}
}

// named is a push of names that a gateway takes only where it was told to.
func named(path, text string) attackPush {
	p := taken(path, text)
	p.names = true
	return p
}

func refusedProto(families ...*dto.MetricFamily) attackPush {
	return attackPush{path: "/job/p", families: families, want: 400, unchecked: 400}
}

func takenProto(families ...*dto.MetricFamily) attackPush {
	return attackPush{path: "/job/p", families: families, want: 200, unchecked: 202}
}

func gaugeFamily(name string, labels ...string) *dto.MetricFamily {
	return &dto.MetricFamily{Name: proto.String(name), Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{{
		Label: pairsOf(labels...), Gauge: &dto.Gauge{Value: proto.Float64(1)},
	}}}
}

func pairsOf(labels ...string) (pairs []*dto.LabelPair) {
	for i := 0; i < len(labels); i += 2 {
		pairs = append(pairs, &dto.LabelPair{Name: proto.String(labels[i]), Value: proto.String(labels[i+1])})
	}
	return pairs
}

// nativeFamily has two buckets in its spans, and whatever deltas it is given.
func nativeFamily(count uint64, schema int32, deltas ...int64) *dto.MetricFamily {
	return &dto.MetricFamily{Name: proto.String("native"), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: []*dto.Metric{{
		Histogram: &dto.Histogram{
			SampleCount: proto.Uint64(count), SampleSum: proto.Float64(1), Schema: proto.Int32(schema), ZeroThreshold: proto.Float64(0.001),
			PositiveSpan: []*dto.BucketSpan{{Offset: proto.Int32(0), Length: proto.Uint32(2)}}, PositiveDelta: deltas,
		},
	}}}
}

func attacks() []attack {
	bad := "\xff"
	histogram := "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"
	return []attack{
		{"own family with another type", []attackPush{contradicts("/job/a", "pushgateway_http_push_size_bytes 5\n")}},
		{"own family not seen yet", []attackPush{contradicts("/job/a", "# TYPE pushgateway_scrape_size_bytes counter\npushgateway_scrape_size_bytes 5\n")}},
		{"own family's lines", []attackPush{contradicts("/job/a", "# TYPE go_gc_duration_seconds_sum gauge\ngo_gc_duration_seconds_sum 5\n")}},
		{"own family with its type", []attackPush{taken("/job/a", "# TYPE go_goroutines gauge\ngo_goroutines 5\n")}},
		{"job that is not UTF-8", []attackPush{refused("/job@base64/_w", "m 1\n")}},
		{"label that is not UTF-8", []attackPush{refused("/job/a/x@base64/_w", "m 1\n"), refused("/job/a/x/%ff", "m 1\n")}},
		{"twin groups", []attackPush{taken("/job/a", "m 1\n"), contradicts("/job/a/instance@base64/=", "n 1\n"), contradicts("/job/a/instance@base64/=", "m 1\n")}},
		{"le in the grouping key", []attackPush{refused("/job/a/le/5", histogram), taken("/job/a/le/5", "m 1\n")}},
		{"quantile in the grouping key", []attackPush{refused("/job/a/quantile/5", "# TYPE s summary\ns_sum 1\ns_count 1\n")}},
		{"quantile in a histogram is a label", []attackPush{taken("/job/a/quantile/5", histogram)}},
		{"type", []attackPush{taken("/job/a", "# TYPE m gauge\nm 1\n"), contradicts("/job/b", "# TYPE m counter\nm 1\n")}},
		{"suffix of a histogram", []attackPush{taken("/job/a", histogram), contradicts("/job/b", "h_bucket 1\n")}},
		{"suffix of a gauge histogram", []attackPush{taken("/job/a", strings.Replace(histogram, "histogram", "gaugehistogram", 1)), contradicts("/job/b", "h_sum 1\n")}},
		{"suffix within a push", []attackPush{contradicts("/job/a", "# TYPE h_sum gauge\nh_sum 1\n# TYPE h summary\nh{quantile=\"0.5\"} 1\nh_count 1\n")}},
		{"equal series of groups", []attackPush{taken("/job/a/x/1", "m 1\n"), contradicts("/job/a", "m{x=\"1\"} 1\n")}},
		{"equal series of a push", []attackPush{contradicts("/job/a/x/1", "m{x=\"1\"} 1\nm{x=\"2\"} 1\n")}},
		{"timestamps", []attackPush{contradicts("/job/a", "m 1 123\n")}},
		{"time families", []attackPush{taken("/job/a", "push_failure_time_seconds 5\n"), taken("/job/b", "# TYPE push_time_seconds histogram\npush_time_seconds_sum 5\n"), taken("/job/c", "push_time_seconds_count 1\n")}},
		{"colon in a label", []attackPush{named("/job/a", "{\"m\",\"a:b\"=\"1\",a_b=\"2\"} 1\n")}},
		{"NUL", []attackPush{refused("/job/a", "{\"m\x00\"} 1\n"), refused("/job/a", "{\"m\",\"a\x00b\"=\"1\"} 1\n"), taken("/job/a", "m{a=\"x\x00y\"} 1\n"), taken("/job/b", "# HELP m a\x00b\nm 1\n")}},
		{"help that is not UTF-8", []attackPush{taken("/job/a", "# HELP m "+bad+"\nm 1\n")}},
		{"names equal when escaped", []attackPush{named("/job/a", "{\"a.b\"} 1\n{\"a_b\"} 2\n{\"a b\"} 3\n"), named("/job/b", "# TYPE \"a:b.c\" histogram\n{\"a:b.c_count\"} 1\na:b_c_count 1\n")}},
		{"labels equal when escaped", []attackPush{named("/job/a", "{\"m\",\"x y\"=\"1\",\"x_y\"=\"2\",\"x.y\"=\"3\"} 1\n"), named("/job/b", "{\"m\",\"x y\"=\"1\"} 1\nm{x_y=\"1\"} 2\n")}},
		{"own name when escaped", []attackPush{named("/job/a", "# TYPE \"go.goroutines\" gauge\n{\"go.goroutines\"} 1\n{\"push.time.seconds\"} 1\n")}},
		{"reserved label", []attackPush{refused("/job/a", "m{__x=\"1\"} 1\n")}},
		{"quotes and newlines", []attackPush{named("/job/a", "# HELP m a\\nb\\\\c\"\nm{a=\"\\\"\\n\\\\\"} 1\n{\"n\\n\\\"\\\\\"} 1\n"), taken("/job/b", "# HELP m a\\nb\\\\c\"\nm{a=\"\\\"\\n\\\\\"} 1\n")}},
		{"odd numbers", []attackPush{taken("/job/a", "# TYPE h histogram\nh_bucket{le=\"NaN\"} 1\nh_bucket{le=\"-Inf\"} 1\nh_count NaN\nh_sum -Inf\n# TYPE s summary\ns{quantile=\"NaN\"} 1\ns{quantile=\"7\"} Inf\ns_count -5\n")}},

		{"family without a name", []attackPush{refusedProto(gaugeFamily(""))}},
		{"value of another type", []attackPush{refusedProto(&dto.MetricFamily{Name: proto.String("m"), Type: dto.MetricType_COUNTER.Enum(), Metric: []*dto.Metric{{Gauge: &dto.Gauge{}}}})}},
		{"no such type", []attackPush{refusedProto(&dto.MetricFamily{Name: proto.String("m"), Type: dto.MetricType(9).Enum(), Metric: []*dto.Metric{{Gauge: &dto.Gauge{}}}})}},
		{"gauge histogram without value", []attackPush{refusedProto(&dto.MetricFamily{Name: proto.String("m"), Type: dto.MetricType_GAUGE_HISTOGRAM.Enum(), Metric: []*dto.Metric{{}}})}},
		{"le as a label", []attackPush{refusedProto(&dto.MetricFamily{Name: proto.String("m"), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Label: pairsOf("le", "5"), Histogram: &dto.Histogram{}}}})}},
		{"bytes that are not UTF-8", []attackPush{
			refusedProto(gaugeFamily("m" + bad)), refusedProto(gaugeFamily("m", bad, "x")), refusedProto(gaugeFamily("m", "x", bad)),
			takenProto(&dto.MetricFamily{Name: proto.String("m"), Help: proto.String(bad), Type: dto.MetricType_GAUGE.Enum(), Metric: gaugeFamily("m").Metric}),
		}},
		{"exemplar that is not UTF-8", []attackPush{refusedProto(&dto.MetricFamily{Name: proto.String("m"), Type: dto.MetricType_COUNTER.Enum(), Metric: []*dto.Metric{{
			Counter: &dto.Counter{Value: proto.Float64(1), Exemplar: &dto.Exemplar{Label: pairsOf("trace", bad), Value: proto.Float64(1)}},
		}}})}},
		{"labels without or with equal names", []attackPush{refusedProto(gaugeFamily("m", "", "x")), refusedProto(gaugeFamily("m", "a", "x", "a", "y")), refusedProto(gaugeFamily("m", "a", "x", "b", "y", "a", "z"))}},
		{"spans and buckets disagree", []attackPush{refusedProto(nativeFamily(2, 0, 1)), refusedProto(nativeFamily(2, 0, 1, 0, 0)), refusedProto(nativeFamily(2, 0))}},
		{"negative bucket", []attackPush{refusedProto(nativeFamily(2, 0, 1, -5))}},
		{"count and buckets disagree", []attackPush{refusedProto(nativeFamily(7, 0, 1, 0))}},
		{"no such schema", []attackPush{refusedProto(nativeFamily(2, 100, 1, 0))}},
		{"good native histogram", []attackPush{takenProto(nativeFamily(2, 0, 1, 0))}},
		{"huge span", []attackPush{refusedProto(&dto.MetricFamily{Name: proto.String("native"), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Histogram: &dto.Histogram{
			Schema: proto.Int32(0), PositiveSpan: []*dto.BucketSpan{{Offset: proto.Int32(math.MinInt32), Length: proto.Uint32(math.MaxUint32)}},
		}}}})}},
		{"family without series", []attackPush{takenProto(&dto.MetricFamily{Name: proto.String("m"), Type: dto.MetricType_GAUGE.Enum()})}},
	}
}

var modes = map[string][]string{
	"default":   nil,
	"utf8":      {"--push.enable-utf8-names"},
	"unchecked": {"--push.disable-consistency-check"},

	"unchecked utf8": {"--push.disable-consistency-check", "--push.enable-utf8-names"},
}

// TestAttacks sends what broke Pushgateway 1.11, and more of its kind.
func TestAttacks(t *testing.T) {
	for mode, args := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := start(t, append(args, "--web.enable-admin-api", "--web.enable-openmetrics")...)
			for _, a := range slices.Concat(attacks(), nameAttacks(), histogramAttacks(), oddProtobuf()) {
				t.Run(a.name, func(t *testing.T) {
					s.with(t).suffer(a, strings.Contains(mode, "unchecked"), strings.Contains(mode, "utf8"))
				})
			}
		})
	}
}

func (s *server) suffer(a attack, unchecked, names bool) {
	s.t.Helper()
	defer s.do(http.MethodPut, "/api/v1/admin/wipe", "")
	s.pushGood()
	for i, p := range a.pushes {
		want := p.want
		if unchecked {
			want = p.unchecked
		}
		if p.names && !names {
			want = http.StatusBadRequest
		}
		body, contentType := p.text, "text/plain"
		if p.families != nil {
			body, contentType = delimited(s.t, p.families), protobufDelimited
		}
		got := s.do(http.MethodPut, "/metrics"+p.path, body, "Content-Type", contentType)
		if want != 0 && got.status != want || got.status >= 500 {
			s.t.Errorf("push %d to %s, %q: got %d %q, want %d", i, p.path, clip(body), got.status, got.body, want)
		}
		if got.status >= 400 && len(got.body) < 20 {
			s.t.Errorf("push %d: the answer does not say what is wrong: %q", i, got.body)
		}
		if got.status < 300 || i == len(a.pushes)-1 {
			s.checkAlive()
		}
	}
}

func delimited(t testing.TB, families []*dto.MetricFamily) string {
	t.Helper()
	var b bytes.Buffer
	for _, f := range families {
		if _, err := protodelim.MarshalTo(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestBadBodies(t *testing.T) {
	s := start(t, "--push.max-body-bytes=1048576", "--push.max-inflight-bytes=2097152") // as 1MiB and 2MiB
	s.pushGood()
	before := s.do(http.MethodGet, "/api/v1/metrics", "").body
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	tests := []struct {
		name, path, body string
		header           []string
		status           int
		says             string
	}{
		{"malformed", "/job/a", "m 1\nn 2\no x\n", nil, 400, "line 3"},
		{"no newline at the end", "/job/a", "m 1", nil, 400, "newline"},
		{"truncated protobuf", "/job/a", "\x1d\n\x01m", []string{"Content-Type", protobufDelimited}, 400, "message 1"},
		{"broken gzip", "/job/a", "\x1f\x8bnonsense", []string{"Content-Encoding", "gzip"}, 400, "gzip"},
		{"broken zstd", "/job/a", "\x28\xb5\x2f\xfdnonsense", []string{"Content-Encoding", "zstd"}, 400, "zstd"},
		{"broken snappy", "/job/a", "\xff\x06\x00\x00sNaPpYnonsense", []string{"Content-Encoding", "snappy"}, 400, "snappy"},
		{"not gzip", "/job/a", "m 1\n", []string{"Content-Encoding", "gzip"}, 400, "the body is not gzip, as its Content-Encoding says"},
		{"not zstd", "/job/a", "m 1\n", []string{"Content-Encoding", "zstd"}, 400, "the body is not zstd, as its Content-Encoding says"},
		{"not snappy", "/job/a", "m 1\n", []string{"Content-Encoding", "snappy"}, 400, "the body is not snappy, as its Content-Encoding says"},
		{"empty gzip", "/job/a", "", []string{"Content-Encoding", "gzip"}, 400, "the body is empty, and not gzip"},
		{"large", "/job/a", strings.Repeat("m{a=\"xxxxxxxxxxxxxxxxxxxxxxx\"} 1\n", 40_000), nil, 413, "--push.max-body-bytes"},
		{"large when unpacked", "/job/a", gzipped(t, 20<<20), []string{"Content-Encoding", "gzip"}, 413, "--push.max-body-bytes"},
		{"many families", "/job/a", many(110_000, "a%d 1\n"), nil, 413, "at once, or split it into several groups"},
		{"long grouping label", "/job/a/x/" + strings.Repeat("y", 8000), many(30_000, "m{a=\"%d\"} 1\n"), nil, 413, "grouping labels"},
		{"many grouping labels", "/job/a" + many(5_000, "/l%d/v"), "m 1\n", nil, 400, "grouping labels"},
		{"odd path", "/job/a/b", "m 1\n", nil, 400, "name/value"},
		{"bad base64", "/job@base64/!!", "m 1\n", nil, 400, "base64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := s.with(t)
			if a := s.push("/metrics"+tt.path, tt.body, tt.status, tt.header...); !strings.Contains(a.body, tt.says) {
				t.Errorf("the answer %q does not say %q", a.body, tt.says)
			}
			if after := s.do(http.MethodGet, "/api/v1/metrics", "").body; after != before {
				t.Errorf("the store has changed: %s", after)
			}
		})
	}
}

// gzipped is n bytes of zeros, packed.
func gzipped(t testing.TB, n int64) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.CopyN(z, zeros{}, n); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestStalledBodies holds connections to the read timeout, and the bytes of
// announced bodies to what has arrived of them.
func TestStalledBodies(t *testing.T) {
	s := start(t, "--web.read-timeout=1s")
	var stalled []net.Conn
	for range 50 {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "PUT /metrics/job/a HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\nm 1\n")
		stalled = append(stalled, conn)
	}
	s.push("/metrics/job/b", "m 1\n", http.StatusOK)
	gone, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(gone, "PUT /metrics/job/c HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nm 1\n")
	gone.Close()
	for _, conn := range stalled {
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 408") {
			t.Fatalf("a stalled push: got %q, %v", b, err)
		}
	}
	if got := normalScrape(s.scrape().body); len(got) == 0 || strings.Contains(strings.Join(got, "\n"), `job="a"`) || strings.Contains(strings.Join(got, "\n"), `job="c"`) {
		t.Errorf("half of a push is stored: %q", got)
	}
}

// TestBase64Keys writes awkward labels as clients do.
func TestBase64Keys(t *testing.T) {
	s := start(t)
	for _, value := range []string{"/var/tmp", "", "a b", "ä/ö", "..", "\n", `"`} {
		encoded := base64.RawURLEncoding.EncodeToString([]byte(value))
		if encoded == "" {
			encoded = "="
		}
		path := "/metrics/job/a/x@base64/" + encoded
		s.push(path, "m 1\n", http.StatusOK)
		var page struct {
			Data struct {
				Groups []struct{ Labels map[string]string }
			}
		}
		if err := json.Unmarshal([]byte(s.do(http.MethodGet, "/api/v1/groups", "").body), &page); err != nil {
			t.Fatal(err)
		}
		if len(page.Data.Groups) != 1 || page.Data.Groups[0].Labels["x"] != value {
			t.Errorf("%q became %v", value, page.Data.Groups)
		}
		if a := s.do(http.MethodDelete, path, ""); a.status != http.StatusAccepted {
			t.Errorf("DELETE %s: got %d", path, a.status)
		}
	}
}
