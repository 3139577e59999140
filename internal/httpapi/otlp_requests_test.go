package httpapi

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resources "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// request is what a client sends, the same each time, and what it does to groups.
type request struct {
	made    func() *http.Request
	changes map[string]change
	static  int  // points that are rejected whatever the groups have
	export  bool // it is in OTLP
	again   bool // it may be sent again
}

// requests makes requests. Each has a body that no other has.
type requests struct {
	random *rand.Rand
	made   int
}

func (m *requests) one(in int) bool { return m.random.IntN(in) == 0 }

// origin is where a resource comes from, and the group that it becomes.
type origin struct {
	attributes []string // names and values
	group      string   // "" if it has none
	path       string   // of the group
}

var origins = []origin{
	{[]string{"service.name", "a"}, "a||", "/metrics/job/a"},
	{[]string{"service.name", "a", "service.version", "1"}, "a||", "/metrics/job/a"},
	{[]string{"service.version", "2", "service.name", "a"}, "a||", "/metrics/job/a"},
	{[]string{"service.name", "a", "service.instance.id", "1"}, "a|1|", "/metrics/job/a/instance/1"},
	{[]string{"service.name", "a", "deployment.environment", "prod"}, "a||prod", "/metrics/job/a/deployment_environment/prod"},
	{[]string{"service.name", "a", "service.namespace", "n"}, "n/a||", "/metrics/job@base64/bi9h"},
	{[]string{"service.name", "n/a", "service.version", "1"}, "n/a||", "/metrics/job@base64/bi9h"},
	{[]string{"service.version", "1"}, "", ""},
}

func attributesOf(pairs ...string) (all []*common.KeyValue) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, &common.KeyValue{Key: pairs[i], Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: pairs[i+1]}}})
	}
	return all
}

// export makes an export of one or two resources. A simple one only adds to counters.
func (m *requests) export(simple bool) *request {
	m.made++
	e := &exportMaker{requests: m, simple: simple, shares: make(map[string]*share), native: m.one(2), goneIn: 8}
	if m.one(4) {
		e.goneIn = 1
	}
	req := new(metrics.MetricsData)
	for range 1 + m.random.IntN(2) {
		req.ResourceMetrics = append(req.ResourceMetrics, e.resource())
	}
	r := &request{static: e.rejected, export: true, again: true, changes: make(map[string]change)}
	once, header := fmt.Sprint("body ", m.made), make(http.Header)
	if m.one(6) {
		header.Set("Idempotency-Key", fmt.Sprint("key", m.made))
	}
	for group, s := range e.shares {
		if e.counts() {
			s.once = once
		}
		r.changes[group] = s
	}
	r.made = m.posted(req, header)
	return r
}

// posted returns how to send an export.
func (m *requests) posted(req *metrics.MetricsData, header http.Header) func() *http.Request {
	body, err := proto.Marshal(req)
	header.Set("Content-Type", "application/x-protobuf")
	if m.one(2) {
		body, err = protojson.Marshal(req)
		header.Set("Content-Type", "application/json")
	}
	if err != nil {
		panic(err)
	}
	return func() *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/v1/metrics", strings.NewReader(string(body)))
		maps.Copy(r.Header, header)
		return r
	}
}

// exportMaker makes one export.
type exportMaker struct {
	*requests
	simple   bool
	native   bool // the histogram h
	goneIn   int  // one in so many points says that there is no value
	shares   map[string]*share
	rejected int // points
	points   int // that it has made
}

// counts reports whether the export has something that must count once.
func (e *exportMaker) counts() bool {
	for _, s := range e.shares {
		for _, x := range s.families {
			if x.delta {
				return true
			}
		}
	}
	return false
}

// resource makes what an export has of one resource.
func (e *exportMaker) resource() *metrics.ResourceMetrics {
	from := origins[e.random.IntN(len(origins))]
	made := &metricsMaker{exportMaker: e, to: &share{families: make(map[string]*exported)}}
	if s := e.shares[from.group]; s != nil {
		made.to = s
	} else if from.group != "" {
		e.shares[from.group] = made.to
	}
	before := e.rejected
	scope := new(metrics.ScopeMetrics)
	for range 1 + e.random.IntN(4) {
		scope.Metrics = append(scope.Metrics, made.metric())
	}
	if from.group == "" {
		e.rejected = before + made.points
	}
	if i := slices.Index(from.attributes, "service.version"); i >= 0 && made.valued {
		x := made.family("target_info", false)
		x.point("service_version="+from.attributes[i+1], sample{value: 1}, 0, false)
	}
	return &metrics.ResourceMetrics{Resource: &resources.Resource{Attributes: attributesOf(from.attributes...)}, ScopeMetrics: []*metrics.ScopeMetrics{scope}}
}

// metricsMaker makes the metrics of one resource.
type metricsMaker struct {
	*exportMaker
	to     *share
	points int
	valued bool // some point has a value
}

