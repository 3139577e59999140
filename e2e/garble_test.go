package e2e

import (
	"math/rand/v2"
	"net/http"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// everything are families that use each field of the protobuf format.
var everything = []string{
	`name:"c" help:"Help." unit:"seconds" type:COUNTER metric{label{name:"a" value:"x"} counter{value:1 exemplar{label{name:"t" value:"y"} value:1 timestamp{seconds:1}} created_timestamp{seconds:1}}}`,
	`name:"g" help:"Help." type:GAUGE metric{label{name:"a" value:"x"} label{name:"b.c" value:"y"} gauge{value:1}}`,
	`name:"u" type:UNTYPED metric{untyped{value:-0.5}} metric{label{name:"a" value:""} untyped{value:1}}`,
	`name:"s" type:SUMMARY metric{summary{sample_count:1 sample_sum:2 quantile{quantile:0.5 value:1} quantile{quantile:0.9 value:nan} created_timestamp{seconds:1}}}`,
	`name:"h" type:HISTOGRAM metric{histogram{sample_count:3 sample_sum:2 bucket{cumulative_count:1 upper_bound:1 exemplar{label{name:"t" value:"y"} value:1}} bucket{cumulative_count:3 upper_bound:inf}}}`,
	`name:"n" type:HISTOGRAM metric{label{name:"a" value:"x"} histogram{sample_count:6 sample_sum:2 schema:3 zero_threshold:0.001 zero_count:1
		negative_span{offset:1 length:2} negative_delta:1 negative_delta:0 positive_span{offset:0 length:1} positive_span{offset:3 length:1} positive_delta:1 positive_delta:1
		exemplars{label{name:"t" value:"y"} value:1 timestamp{seconds:1 nanos:5}}}}`,
	`name:"f.g" type:GAUGE_HISTOGRAM metric{histogram{sample_count_float:3.5 sample_sum:2 schema:0 zero_count_float:1.5 positive_span{offset:0 length:1} positive_count:2}}`,
}

func families(t testing.TB) (all []*dto.MetricFamily) {
	t.Helper()
	for _, text := range everything {
		f := new(dto.MetricFamily)
		if err := prototext.Unmarshal([]byte(text), f); err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// pushRaw sends bytes that may be of either format.
func (s *server) pushRaw(path, body, contentType string) answer {
	s.t.Helper()
	a := s.do(http.MethodPost, path, body, "Content-Type", contentType)
	if a.status >= 500 {
		s.t.Errorf("POST %s: got %d %q for %q", path, a.status, clip(a.body), clip(body))
	}
	return a
}

// TestEveryString puts bytes that are not UTF-8 into each string of the
// format in turn. Only in a help text may they be taken, and in a unit, which
// nobody ever gets to see.
func TestEveryString(t *testing.T) {
	for mode, args := range modes {
		t.Run(mode, func(t *testing.T) {
			s := start(t, append(args, "--web.enable-openmetrics")...)
			s.pushGood()
			for i, f := range families(t) {
				eachString(f.ProtoReflect(), func(name string, change func(string) (undo func())) {
					undo := change("\xff\xfe")
					defer undo()
					a := s.with(t).pushRaw("/metrics/job/a", delimited(t, []*dto.MetricFamily{f}), protobufDelimited)
					if harmless := name == "help" || name == "unit"; harmless != (a.status < 300) {
						t.Errorf("%s of %s: got %d %q", name, everything[i], a.status, a.body)
					}
				})
				s.with(t).checkAlive()
			}
		})
	}
}

// eachString walks through all strings of a message.
func eachString(m protoreflect.Message, visit func(name string, change func(string) (undo func()))) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsList() && fd.Message() != nil:
			for i := range v.List().Len() {
				eachString(v.List().Get(i).Message(), visit)
			}
		case fd.Message() != nil:
			eachString(v.Message(), visit)
		case fd.Kind() == protoreflect.StringKind:
			visit(string(fd.Name()), func(s string) func() {
				m.Set(fd, protoreflect.ValueOfString(s))
				return func() { m.Set(fd, v) }
			})
		}
		return true
	})
}

