package attack

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
)

// The limits as they are by default, in bytes, and where Prometheus 3 ends.
const (
	mostName   = 64 << 10
	mostLabels = 1 << 20
	cliff      = 1<<24 + 1
)

const protobufDelimited = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

// push is a push that the attacker packs.
type push struct{ method, path, contentType, body string }

func text(body string) push { return push{http.MethodPut, "/metrics/job/a", "text/plain", body} }

func protobuf(t testing.TB, f *dto.MetricFamily) push {
	t.Helper()
	var b bytes.Buffer
	if _, err := protodelim.MarshalTo(&b, f); err != nil {
		t.Fatal(err)
	}
	return push{http.MethodPut, "/metrics/job/a", protobufDelimited, b.String()}
}

func counter(name string, own, ofExemplar *dto.LabelPair) *dto.MetricFamily {
	m := &dto.Metric{Label: []*dto.LabelPair{own}, Counter: &dto.Counter{Value: proto.Float64(1)}}
	if ofExemplar != nil {
		m.Counter.Exemplar = &dto.Exemplar{Label: []*dto.LabelPair{ofExemplar}, Value: proto.Float64(1)}
	}
	return &dto.MetricFamily{Name: &name, Type: dto.MetricType_COUNTER.Enum(), Metric: []*dto.Metric{m}}
}

func pair(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

func packed(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(z, s); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (g *gateway) send(p push) (status int, answer string) {
	g.t.Helper()
	return g.do(p.method, p.path, packed(g.t, p.body), "Content-Type", p.contentType, "Content-Encoding", "gzip")
}

// TestPushesThatEndPrometheus pushes labels and names at which Prometheus 3
// panics, by each way in, and some that are just too long. Whatever is taken,
// Prometheus' own model reads in each format and escaping.
func TestPushesThatEndPrometheus(t *testing.T) {
	g := besiege(t, "--web.enable-openmetrics", "--push.enable-utf8-names")
	long := strings.Repeat("x", cliff)
	const values, names, sums = "the limit of 1048576", "the limit of 65536", "the label set of one series"
	tests := []struct {
		name  string
		push  push
		says  []string
		taken push // what has just the length that is allowed
	}{
		{"value", text("# a\nm{a=\"" + long + "\"} 1\n"), []string{"line 2", `family "m"`, `label "a"`, values}, text("m{a=\"" + strings.Repeat("x", mostLabels-len("ainstancejoba")) + "\"} 1\n")},
		{"name", text("m_" + long + " 1\n"), []string{"line 1", `family "m_xx`, names}, text(strings.Repeat("m", mostName) + " 1\n")},
		{"quoted name", text("{\"m." + long + "\"} 1\n"), []string{"line 1", names}, text("{\"" + strings.Repeat(".", mostName) + "\"} 1\n")},
		{"name in lines", text("# TYPE " + strings.Repeat("m", mostName-6) + " histogram\n" + strings.Repeat("m", mostName-6) + "_sum 1\n"), []string{names, "the name of its lines"}, text("# TYPE " + strings.Repeat("m", mostName-7) + " histogram\n" + strings.Repeat("m", mostName-7) + "_sum 1\n")},
		{"label name", text("m{\"" + long + "\"=\"1\"} 1\n"), []string{"the label name", names}, text("m{\"" + strings.Repeat(".", mostName) + "\"=\"1\"} 1\n")},
		{"labels together", text("m{" + many("a%d=\""+strings.Repeat("x", 11_000)+"\",", 100) + "} 1\n"), []string{sums, values}, text("m{" + many("a%d=\""+strings.Repeat("x", 10_000)+"\",", 100) + "} 1\n")},
		{"labels with the key", push{http.MethodPut, "/metrics/job/a/b/" + strings.Repeat("y", 1000), "text/plain", "m{a=\"" + strings.Repeat("x", mostLabels-100) + "\"} 1\n"}, []string{sums, values}, push{}},
		{"escaped value", text("m{a=\"" + strings.Repeat(`\n`, mostLabels) + "\"} 1\n"), []string{values}, text("m{a=\"" + strings.Repeat(`\n`, mostLabels-100) + "\"} 1\n")},
		{"protobuf value", protobuf(t, counter("m", pair("a", long), nil)), []string{`label "a"`, values}, protobuf(t, counter("m", pair("a", long[:mostLabels-100]), nil))},
		{"protobuf name", protobuf(t, counter("m"+long, pair("a", "1"), nil)), []string{names}, protobuf(t, counter(long[:mostName], pair("a", "1"), nil))},
		{"exemplar", protobuf(t, counter("m", pair("a", "1"), pair("trace", long))), []string{`label "trace"`, values}, protobuf(t, counter("m", pair("a", "1"), pair("trace", long[:mostLabels-100])))},
		{"several groups", push{http.MethodPost, "/api/v1/push?group_by=job", "text/plain", "m{job=\"a\",a=\"" + long + "\"} 1\n"}, []string{`label \"a\"`, values}, push{http.MethodPost, "/api/v1/push?group_by=job", "text/plain", "m{job=\"a\",a=\"" + long[:mostLabels-100] + "\"} 1\n"}},
		{"merged", push{http.MethodPost, "/metrics/job/a?merge=series", "text/plain", "m{a=\"" + long + "\"} 1\n"}, []string{values}, push{http.MethodPost, "/metrics/job/a?merge=series", "text/plain", "m{a=\"" + long[:mostLabels-100] + "\"} 2\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := g.with(t)
			for range 2 { // the second could take what the first has left
				if status, answer := g.send(tt.push); status != http.StatusBadRequest || !containsAll(answer, tt.says) || len(answer) > 1000 {
					t.Errorf("got %d %q, want 400 with %q", status, clip(answer), tt.says)
				}
				if tt.taken.path == "" {
					continue
				}
				if status, answer := g.send(tt.taken); status != http.StatusOK {
					t.Errorf("what is just short enough: got %d %q", status, clip(answer))
				}
			}
			g.readsAll()
		})
	}
}

func many(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func containsAll(s string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}

// readsAll scrapes in each format and escaping, and reads it as Prometheus does.
func (g *gateway) readsAll() {
	g.t.Helper()
	for _, format := range []string{"text/plain;version=1.0.0", "application/openmetrics-text;version=1.0.0", protobufDelimited} {
		for _, escaping := range []string{"allow-utf-8", "underscores", "dots", "values"} {
			accept := format + ";escaping=" + escaping
			res, b := g.get("/metrics", accept)
			if err := readAsPrometheus(b, res.Header.Get("Content-Type")); err != nil || res.StatusCode != http.StatusOK {
				g.t.Errorf("a scrape in %s, answered %d: %v", accept, res.StatusCode, err)
			}
		}
	}
}

// readAsPrometheus reads a scrape into label sets of Prometheus 3. A panic there
// would end that.
func readAsPrometheus(b []byte, contentType string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("Prometheus panics: %v", p)
		}
	}()
	p, err := textparse.New(b, contentType, labels.NewSymbolTable(), textparse.ParserOptions{EnableTypeAndUnitLabels: true})
	if err != nil {
		return err
	}
	for {
		entry, err := p.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case entry == textparse.EntrySeries, entry == textparse.EntryHistogram:
			var set labels.Labels
			p.Labels(&set)
		}
	}
}