// family returns a family of the group, which may have been made before.
func (m *metricsMaker) family(name string, delta bool) *exported {
	x := m.to.families[name]
	if x == nil {
		x = &exported{family: name, delta: delta, series: make(map[string]*pointsOfSeries)}
		m.to.families[name] = x
	}
	return x
}

// point adds a point of a series.
func (x *exported) point(label string, s sample, at uint64, gone bool) {
	if x.series[label] == nil {
		x.series[label] = new(pointsOfSeries)
	}
	x.series[label].add(s, at, gone)
}

const (
	unknownTemporality = metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_UNSPECIFIED
	deltaTemporality   = metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
	cumulative         = metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
)

func (m *metricsMaker) temporality() metrics.AggregationTemporality {
	switch n := m.random.IntN(12); {
	case m.simple || n < 7:
		return deltaTemporality
	case n < 11:
		return cumulative
	}
	return unknownTemporality
}

// metric makes one metric.
func (m *metricsMaker) metric() *metrics.Metric {
	temporality, points := m.temporality(), 1+m.random.IntN(3)
	m.points += points
	names := []string{"c", "c", "taken", "g", "u", "h", "h", "e"}
	name := names[m.random.IntN(len(names))]
	if m.simple {
		name = "c"
	}
	one := &metrics.Metric{Name: name}
	switch name {
	case "c", "taken":
		p := m.begin(name+"_total", temporality, true, points)
		one.Data = &metrics.Metric_Sum{Sum: &metrics.Sum{IsMonotonic: true, AggregationTemporality: temporality, DataPoints: times(points, p.number)}}
	case "u":
		p := m.begin(name, temporality, temporality == cumulative, points)
		p.gauge = true
		one.Data = &metrics.Metric_Sum{Sum: &metrics.Sum{AggregationTemporality: temporality, DataPoints: times(points, p.number)}}
	case "g":
		p := m.begin(name, cumulative, true, points)
		p.gauge = true
		one.Data = &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: times(points, p.number)}}
	default:
		p := m.begin(name, temporality, true, points)
		if name == "e" || m.native {
			one.Data = &metrics.Metric_ExponentialHistogram{ExponentialHistogram: &metrics.ExponentialHistogram{AggregationTemporality: temporality, DataPoints: times(points, p.exponential)}}
			break
		}
		one.Data = &metrics.Metric_Histogram{Histogram: &metrics.Histogram{AggregationTemporality: temporality, DataPoints: times(points, p.histogram)}}
	}
	return one
}

func times[P any](n int, make func() P) (all []P) {
	for range n {
		all = append(all, make())
	}
	return all
}

// begin begins a metric. Its points are rejected if it is not valid, if its
// temporality is not known, or if the group has the name with another one.
func (m *metricsMaker) begin(family string, t metrics.AggregationTemporality, valid bool, points int) *pointMaker {
	p := &pointMaker{metricsMaker: m, delta: t == deltaTemporality}
	if valid && t != unknownTemporality {
		if x := m.family(family, p.delta); x.delta == p.delta {
			p.to = x
			x.points += points
		}
	}
	if p.to == nil {
		m.rejected += points
	}
	return p
}

// pointMaker makes the points of one metric.
type pointMaker struct {
	*metricsMaker
	to    *exported // nil if they are rejected
	delta bool
	gauge bool
}

// pointHead is what all points have.
type pointHead struct {
	label     string
	at, start uint64
	gone, bad bool
}

const (
	second   = 1e9
	firstDay = 1_700_000_000 // in Unix s
)

// head makes what all points have. Their times are not always in order.
func (p *pointMaker) head() pointHead {
	p.exportMaker.points++
	h := pointHead{label: fmt.Sprint(p.random.IntN(3)), gone: !p.simple && p.one(p.goneIn)}
	h.at = (firstDay+uint64(p.requests.made))*second + 10*uint64(p.exportMaker.points)
	if p.one(4) {
		h.at -= 15
	}
	h.start = (firstDay - 100*uint64(1+p.random.IntN(3))) * second
	h.bad = !h.gone && p.delta && !p.simple && p.one(10)
	return h
}

// add adds a point to what the group gets, unless it is rejected.
func (p *pointMaker) add(h pointHead, s sample) {
	if p.to == nil {
		return
	}
	if h.bad {
		p.to.points--
		p.rejected++
		return
	}
	p.valued = p.valued || !h.gone
	if s.start = int64(h.start / second); p.gauge {
		s.start = 0
	}
	p.to.point("s="+h.label, s, h.at, h.gone)
}

func (h *pointHead) flags() uint32 {
	if h.gone {
		return uint32(metrics.DataPointFlags_DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK)
	}
	return 0
}

func (p *pointMaker) number() *metrics.NumberDataPoint {
	h, v := p.head(), float64(1+p.random.IntN(20))
	if p.one(4) {
		h.start = 0
	}
	if p.add(h, sample{value: v}); h.bad {
		v = -v
	}
	return &metrics.NumberDataPoint{Attributes: attributesOf("s", h.label), StartTimeUnixNano: h.start, TimeUnixNano: h.at, Flags: h.flags(), Value: &metrics.NumberDataPoint_AsDouble{AsDouble: v}}
}