// TestCutOff ends a push after each of its bytes.
func TestCutOff(t *testing.T) {
	s := start(t, "--web.enable-openmetrics")
	s.pushGood()
	for i, f := range families(t) {
		whole := delimited(t, []*dto.MetricFamily{f})
		for n := 1; n < len(whole); n++ {
			if a := s.pushRaw("/metrics/job/a", whole[:n], protobufDelimited); a.status != http.StatusBadRequest {
				t.Errorf("%d of %d bytes of %s: got %d", n, len(whole), everything[i], a.status)
			}
		}
	}
	if p := s.groups("", http.StatusOK); p.Data.Total != 1 {
		t.Errorf("something is stored of what was cut off: %+v", p.Data.Groups)
	}
	s.checkAlive()
}

// openMetricsBody has what text has not.
const openMetricsBody = "# TYPE om_seconds counter\n# UNIT om_seconds seconds\nom_seconds_total{a=\"1\"} 1 # {id=\"x\"} 1 2\nom_seconds_created{a=\"1\"} 1.5\n" +
	"# TYPE om histogram\nom_bucket{le=\"1\"} 1 # {} 1\nom_bucket{le=\"+Inf\"} 1\nom_sum 1\nom_count 1\nom_created 3\n# TYPE om_i info\nom_i_info{v=\"1\"} 1\n"

// TestGarbled changes a few bytes of good pushes at random, always the same
// ones.
func TestGarbled(t *testing.T) {
	const rounds, each = 15, 40
	text := recordedBodies(t)
	for mode, args := range modes {
		t.Run(mode, func(t *testing.T) {
			s := start(t, append(args, "--web.enable-openmetrics")...)
			s.pushGood()
			r := rand.New(rand.NewPCG(1, 2))
			for range rounds {
				var sent []string
				for range each {
					body, contentType := text[r.IntN(len(text))], "text/plain"
					switch r.IntN(3) {
					case 0:
						body, contentType = openMetricsBody+body+"# EOF\n", openMetricsType
					case 1:
						body, contentType = delimited(t, families(t)[r.IntN(len(everything)):]), protobufDelimited
					}
					body = garble(r, body, text[r.IntN(len(text))])
					path := []string{"/metrics/job/a", "/metrics/job/a/x/1", "/metrics/job/b/le/1"}[r.IntN(3)]
					sent = append(sent, path+" "+body)
					s.with(t).pushRaw(path, body, contentType)
				}
				if s.with(t).checkAlive(); t.Failed() {
					t.Fatalf("after %q", sent)
				}
			}
		})
	}
}

// recordedBodies are small bodies of text pushes.
func recordedBodies(t testing.TB) (bodies []string) {
	t.Helper()
	for _, sc := range scenarios(t) {
		for _, r := range sc.Requests {
			if len(r.Body) > 0 && len(r.Body) < 2000 && r.Headers["Content-Type"] == "" && r.Headers["Content-Encoding"] == "" {
				bodies = append(bodies, string(r.Body))
			}
		}
	}
	return bodies
}

// garble changes one to three places: a bit, some bytes left out or doubled,
// a piece of another body, the end cut off.
func garble(r *rand.Rand, body, other string) string {
	for range 1 + r.IntN(3) {
		if body == "" {
			return other
		}
		i := r.IntN(len(body))
		j := min(len(body), i+1+r.IntN(16))
		switch r.IntN(5) {
		case 0:
			body = body[:i] + string([]byte{body[i] ^ 1<<r.IntN(8)}) + body[i+1:]
		case 1:
			body = body[:i] + body[j:]
		case 2:
			body = body[:j] + body[i:]
		case 3:
			k := r.IntN(len(other))
			body = body[:i] + other[k:min(len(other), k+r.IntN(40))] + body[i:]
		case 4:
			body = body[:i]
		}
	}
	return body
}

// TestEverythingIsExposed makes sure that the families above are good ones.
func TestEverythingIsExposed(t *testing.T) {
	s := start(t)
	s.push("/metrics/job/a", delimited(t, families(t)), http.StatusOK, "Content-Type", protobufDelimited)
	a := s.scrape("Accept", protobufDelimited+";escaping=allow-utf-8")
	got, err := readDelimited([]byte(a.body))
	if err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]*dto.MetricFamily)
	for _, f := range got {
		byName[f.GetName()] = f
	}
	for _, want := range families(t) {
		want.Unit = nil // it is not kept
		for _, m := range want.Metric {
			m.Label = append(m.Label, &dto.LabelPair{Name: proto.String("instance"), Value: proto.String("")}, &dto.LabelPair{Name: proto.String("job"), Value: proto.String("a")})
		}
		if f := byName[want.GetName()]; !proto.Equal(f, want) {
			t.Errorf("got\n%v\nwant\n%v", f, want)
		}
	}
}
