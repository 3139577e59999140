package e2e

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resources "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Names from which each seed takes a few. Those of one line become equal in some
// format, or are those of lines of each other.
var nameThemes = [][]string{
	{"a", "a_total", "a_bucket", "a_sum", "a_count", "a_created", "a_info", "a_gsum", "a_gcount", "a_total_total", "a_total_created", "a_created_total", "a_sum_total", "a_bucket_created", "a_total_count"},
	{"a.b", "a_b", "a-b", "a:b", "a__b", "a_dot_b", "a.b_total", "a_b_total", "a-b.total", "a.b_created", "a_b_created", "a.b_sum", "a_b_count", "a.b.count", "U__a_2e_b", "_total", ".total", "a.b_info", "ü", "ä"},
	{"go_goroutines", "go_goroutines_created", "go_goroutines_total", "go.goroutines", "go", "go_gc_duration_seconds", "go_gc_duration_seconds_sum", "go_gc_duration_seconds.sum", "process_cpu_seconds_total", "process_cpu_seconds", "process.cpu_seconds", "process_cpu_seconds_created", "push_time_seconds", "push.time_seconds", "push_time_seconds_total", "push_time", "push_failure.time_seconds_total", "push_expiry.time_seconds", "pushgateway_http_requests", "pushgateway_http_requests_total", "pushgateway.http_requests_total", "pushgateway_build_info", "target_info", "target"},
}

var (
	seriesLabels = []string{"x", "x", "y", "instance", "clearmode", "clearmode", "l.x", "l_x", "l-x", "l__x", "l:x", "U__l_2e_x", "name"}
	oddLabels    = []string{"le", "quantile", "job", "a", "x", "clearmode"}
	labelValues  = map[string][]string{
		"job": {"a", "a", "b"}, "instance": {"", "i"}, "clearmode": {"sum", "sum", "sum", "sum", "sum", "replace", "family", "info", "", "bad"}, "le": {"1", "+Inf", "1.0"}, "quantile": {"0.5", "1"},
	}
	otherLabelValues = []string{"1", "1", "1", "1", "1", "1", "1", "1", "2", "2", "", "\\\"\n", "ü"}
	someValues       = []string{"1", "2", "0", "7.5", "1", "2", "3", "1e300", "3", "-1", "NaN", "+Inf", "-0"}
	someHelps        = []string{"", "", "one", "another \\\\ \\n", " "}
	someTTLs         = []string{"", "", "", "", "1m", "1h", "0"}
	someTurns        = []time.Duration{time.Second, time.Minute, time.Hour, 2 * time.Hour, -time.Minute}
)

// maker makes random steps.
type maker struct {
	*rand.Rand
	names     []string
	types     map[string]int // mostly, of each name
	labels    []string       // of series and, often, of groups
	contested [][]labelPair  // label sets, each of which several groups want to have
	rest      []labelPair    // what the key of this request leaves of one to its series
	aimed     bool           // nearly everything is one series, often with clearmode
	utf8      bool
	past      []doorRequest
	keyed     bool            // series need the label job
	used      map[string]bool // names of families in this body
}

type labelPair = [2]string

func (u unbroken) maker() *maker {
	m := &maker{Rand: rand.New(rand.NewPCG(u.seed, 2)), utf8: u.utf8, types: make(map[string]int)}
	for range 1 + m.IntN(2) {
		theme := pick(m, [][]string{nameThemes[0], nameThemes[0], nameThemes[1], nameThemes[1], nameThemes[2]})
		for range 1 + m.IntN(3) {
			m.names = append(m.names, pick(m, theme))
		}
	}
	for len(m.labels) < 2 {
		if name := pick(m, seriesLabels); m.utf8 || !strings.ContainsAny(name, ".-:") {
			m.labels = append(m.labels, name)
		}
	}
	for _, name := range m.names {
		m.types[name] = pick(m, []int{0, 0, 1, 1, 2, 3, 4, m.IntN(60)})
	}
	if m.aimed = !m.one(4); m.aimed {
		m.names, m.labels = m.names[:1], m.labels[:1]
		m.types[m.names[0]] = pick(m, []int{0, 1, 1, 2})
		m.contested = [][]labelPair{append(m.contest(), labelPair{pick(m, []string{"x", "instance"}), "1"})}
	}
	for len(m.contested) < 2 {
		m.contested = append(m.contested, m.contest())
	}
	return m
}