// bounds are those of classic histograms. All have one in common.
var bounds = [][]float64{{1, 2, 4}, {2, 4}, {4, 8}, {4}}

func (p *pointMaker) histogram() *metrics.HistogramDataPoint {
	h := p.head()
	d := &metrics.HistogramDataPoint{Attributes: attributesOf("s", h.label), StartTimeUnixNano: h.start, TimeUnixNano: h.at, Flags: h.flags(), ExplicitBounds: bounds[p.random.IntN(len(bounds))]}
	b := &buckets{sum: float64(p.random.IntN(20)), counts: make(map[float64]uint64)}
	for i := range len(d.ExplicitBounds) + 1 {
		n := uint64(p.random.IntN(3))
		d.BucketCounts = append(d.BucketCounts, n)
		if b.count += n; i < len(d.ExplicitBounds) {
			b.counts[d.ExplicitBounds[i]] = b.count
		}
	}
	d.Count, d.Sum = b.count, &b.sum
	if p.add(h, sample{hist: b}); h.bad {
		d.Count++
	}
	return d
}

func (p *pointMaker) exponential() *metrics.ExponentialHistogramDataPoint {
	h := p.head()
	d := &metrics.ExponentialHistogramDataPoint{
		Attributes: attributesOf("s", h.label), StartTimeUnixNano: h.start, TimeUnixNano: h.at, Flags: h.flags(),
		Scale: int32(p.random.IntN(5)), ZeroCount: uint64(p.random.IntN(2)), Positive: &metrics.ExponentialHistogramDataPoint_Buckets{Offset: int32(p.random.IntN(9) - 4)},
	}
	b := &buckets{native: true, schema: d.Scale, zero: d.ZeroCount, count: d.ZeroCount, sum: float64(p.random.IntN(20)), counts: make(map[float64]uint64)}
	for i := range int32(p.random.IntN(6)) {
		n := uint64(p.random.IntN(3))
		d.Positive.BucketCounts = append(d.Positive.BucketCounts, n)
		if b.count += n; n > 0 {
			b.counts[float64(d.Positive.Offset+i+1)] += n
		}
	}
	d.Count, d.Sum = b.count, &b.sum
	if p.add(h, sample{hist: b}); h.bad {
		d.Count++
	}
	return d
}

// text makes a push in text, or ends a group.
func (m *requests) text() *request {
	m.made++
	from := origins[m.random.IntN(len(origins)-1)]
	p := &pushed{how: []string{replacesGroup, replacesFamilies, replacesFamilies, replacesSeries, replacesSeries, addsUp, addsUp, addsUp, addsUp, endsGroup}[m.random.IntN(10)], families: make(map[string]map[string]sample)}
	r := &request{changes: map[string]change{from.group: p}}
	target, method, header := from.path, http.MethodPost, make(http.Header)
	switch p.how {
	case endsGroup:
		r.made = func() *http.Request { return httptest.NewRequest(http.MethodDelete, target, nil) }
		return r
	case replacesGroup:
		method = http.MethodPut
	case replacesSeries, addsUp:
		target += "?merge=" + p.how
		p.invalid = p.how == addsUp && m.one(6)
	}
	if p.how == addsUp && m.one(2) {
		p.once, r.again = fmt.Sprint("text ", m.made), true
		header.Set("Idempotency-Key", fmt.Sprint("text", m.made))
	}
	body := m.body(p)
	r.made = func() *http.Request {
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		maps.Copy(r.Header, header)
		return r
	}
	return r
}

// body makes the body of a push in text.
func (m *requests) body(p *pushed) string {
	var b strings.Builder
	n, label := float64(1+m.random.IntN(9)), fmt.Sprint(m.random.IntN(3))
	if m.one(2) {
		fmt.Fprintf(&b, "# TYPE g gauge\ng{s=%q} %v\n", label, n)
		p.families["g"] = map[string]sample{"s=" + label: {value: n}}
	}
	if m.one(3) {
		fmt.Fprintf(&b, "# TYPE h histogram\nh_bucket{s=%q,le=\"4\"} 1\nh_bucket{s=%[1]q,le=\"+Inf\"} 2\nh_sum{s=%[1]q} %v\nh_count{s=%[1]q} 2\n", label, n)
		p.families["h"] = map[string]sample{"s=" + label: {hist: &buckets{sum: n, count: 2, counts: map[float64]uint64{4: 1}}}}
	}
	if m.one(2) || p.invalid || b.Len() == 0 {
		sign := ""
		if p.invalid {
			sign = "-"
		}
		fmt.Fprintf(&b, "# TYPE c_total counter\nc_total{s=%q} %s%v\n", label, sign, n)
		p.families["c_total"] = map[string]sample{"s=" + label: {value: n}}
	}
	return b.String()
}
