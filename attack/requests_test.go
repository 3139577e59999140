package attack

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
)

// recipe says how a request is made. All of it is few small numbers, so that
// one can be varied to find a neighbour that costs more.
type recipe struct {
	Kind     string `json:"kind"`
	Families int    `json:"families"`
	Series   int    `json:"series"` // of each family
	Labels   int    `json:"labels"` // of each series
	Length   int    `json:"length"` // of each name and value
	Type     int    `json:"type"`
	Parts    int    `json:"parts"`    // buckets, quantiles, spans, matchers
	Grouping int    `json:"grouping"` // labels of the key
	Mixed    bool   `json:"mixed"`    // lines of families take turns
	Odd      bool   `json:"odd"`      // names outside the legacy set
	Packed   bool   `json:"packed"`   // with gzip
}

// dials are the numbers of a recipe, with their largest values.
func (r *recipe) dials() map[*int]int {
	return map[*int]int{&r.Families: 20_000, &r.Series: 20_000, &r.Labels: 50, &r.Length: 5_000, &r.Type: 4, &r.Parts: 200, &r.Grouping: 50}
}

func (r *recipe) switches() []*bool { return []*bool{&r.Mixed, &r.Odd, &r.Packed} }

// randomRecipe turns each dial to a random order of magnitude.
func randomRecipe(rnd *rand.Rand, kinds []string) recipe {
	r := recipe{Kind: kinds[rnd.IntN(len(kinds))]}
	for dial, most := range r.dials() {
		*dial = 1 + rnd.IntN(1+rnd.IntN(1+rnd.IntN(most)))
	}
	r.Type = rnd.IntN(len(typeNames))
	for _, s := range r.switches() {
		*s = rnd.IntN(3) == 0
	}
	return r
}

// neighbour is a recipe of which one dial or switch differs.
func (r recipe) neighbour(rnd *rand.Rand) recipe {
	if rnd.IntN(5) == 0 {
		s := r.switches()[rnd.IntN(3)]
		*s = !*s
		return r
	}
	turn := rnd.IntN(len(r.dials()))
	for dial, most := range r.dials() {
		if turn--; turn < 0 {
			*dial = min(max(*dial*(1+rnd.IntN(8))/(1+rnd.IntN(8)), 1), most)
			break
		}
	}
	return r
}

// crafted is the request that a recipe makes.
type crafted struct {
	method, path string
	header       []string
	body         string
}

// maxMade bounds a body, in bytes: what is more shows in less.
const maxMade = 2 << 20

// makers make requests of each kind.
var makers = map[string]func(recipe) crafted{
	"text": func(r recipe) crafted { return r.pushed(http.MethodPut, "/metrics"+r.key(), r.text(), "") },
	"merge": func(r recipe) crafted {
		return r.pushed(http.MethodPost, "/metrics"+r.key()+"?merge=series", r.text(), "")
	},
	"protobuf": func(r recipe) crafted {
		return r.pushed(http.MethodPut, "/metrics"+r.key(), r.protobuf(), protobufType)
	},
	"openmetrics": func(r recipe) crafted {
		return r.pushed(http.MethodPut, "/metrics"+r.key(), r.openMetrics(), "application/openmetrics-text; version=1.0.0")
	},
	"otlp": func(r recipe) crafted {
		return r.pushed(http.MethodPost, "/v1/metrics", r.otlp(), "application/x-protobuf")
	},
	"otlp delta": func(r recipe) crafted {
		return r.pushed(http.MethodPost, "/v1/metrics", r.otlpDelta(), "application/x-protobuf")
	},
	"otlp json": func(r recipe) crafted {
		return r.pushed(http.MethodPost, "/v1/metrics", r.otlpJSON(), "application/json")
	},
	"groups": func(r recipe) crafted {
		return r.pushed(http.MethodPost, "/api/v1/push?group_by=job,l0,l1,l2", r.text(), "")
	},
	"delete": func(r recipe) crafted { return crafted{method: http.MethodDelete, path: "/metrics" + r.key()} },
	"selector": func(r recipe) crafted {
		return crafted{method: http.MethodGet, path: "/api/v1/groups?" + r.query()}
	},
	"labels": func(r recipe) crafted {
		return crafted{method: http.MethodGet, path: "/api/v1/label/job/values?" + r.query()}
	},
	"scrape": func(r recipe) crafted {
		return crafted{method: http.MethodGet, path: "/metrics", header: []string{"Accept", r.accept(), "Accept-Encoding", codings[r.Parts%3]}}
	},
	"group": func(r recipe) crafted {
		return crafted{method: http.MethodGet, path: "/api/v1/group/job/stored/instance/1?format=" + []string{"json", "text"}[r.Type%2], header: []string{"Accept", accepts[r.Type]}}
	},
	"overview": func(recipe) crafted { return crafted{method: http.MethodGet, path: "/api/v1/overview"} },
	"all":      func(recipe) crafted { return crafted{method: http.MethodGet, path: "/api/v1/metrics"} },
}