// contest makes a label set for several groups.
func (m *maker) contest() []labelPair {
	all := []labelPair{{"job", "a"}}
	for _, name := range append([]string{"instance", "clearmode"}, m.labels...) {
		if m.one(3) && !hasLabel(all, name) {
			all = append(all, labelPair{name, m.value(name)})
		}
	}
	return all
}

func hasLabel(all []labelPair, name string) bool {
	return slices.ContainsFunc(all, func(l labelPair) bool { return l[0] == name })
}

// divide picks a contested label set. It returns what of it is in the key, and leaves
// the rest to the series.
func (m *maker) divide(isKey func(name string) bool) (key []labelPair) {
	m.rest = []labelPair{}
	set := pick(m, m.contested)
	if m.aimed && !m.one(4) {
		set = m.contested[0]
	}
	for _, l := range set {
		in := isKey(l[0])
		if in {
			key = append(key, l)
		}
		if !in || m.one(10) {
			m.rest = append(m.rest, l)
		}
	}
	return key
}

// typeOf picks a type for a family, mostly the same for one name.
func typeOf[T any](m *maker, name string, all []T) T {
	if t, ok := m.types[name]; ok && !m.one(5) {
		return all[t%len(all)]
	}
	return pick(m, all)
}

func pick[T any](m *maker, all []T) T { return all[m.IntN(len(all))] }

func (m *maker) one(of int) bool { return m.IntN(of) == 0 }

func (m *maker) steps(n int) (all []unbrokenStep) {
	for range n {
		switch m.IntN(30) {
		case 0:
			all = append(all, unbrokenStep{restart: true})
		case 1:
			all = append(all, unbrokenStep{move: pick(m, []moving{bySnapshot, bySnapshot, byExport, byMixture})})
		case 2, 3:
			all = append(all, unbrokenStep{turn: pick(m, someTurns)})
		case 4, 5:
			s := unbrokenStep{}
			for range 2 + m.IntN(3) {
				s.requests = append(s.requests, m.request())
			}
			all = append(all, s)
		default:
			all = append(all, unbrokenStep{requests: []doorRequest{m.request()}})
		}
	}
	return all
}

// request makes a request, which is often much like an earlier one.
func (m *maker) request() (r doorRequest) {
	if len(m.past) > 0 && m.one(4) {
		r = m.past[len(m.past)-1-m.IntN(min(len(m.past), 6))]
		r.header = r.header.Clone()
		switch toGroup := strings.HasPrefix(r.path, "/metrics/job"); m.IntN(6) {
		case 0: // the same again
		case 1:
			if toGroup {
				r.path = m.path(plainDoor)
			}
		case 2:
			if toGroup {
				r.door = door(m.IntN(int(doors)))
			}
		default:
			if strings.HasPrefix(r.header.Get("Content-Type"), "text") {
				r.body = m.otherValues(r.body)
			}
		}
		m.past = append(m.past, r)
		return r
	}
	kind := m.IntN(20)
	if m.aimed && m.one(2) {
		kind = pick(m, []int{6, 9})
	}
	switch kind {
	case 0, 1:
		return m.delete()
	case 3, 4, 5:
		r = m.export()
	case 2, 6, 7, 8:
		r = m.many()
	case 9, 10, 11, 12:
		r = m.push(pick(m, []door{zapierDoor, gravelDoor, gravelDoor, gravelDoor}))
	default:
		r = m.push(plainDoor)
	}
	m.past = append(m.past, r)
	return r
}

func (m *maker) otherValues(body string) string {
	return values.ReplaceAllStringFunc(body, func(line string) string {
		if strings.Contains(line, "_bucket") || strings.Contains(line, "_count") || strings.Contains(line, " # ") {
			return line
		}
		return line[:strings.LastIndexByte(line, ' ')+1] + pick(m, someValues)
	})
}

func (m *maker) delete() doorRequest {
	r := doorRequest{method: http.MethodDelete, path: m.path(plainDoor), header: make(http.Header)}
	switch m.IntN(10) {
	case 0:
		r.method, r.path = http.MethodPost, "/api/v1/admin/delete_groups?"+query("match[]", pick(m, []string{`{job="a"}`, `{x="1"}`, `{instance!=""}`, `{clearmode!=""}`}))
	case 1:
		r.method, r.path = http.MethodPut, "/api/v1/admin/wipe"
	}
	return r
}

