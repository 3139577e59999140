package intake_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/guard"
	"pushgateway/internal/intake"
	"pushgateway/internal/otlp"
)

func open(t testing.TB) *gateway.Gateway {
	t.Helper()
	g, err := gateway.Open(t.Context(), gateway.Config{Journal: new(gateway.Memory)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// request is a push of text to {job="a"}.
func request(body string) intake.Request {
	return intake.Request{Key: "job/a", Header: http.Header{}, Client: "192.0.2.1", Body: strings.NewReader(body), Length: -1}
}

// TestPush takes pushes that did not come over HTTP.
func TestPush(t *testing.T) {
	g := open(t)
	in := intake.New(g, intake.Config{})
	push := func(r intake.Request) int {
		t.Helper()
		received, err := in.Push(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if received <= 0 {
			t.Errorf("a body of %d bytes", received)
		}
		return g.View().Series
	}
	if got := push(request("m 1\nn 2\n")); got != 2 {
		t.Errorf("a first push: %d series", got)
	}
	if got := push(request("o 1\n")); got != 3 {
		t.Errorf("another name: %d series", got)
	}
	replacing := request("m 1\n")
	replacing.Replace = true
	if got := push(replacing); got != 1 {
		t.Errorf("replacing: %d series", got)
	}
	many := request("m{job=\"b\"} 1\nm{job=\"c\"} 1\n")
	many.Query = "group_by=job"
	keys, outcomes, _, err := in.PushMany(t.Context(), many)
	if err != nil || errors.Join(outcomes...) != nil || len(keys) != 2 || g.View().Groups() != 3 {
		t.Errorf("many groups: %v, %v, %v", keys, outcomes, err)
	}
}

// TestErrors wants errors that can be told apart.
func TestErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		key, query, body string
		is               func(error) bool
	}{
		"key":       {"job/a/x", "", "m 1\n", is[*intake.KeyError]},
		"parameter": {"job/a", "merge=all", "m 1\n", is[*intake.ParameterError]},
		"ttl":       {"job/a", "ttl=soon", "m 1\n", is[*intake.ParameterError]},
		"syntax":    {"job/a", "", "m\n", is[*exposition.SyntaxError]},
		"invalid":   {"job/a", "", "m{__x=\"1\"} 1\n", is[*exposition.InvalidError]},
	} {
		r := request(tt.body)
		r.Key, r.Query = tt.key, tt.query
		g := open(t)
		if _, err := intake.New(g, intake.Config{}).Push(t.Context(), r); !tt.is(err) {
			t.Errorf("%s: got %v", name, err)
		}
		if noted := g.View().Groups() == 1; noted != (name == "invalid") {
			t.Errorf("%s: a group shows the failure: %v", name, noted)
		}
	}
}

// TestHeadersThatDiffer sends headers several times. The first must not win in
// silence.
func TestHeadersThatDiffer(t *testing.T) {
	for name, values := range map[string][2]string{
		intake.MergeHeader:     {"sum", "series"},
		intake.GaugesHeader:    {"max", "min"},
		intake.TTLHeader:       {"1h", "2h"},
		intake.SeriesTTLHeader: {"1h", ""},
		intake.OnceHeader:      {"a", "b"},
	} {
		r := request("m 1\n")
		r.Header.Set(intake.MergeHeader, "sum")
		r.Header[http.CanonicalHeaderKey(name)] = values[:]
		if _, err := intake.New(open(t), intake.Config{}).Push(t.Context(), r); !is[*intake.ParameterError](err) || !strings.Contains(err.Error(), "send one") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	r := request("m 1\n")
	r.Header[intake.MergeHeader] = []string{"sum", "sum"}
	if _, err := intake.New(open(t), intake.Config{}).Push(t.Context(), r); err != nil {
		t.Errorf("the same twice: %v", err)
	}
	r = request("{}")
	r.Header[intake.InstanceHeader] = []string{"drop", "keep"}
	if _, _, err := intake.New(open(t), intake.Config{}).PushOTLP(t.Context(), r, otlp.JSON); !is[*intake.ParameterError](err) {
		t.Errorf("instance: %v", err)
	}
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// TestLimits sets each limit of a push, and pushes what is just beyond it.
func TestLimits(t *testing.T) {
	const histogram = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"
	body, push := func(l guard.BodyLimits) guard.Limits { return guard.Limits{Body: l} }, func(l guard.PushLimits) guard.Limits { return guard.Limits{Push: l} }
	for name, tt := range map[string]struct {
		limits guard.Limits
		body   string
		says   string
	}{
		"bytes":          {body(guard.BodyLimits{Bytes: 5}), "m 1\nn 2\n", "5 bytes"},
		"codings":        {body(guard.BodyLimits{Codings: 1}), "m 1\n", "more than the 1 allowed"},
		"groups":         {body(guard.BodyLimits{Groups: 1}), "m{job=\"a\"} 1\nm{job=\"b\"} 1\n", "more than 1 groups"},
		"families":       {push(guard.PushLimits{Families: 1}), "m 1\nn 2\n", "more than 1 families"},
		"series":         {push(guard.PushLimits{Series: 1}), "m 1\nn 2\n", "more than 1 series"},
		"parts":          {push(guard.PushLimits{Parts: 1}), "m{a=\"1\",b=\"2\"} 1\n", "more than 1 labels, buckets"},
		"labels":         {push(guard.PushLimits{LabelCount: 1}), "m{a=\"1\",b=\"2\"} 1\n", "more than 1 labels in one series"},
		"name":           {push(guard.PushLimits{Name: 5}), "longer 1\n", "more than the limit of 5"},
		"value":          {push(guard.PushLimits{Value: 5}), "m{a=\"longer\"} 1\n", "more than the limit of 5"},
		"bytes of a set": {push(guard.PushLimits{Labels: 5}), "m{a=\"1\"} 1\n", "more than the limit of 5"},
		"buckets":        {push(guard.PushLimits{Buckets: 2}), histogram, "more than 2 buckets"},
		"labels of keys": {guard.Limits{Key: guard.KeyLimits{Labels: 1}}, "m 1\n", "more than the 1 allowed"},
	} {
		in, r := intake.New(open(t), intake.Config{Limits: tt.limits}), request(tt.body)
		r.Query = "group_by=job"
		push := in.Push
		switch name {
		case "codings":
			r.Header.Set("Content-Encoding", "gzip, gzip")
		case "groups":
			push = func(ctx context.Context, r intake.Request) (int64, error) {
				_, _, n, err := in.PushMany(ctx, r)
				return n, err
			}
		case "labels of keys":
			r.Key += strings.Repeat("/x/1", 3)
		}
		if _, err := push(t.Context(), r); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want %q", name, err, tt.says)
		}
		r.Body = strings.NewReader(tt.body + "# EOF\n")
		r.Header.Set("Content-Type", "application/openmetrics-text")
		if _, err := push(t.Context(), r); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s, OpenMetrics: got %v, want %q", name, err, tt.says)
		}
	}
}

// TestLimitsOfExports sets limits of a push for exports in the OpenTelemetry
// protocol.
func TestLimitsOfExports(t *testing.T) {
	const two = `{"name":"m","gauge":{"dataPoints":[{"asInt":"1","attributes":[{"key":"a","value":{"stringValue":"longer"}}]},{"asInt":"1"}]}},{"name":"longer","gauge":{"dataPoints":[{"asInt":"1"}]}}`
	body := `{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"scopeMetrics":[{"metrics":[` + two + `]}]}]}`
	for name, tt := range map[string]struct {
		limits guard.PushLimits
		says   string
		points int64 // rejected, or 0 if all is refused
	}{
		"families": {guard.PushLimits{Families: 1}, "more than 1 families", 0},
		"series":   {guard.PushLimits{Series: 1}, "more than 1 series", 0},
		"name":     {guard.PushLimits{Name: 5}, "more than the limit of 5", 1},
		"value":    {guard.PushLimits{Value: 5}, "more than the limit of 5", 1},
	} {
		in, r := intake.New(open(t), intake.Config{Limits: guard.Limits{Push: tt.limits}}), request(body)
		out, _, err := in.PushOTLP(t.Context(), r, otlp.JSON)
		said := out.Rejected.String()
		if err != nil {
			said = err.Error()
		}
		if !strings.Contains(said, tt.says) || out.Rejected.Points != tt.points || (err != nil) != (tt.points == 0) {
			t.Errorf("%s: got %q, %d points, %v", name, said, out.Rejected.Points, err)
		}
	}
}

// TestTextLikeOpenMetrics warns of text with names that only OpenMetrics gives to
// series.
func TestTextLikeOpenMetrics(t *testing.T) {
	const buckets = "# TYPE h gaugehistogram\nh_bucket{le=\"+Inf\"} 1\n"
	for body, told := range map[string]bool{
		buckets + "h_gcount 1\nh_gsum 1\n":                   true,
		buckets + "h_gsum 1\nh_gcount 1\n":                   true,
		"a 1\n# TYPE x counter\nx_total 1\n":                 true,
		buckets + "h_count 1\nh_sum 1\n":                     false,
		"# TYPE x_total counter\nx_total 1\n":                false,
		"# TYPE x counter\nx 1\n# TYPE y gauge\ny_total 1\n": false,
	} {
		warned := 0
		in := intake.New(open(t), intake.Config{Warn: func(string, ...any) { warned++ }})
		if _, err := in.Push(t.Context(), request(body)); err != nil || (warned > 0) != told {
			t.Errorf("%q: %d warnings, %v", body, warned, err)
		}
	}
}