const (
	protobufMessage = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding="
	protobufType    = protobufMessage + "delimited"
)

var (
	accepts = []string{"", protobufType, "application/openmetrics-text; version=1.0.0", "text/plain; version=1.0.0; escaping=allow-utf-8", "text/plain; escaping=values",
		protobufMessage + "text", protobufMessage + "compact-text"}
	codings = []string{"identity", "gzip", "zstd"}
)

// accept is the format of a scrape. There are more of them than types.
func (r recipe) accept() string { return accepts[(r.Type+len(typeNames)*(r.Labels%2))%len(accepts)] }

func (r recipe) pushed(method, path, body, contentType string) crafted {
	q := crafted{method, path, nil, body}
	if contentType != "" {
		q.header = append(q.header, "Content-Type", contentType)
	}
	if r.Packed {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(body)) // a buffer takes everything
		_ = z.Close()
		q.body, q.header = b.String(), append(q.header, "Content-Encoding", "gzip")
	}
	return q
}

// key is the path of a group.
func (r recipe) key() string {
	var b strings.Builder
	b.WriteString("/job/costs")
	for i := range min(r.Grouping, 50) {
		fmt.Fprintf(&b, "/g%d/%s", i, strings.Repeat("v", min(r.Length, 100)))
	}
	return b.String()
}

func (r recipe) name(family int) string {
	if r.Odd {
		return fmt.Sprintf("m.%d.%s", family, strings.Repeat("ü", min(r.Length, 500)))
	}
	return fmt.Sprintf("m_%d_%s", family, strings.Repeat("x", min(r.Length, 500)))
}

var typeNames = []string{"untyped", "gauge", "counter", "histogram", "summary"}

// text is a body in the text format, cut at the end of a line.
func (r recipe) text() string {
	var b strings.Builder
	line := func(family, series, part int) {
		name, special := r.name(family), ""
		switch typeNames[r.Type] {
		case "histogram":
			name, special = name+"_bucket", fmt.Sprintf("le=\"%d\",", part)
		case "summary":
			special = fmt.Sprintf("quantile=\"0.%d\",", part)
		}
		if r.Odd {
			fmt.Fprintf(&b, "{%q,%s", name, special)
		} else {
			fmt.Fprintf(&b, "%s{%s", name, special)
		}
		for l := range r.Labels {
			fmt.Fprintf(&b, "l%d=\"%d%s\",", l, series, strings.Repeat("v", r.Length))
		}
		fmt.Fprintf(&b, "job=\"j%d\"} %d\n", series, part)
	}
	for f := range r.Families {
		fmt.Fprintf(&b, "# TYPE %q %s\n", r.name(f), typeNames[r.Type])
	}
	parts := 1
	if r.Type > 2 {
		parts = r.Parts
	}
	for i := range r.Families * r.Series * parts {
		f, s := i/(r.Series*parts), i/parts%r.Series
		if r.Mixed {
			f, s = i%r.Families, i/r.Families%r.Series
		}
		if line(f, s, i%parts); b.Len() > maxMade {
			break
		}
	}
	return b.String()
}