// push makes a push to one group.
func (m *maker) push(d door) doorRequest {
	r := doorRequest{door: d, method: http.MethodPost, path: m.path(d), header: make(http.Header)}
	if m.one(2) {
		r.method = http.MethodPut
	}
	if merge := pick(m, []string{"", "series", "sum", "sum"}); r.method == http.MethodPost && d == plainDoor && merge != "" {
		r.header.Set("X-Pushgateway-Merge", merge)
	}
	if d != plainDoor || r.header.Get("X-Pushgateway-Merge") == "sum" {
		m.adding(r.header)
	}
	m.life(r.header)
	r.body = m.body(r.header)
	return r
}

func (m *maker) life(h http.Header) {
	if ttl := pick(m, someTTLs); ttl != "" {
		h.Set("X-Pushgateway-TTL", ttl)
	}
}

// adding sets the headers of a push that adds up.
func (m *maker) adding(h http.Header) {
	gauges := pick(m, []string{"", "", "sum", "max", "min", "clearmode", "clearmode", "clearmode", "clearmode"})
	if m.aimed && m.one(2) {
		gauges = "clearmode"
	}
	if gauges != "" {
		h.Set("X-Pushgateway-Gauges", gauges)
	}
	if ttl := pick(m, someTTLs); ttl != "" {
		h.Set("X-Pushgateway-Series-TTL", ttl)
	}
	if m.one(4) {
		h.Set("Idempotency-Key", pick(m, []string{"1", "2"}))
	}
}

// many makes a push to several groups.
func (m *maker) many() doorRequest {
	m.divide(func(string) bool { return false })
	by := []string{"job"}
	for _, name := range []string{"instance", "clearmode", "x", pick(m, m.labels)} {
		if m.one(3) || m.aimed && name == "clearmode" && m.one(2) {
			by = append(by, name)
		}
	}
	m.Shuffle(len(by), func(i, j int) { by[i], by[j] = by[j], by[i] })
	r := doorRequest{door: door(m.IntN(int(doors))), method: http.MethodPost, path: "/api/v1/push?" + query("group_by", strings.Join(by, ",")), header: make(http.Header)}
	switch m.IntN(7) {
	case 0:
		r.method = http.MethodPut
	case 1:
		r.header.Set("X-Pushgateway-Merge", "series")
	case 2, 3, 4, 5:
		r.header.Set("X-Pushgateway-Merge", "sum")
		m.adding(r.header)
	}
	m.life(r.header)
	m.keyed = true
	r.body = m.body(r.header)
	m.keyed = false
	return r
}

// path makes the path of a group. What it leaves to series becomes the rest.
func (m *maker) path(d door) string {
	labels := m.divide(func(name string) bool { return name == "job" || m.one(2) && !strings.Contains(name, ":") })
	if m.one(5) {
		labels, m.rest = m.oddKey(), nil
	}
	if d == gravelDoor && m.one(2) && !hasLabel(labels, "clearmode") {
		labels = append(labels, labelPair{"clearmode", m.value("clearmode")})
	}
	if d != plainDoor {
		if m.one(3) {
			labels = slices.DeleteFunc(labels, func(l labelPair) bool { return l[0] == "job" })
		}
		m.Shuffle(len(labels), func(i, j int) { labels[i], labels[j] = labels[j], labels[i] })
	}
	path := "/metrics"
	for _, l := range labels {
		path += "/" + m.part(l[0], l[1])
	}
	return path
}

// oddKey makes any key.
func (m *maker) oddKey() []labelPair {
	key := []labelPair{{"job", m.value("job")}}
	for range m.IntN(3) {
		name := pick(m, m.labels)
		if m.one(4) {
			name = pick(m, oddLabels)
		}
		if !strings.Contains(name, ":") {
			key = append(key, labelPair{name, m.value(name)})
		}
	}
	return key
}

// part writes a label in one of the ways of a path.
func (m *maker) part(name, value string) string {
	label := name
	if m.utf8 && m.one(2) {
		label = model.EscapeName(name, model.ValueEncodingEscaping)
	}
	switch {
	case value == "":
		return label + "@base64/="
	case m.one(5):
		return label + "@base64/" + base64.RawURLEncoding.EncodeToString([]byte(value))
	}
	return label + "/" + url.PathEscape(value)
}