// TestCliff shows what the limits are there for.
func TestCliff(t *testing.T) {
	for n, ends := range map[int]bool{mostLabels: false, cliff - 2: false, cliff: true} {
		err := readAsPrometheus([]byte("m{a=\""+strings.Repeat("x", n)+"\"} 1\n"), "text/plain;version=1.0.0")
		if (err != nil) != ends {
			t.Errorf("a label value of %d bytes: %v", n, err)
		}
	}
}

// TestLongHelp pushes a help text that is cut, and another that is the same when
// it is cut.
func TestLongHelp(t *testing.T) {
	g := besiege(t)
	help := strings.Repeat("ä", 1<<20)
	for _, job := range []string{"a", "b"} {
		g.want(http.StatusOK, http.MethodPut, "/metrics/job/"+job, "# HELP m x"+help+job+"\nm 1\n")
	}
	_, b := g.get("/metrics", "text/plain")
	if want := "# HELP m x" + help[:mostName-2] + "\n"; !strings.Contains(string(b), want) {
		t.Error("the help text is not cut on a whole character")
	}
	log := g.proc.Log.String()
	if !strings.Contains(log, "Shortened a help text that is too long") || strings.Contains(log, "two different help texts") || len(log) > 10_000 {
		t.Errorf("the log has %d bytes: %s", len(log), tail(log))
	}
}