// openMetrics is the text with start times, all at its end.
func (r recipe) openMetrics() string {
	text := strings.ReplaceAll(r.text(), "untyped", "unknown")
	var b strings.Builder
	b.WriteString(text)
	for line := range strings.Lines(text) {
		if name, labels, ok := strings.Cut(line, "{"); ok && !r.Odd && typeNames[r.Type] == "counter" && b.Len() < maxMade {
			b.WriteString(name + "_created{" + labels)
		}
	}
	return b.String() + "# EOF\n"
}

// protobuf is a body in protobuf, cut behind a family.
func (r recipe) protobuf() string {
	var b bytes.Buffer
	for f := range r.Families {
		family := &dto.MetricFamily{Name: proto.String(r.name(f)), Help: proto.String(strings.Repeat("h", r.Length)), Type: protoTypes[r.Type].Enum()}
		for s := range r.Series {
			family.Metric = append(family.Metric, r.metric(s))
			if s%64 == 0 && proto.Size(family) > maxMade {
				break
			}
		}
		if _, err := protodelim.MarshalTo(&b, family); err != nil || b.Len() > maxMade {
			break
		}
	}
	return b.String()
}

var protoTypes = []dto.MetricType{dto.MetricType_UNTYPED, dto.MetricType_GAUGE, dto.MetricType_COUNTER, dto.MetricType_HISTOGRAM, dto.MetricType_SUMMARY}

func (r recipe) metric(series int) *dto.Metric {
	m := &dto.Metric{}
	for l := range r.Labels {
		m.Label = append(m.Label, &dto.LabelPair{Name: proto.String(fmt.Sprint("l", l)), Value: proto.String(fmt.Sprint(series, strings.Repeat("v", r.Length)))})
	}
	switch protoTypes[r.Type] {
	case dto.MetricType_UNTYPED:
		m.Untyped = &dto.Untyped{Value: proto.Float64(1)}
	case dto.MetricType_GAUGE:
		m.Gauge = &dto.Gauge{Value: proto.Float64(1)}
	case dto.MetricType_COUNTER:
		m.Counter = &dto.Counter{Value: proto.Float64(1), Exemplar: &dto.Exemplar{Value: proto.Float64(1), Label: m.Label[:min(len(m.Label), 1)]}}
	case dto.MetricType_HISTOGRAM:
		m.Histogram = r.native()
	default:
		m.Summary = &dto.Summary{}
		for p := range r.Parts {
			m.Summary.Quantile = append(m.Summary.Quantile, &dto.Quantile{Quantile: proto.Float64(float64(p) / 1000), Value: proto.Float64(1)})
		}
	}
	return m
}

// native is a native histogram: spans take a few bytes each.
func (r recipe) native() *dto.Histogram {
	h := &dto.Histogram{SampleCount: proto.Uint64(uint64(r.Parts)), SampleSum: proto.Float64(1), Schema: proto.Int32(3), ZeroThreshold: proto.Float64(0.001)}
	for range r.Parts {
		h.PositiveSpan = append(h.PositiveSpan, &dto.BucketSpan{Offset: proto.Int32(1), Length: proto.Uint32(1)})
		h.PositiveDelta = append(h.PositiveDelta, 0)
	}
	if r.Parts > 0 {
		h.PositiveDelta[0] = 1
	}
	return h
}

// query asks for groups by selectors of several kinds.
func (r recipe) query() string {
	patterns := []string{"(a|b)*%s", "(%s){1,50}", ".*%s.*", "[a-z]{1,%d}", "(?i)%s|x"}
	var matchers []string
	for i := range min(r.Parts, 60) {
		pattern := fmt.Sprintf(strings.ReplaceAll(patterns[r.Type], "%d", "90%[2]s"), strings.Repeat("ab", min(r.Length, 200)), "")
		matchers = append(matchers, fmt.Sprintf("l%d=~%q", i%10, pattern))
	}
	v := url.Values{}
	for range min(r.Labels, 10) {
		v.Add("match[]", "{"+strings.Join(matchers, ",")+"}")
	}
	if r.Mixed {
		v.Set("search", strings.Repeat("s", min(r.Length, 1000)))
	}
	if r.Odd {
		v.Set("sort", "-series")
	}
	return v.Encode()
}

func kindsOf() (kinds []string) {
	for kind := range makers {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}