func (m *maker) value(name string) string {
	if all := labelValues[name]; all != nil {
		return pick(m, all)
	}
	return pick(m, otherLabelValues)
}

// labelSet makes the labels of a series.
func (m *maker) labelSet() (all []labelPair) {
	if m.rest != nil && (m.aimed || !m.one(4)) {
		all = slices.Clone(m.rest)
		if name := pick(m, []string{"clearmode", "clearmode", "clearmode", pick(m, m.labels)}); m.one(2) && !hasLabel(all, name) {
			all = append(all, labelPair{name, m.value(name)})
		}
		return all
	}
	if m.keyed && !m.one(12) {
		all = append(all, labelPair{"job", m.value("job")})
	}
	for range m.IntN(3) {
		name := pick(m, m.labels)
		if m.one(40) {
			name = pick(m, oddLabels)
		}
		if !hasLabel(all, name) {
			all = append(all, labelPair{name, m.value(name)})
		}
	}
	return all
}

// labelSets makes the labels of up to n series, which are mostly different ones.
func (m *maker) labelSets(n int) (all [][]labelPair) {
	for range n {
		labels := m.labelSet()
		id := seriesWithoutMode(labels)
		if m.one(12) || !slices.ContainsFunc(all, func(others []labelPair) bool { return seriesWithoutMode(others) == id }) {
			all = append(all, labels)
		}
	}
	return all
}

// seriesWithoutMode tells label sets apart that differ in more than what becomes of
// the series.
func seriesWithoutMode(labels []labelPair) string {
	labels = slices.DeleteFunc(slices.Clone(labels), func(l labelPair) bool { return l[0] == "clearmode" })
	slices.SortFunc(labels, func(a, b labelPair) int { return strings.Compare(a[0], b[0]) })
	return fmt.Sprint(labels)
}

// body makes the body of a push, and sets its type.
func (m *maker) body(h http.Header) string {
	var b strings.Builder
	m.used = make(map[string]bool)
	switch m.IntN(4) {
	case 0:
		h.Set("Content-Type", protobufAccept)
		for range 1 + m.IntN(2) {
			_, _ = protodelim.MarshalTo(&b, m.family())
		}
	case 1:
		h.Set("Content-Type", openMetrics1)
		for range 1 + m.IntN(2) {
			m.lines(&b, true)
		}
		b.WriteString("# EOF\n")
	default:
		h.Set("Content-Type", "text/plain")
		for range 1 + m.IntN(3) {
			m.lines(&b, false)
		}
	}
	return b.String()
}

// name picks the name of a family.
func (m *maker) name() string {
	for {
		name := pick(m, m.names)
		if m.utf8 || !strings.ContainsAny(name, ".-üä") {
			return name
		}
		if m.one(10) {
			return "m"
		}
	}
}

// lineMaker writes lines of text or OpenMetrics.
type lineMaker struct {
	*maker
	b           *strings.Builder
	openMetrics bool
	name        string
}

func (m *maker) lines(b *strings.Builder, openMetrics bool) {
	w := &lineMaker{maker: m, b: b, openMetrics: openMetrics, name: m.name()}
	if m.used[w.name] && !m.one(10) { // mostly the whole push would be refused
		return
	}
	m.used[w.name] = true
	types := []string{"counter", "gauge", "untyped", "histogram", "summary", ""}
	if openMetrics {
		types = []string{"counter", "gauge", "unknown", "histogram", "summary", "gaugehistogram", "", "info", "stateset", "counter", "gauge", "unknown"}
	}
	typ := typeOf(m, w.name, types)
	if openMetrics && !m.one(6) {
		w.name = strings.TrimSuffix(w.name, map[string]string{"counter": "_total", "info": "_info"}[typ])
		if w.name == "" {
			w.name = "m"
		}
	}
	if help := pick(m, someHelps); help != "" {
		fmt.Fprintf(b, "# HELP %s %s\n", quotedName(w.name), help)
	}
	if typ != "" {
		fmt.Fprintf(b, "# TYPE %s %s\n", quotedName(w.name), typ)
	}
	if openMetrics && m.one(5) && strings.Contains(w.name, "_") {
		fmt.Fprintf(b, "# UNIT %s %s\n", quotedName(w.name), w.name[strings.LastIndexByte(w.name, '_')+1:])
	}
	for _, labels := range m.labelSets(1 + m.IntN(2)) {
		w.series(typ, labels)
	}
}

func quotedName(name string) string {
	if legacyName.MatchString(name) {
		return name
	}
	return fmt.Sprintf("%q", name)
}

func (w *lineMaker) line(suffix string, labels []labelPair, value string, more ...string) {
	var parts []string
	name := w.name + suffix
	if !legacyName.MatchString(name) {
		parts, name = append(parts, fmt.Sprintf("%q", name)), ""
	}
	for _, l := range labels {
		label := l[0]
		if !legacyName.MatchString(label) || strings.Contains(label, ":") {
			label = fmt.Sprintf("%q", label)
		}
		parts = append(parts, label+`="`+strings.NewReplacer("\\", `\\`, "\"", `\"`, "\n", `\n`).Replace(l[1])+`"`)
	}
	w.b.WriteString(name)
	if len(parts) > 0 {
		w.b.WriteString("{" + strings.Join(parts, ",") + "}")
	}
	w.b.WriteString(" " + value + strings.Join(more, "") + "\n")
}

func (w *lineMaker) exemplar() string {
	if !w.openMetrics || !w.one(4) {
		return ""
	}
	return pick(w.maker, []string{` # {id="1"} 1`, ` # {} 2 12.5`, ` # {l_x="1","l.x"="2"} 0.5 1.5`})
}

func (w *lineMaker) created(labels []labelPair) {
	if w.openMetrics && w.one(2) {
		w.line("_created", labels, pick(w.maker, []string{"1", "1700000000.5", "0"}))
	}
}

func (w *lineMaker) series(typ string, labels []labelPair) {
	switch {
	case typ == "summary":
		if w.one(2) {
			w.line("", append(slices.Clone(labels), labelPair{"quantile", "0.5"}), pick(w.maker, someValues))
		}
		w.line("_sum", labels, "4.5")
		w.line("_count", labels, "3")
		w.created(labels)
	case strings.HasSuffix(typ, "histogram"):
		w.buckets(typ, labels)
	case typ == "counter" && w.openMetrics:
		w.line("_total", labels, pick(w.maker, someValues), w.exemplar())
		w.created(labels)
	case typ == "info":
		w.line("_info", labels, "1")
	case typ == "stateset":
		w.line("", append(labels, labelPair{w.name, "s"}), "1")
	default:
		suffix := pick(w.maker, []string{"", "", "", "", "", "", "", "_total", "_sum", "_count"})
		if w.aimed && !w.one(5) {
			suffix = ""
		}
		w.line(suffix, labels, pick(w.maker, someValues))
	}
}

func (w *lineMaker) buckets(typ string, labels []labelPair) {
	n := 0
	for _, le := range []string{"1", "2.5", "+Inf"} {
		if w.one(4) {
			continue
		}
		n += w.IntN(3)
		w.line("_bucket", append(slices.Clone(labels), labelPair{"le", le}), fmt.Sprint(n), w.exemplar())
	}
	sum, count := "_sum", "_count"
	if typ == "gaugehistogram" {
		sum, count = "_gsum", "_gcount"
	}
	if !w.one(8) {
		if w.one(12) {
			n = w.IntN(3) // which contradicts the buckets
		}
		w.line(sum, labels, pick(w.maker, someValues))
		w.line(count, labels, fmt.Sprint(n))
	}
	if typ != "gaugehistogram" {
		w.created(labels)
	}
}

// family makes a family of protobuf.
func (m *maker) family() *dto.MetricFamily {
	name := m.name()
	f := &dto.MetricFamily{Name: &name, Type: typeOf(m, name, []dto.MetricType{0, 1, 3, 4, 2, 5}).Enum()}
	if help := pick(m, someHelps); help != "" {
		f.Help = &help
	}
	if m.one(6) {
		f.Unit = proto.String(f.GetName()[strings.LastIndexByte(f.GetName(), '_')+1:])
	}
	for _, labels := range m.labelSets(m.IntN(3)) {
		x := new(dto.Metric)
		for _, l := range labels {
			x.Label = append(x.Label, &dto.LabelPair{Name: proto.String(l[0]), Value: proto.String(l[1])})
		}
		m.content(x, f.GetType())
		f.Metric = append(f.Metric, x)
	}
	return f
}

func (m *maker) stamp() *timestamppb.Timestamp {
	if m.one(2) {
		return nil
	}
	return &timestamppb.Timestamp{Seconds: int64(m.IntN(3)), Nanos: int32(m.IntN(2))}
}

func (m *maker) number() float64 {
	return pick(m, []float64{1, 2, 0, 7.5, 1e300, 3, -1, math.NaN(), math.Inf(1), math.Copysign(0, -1)})
}

func (m *maker) content(x *dto.Metric, t dto.MetricType) {
	v := m.number()
	switch t {
	case dto.MetricType_COUNTER:
		x.Counter = &dto.Counter{Value: &v, CreatedTimestamp: m.stamp(), Exemplar: m.protoExemplar()}
	case dto.MetricType_GAUGE:
		x.Gauge = &dto.Gauge{Value: &v}
	case dto.MetricType_UNTYPED:
		x.Untyped = &dto.Untyped{Value: &v}
	case dto.MetricType_SUMMARY:
		x.Summary = &dto.Summary{SampleCount: proto.Uint64(3), SampleSum: &v, CreatedTimestamp: m.stamp()}
		if m.one(2) {
			x.Summary.Quantile = []*dto.Quantile{{Quantile: proto.Float64(0.5), Value: proto.Float64(m.number())}}
		}
	default:
		x.Histogram = &dto.Histogram{SampleCount: proto.Uint64(3), SampleSum: &v, CreatedTimestamp: m.stamp()}
		if !m.one(3) {
			m.classic(x.Histogram)
		}
		if m.one(2) {
			m.native(x.Histogram)
		}
	}
}

func (m *maker) protoExemplar() *dto.Exemplar {
	if !m.one(4) {
		return nil
	}
	return &dto.Exemplar{Value: proto.Float64(1), Timestamp: m.stamp(), Label: []*dto.LabelPair{{Name: proto.String(pick(m, []string{"id", "l.x"})), Value: proto.String("1")}}}
}

func (m *maker) classic(h *dto.Histogram) {
	n := uint64(0)
	for _, le := range []float64{1, 2.5, math.Inf(1)} {
		if n += uint64(m.IntN(2)); !m.one(4) {
			h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: proto.Float64(le), CumulativeCount: proto.Uint64(n), Exemplar: m.protoExemplar()})
		}
	}
	if m.one(4) {
		h.SampleCount = proto.Uint64(n)
	}
}

func (m *maker) native(h *dto.Histogram) {
	h.Schema = proto.Int32(pick(m, []int32{3, 3, 0, -4, 8, -53}))
	if h.ZeroThreshold = proto.Float64(0.001); m.one(3) {
		h.SampleCountFloat, h.ZeroCountFloat = proto.Float64(3), proto.Float64(1)
		h.PositiveSpan, h.PositiveCount = []*dto.BucketSpan{{Offset: proto.Int32(1), Length: proto.Uint32(2)}}, []float64{1, 1}
		return
	}
	h.ZeroCount = proto.Uint64(1)
	h.PositiveSpan, h.PositiveDelta = []*dto.BucketSpan{{Offset: proto.Int32(1), Length: proto.Uint32(2)}}, []int64{1, 0}
	if m.one(3) {
		h.NegativeSpan, h.NegativeDelta = []*dto.BucketSpan{{Offset: proto.Int32(0), Length: proto.Uint32(1)}}, []int64{1}
		h.SampleCount = proto.Uint64(4)
	}
	h.Exemplars = slices.DeleteFunc([]*dto.Exemplar{m.protoExemplar()}, func(e *dto.Exemplar) bool { return e.GetTimestamp() == nil })
}

// export makes a request in the OpenTelemetry protocol.
func (m *maker) export() doorRequest {
	r := doorRequest{door: door(m.IntN(int(doors))), method: http.MethodPost, path: "/v1/metrics", header: http.Header{"Content-Type": {otlpProto}}}
	m.life(r.header)
	if ttl := pick(m, someTTLs); ttl != "" && m.one(2) {
		r.header.Set("X-Pushgateway-Series-TTL", ttl)
	}
	if m.one(6) {
		r.header.Set("X-Pushgateway-Instance", "drop")
	}
	req := new(collector.ExportMetricsServiceRequest)
	for range 1 + m.IntN(2) {
		res := new(resources.Resource)
		for _, l := range m.divide(func(name string) bool { return name == "job" || name == "instance" || m.one(2) }) {
			res.Attributes = append(res.Attributes, textAttribute(cmp.Or(resourceAttribute[l[0]], l[0]), l[1]))
		}
		sm := new(metrics.ScopeMetrics)
		for range 1 + m.IntN(3) {
			sm.Metrics = append(sm.Metrics, m.exported())
		}
		req.ResourceMetrics = append(req.ResourceMetrics, &metrics.ResourceMetrics{Resource: res, ScopeMetrics: []*metrics.ScopeMetrics{sm}})
	}
	b, err := proto.Marshal(req)
	if err != nil {
		panic(err)
	}
	r.body = string(b)
	return r
}

var resourceAttribute = map[string]string{"job": "service.name", "instance": "service.instance.id"}

func textAttribute(name, value string) *common.KeyValue {
	return &common.KeyValue{Key: name, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func (m *maker) exported() *metrics.Metric {
	x := &metrics.Metric{Name: pick(m, m.names), Unit: pick(m, []string{"", "", "", "", "1", "By", "s"}), Description: pick(m, someHelps)}
	kind := typeOf(m, x.Name, []int{1, 0, 0, 2 + m.IntN(2), 4})
	if m.one(2) {
		x.Name = strings.TrimSuffix(x.Name, "_total")
	}
	temporality := metrics.AggregationTemporality(1 + m.IntN(2))
	switch kind {
	case 0:
		x.Data = &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: m.numbers()}}
	case 1:
		x.Data = &metrics.Metric_Sum{Sum: &metrics.Sum{DataPoints: m.numbers(), IsMonotonic: !m.one(4), AggregationTemporality: temporality}}
	case 2:
		h := &metrics.Histogram{AggregationTemporality: temporality}
		for range 1 + m.IntN(2) {
			h.DataPoints = append(h.DataPoints, &metrics.HistogramDataPoint{Attributes: m.attributes(), Count: 3, Sum: proto.Float64(2), ExplicitBounds: []float64{1}, BucketCounts: []uint64{1, 2}, TimeUnixNano: uint64(m.IntN(3)), StartTimeUnixNano: uint64(m.IntN(2)), Flags: uint32(m.IntN(8) / 7)})
		}
		x.Data = &metrics.Metric_Histogram{Histogram: h}
	case 3:
		h := &metrics.ExponentialHistogram{AggregationTemporality: temporality}
		for range 1 + m.IntN(2) {
			h.DataPoints = append(h.DataPoints, &metrics.ExponentialHistogramDataPoint{Attributes: m.attributes(), Count: 3, Sum: proto.Float64(2), Scale: int32(m.IntN(5)), ZeroCount: 1, Positive: &metrics.ExponentialHistogramDataPoint_Buckets{Offset: 1, BucketCounts: []uint64{1, 1}}, TimeUnixNano: uint64(m.IntN(3)), Flags: uint32(m.IntN(8) / 7)})
		}
		x.Data = &metrics.Metric_ExponentialHistogram{ExponentialHistogram: h}
	default:
		s := &metrics.SummaryDataPoint{Attributes: m.attributes(), Count: 2, Sum: 3, QuantileValues: []*metrics.SummaryDataPoint_ValueAtQuantile{{Quantile: 0.5, Value: 1}}}
		x.Data = &metrics.Metric_Summary{Summary: &metrics.Summary{DataPoints: []*metrics.SummaryDataPoint{s}}}
	}
	return x
}

func (m *maker) numbers() (all []*metrics.NumberDataPoint) {
	for range 1 + m.IntN(3) {
		all = append(all, &metrics.NumberDataPoint{Attributes: m.attributes(), Value: &metrics.NumberDataPoint_AsInt{AsInt: int64(m.IntN(4))}, TimeUnixNano: uint64(m.IntN(3)), StartTimeUnixNano: uint64(m.IntN(2)), Flags: uint32(m.IntN(8) / 7)})
	}
	return all
}

func (m *maker) attributes() (all []*common.KeyValue) {
	for _, l := range m.labelSet() {
		all = append(all, textAttribute(l[0], l[1]))
	}
	return all
}
