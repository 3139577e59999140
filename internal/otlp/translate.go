package otlp

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/prometheus/otlptranslator"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resources "go.opentelemetry.io/proto/otlp/resource/v1"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

// Options say how metrics are translated.
type Options struct {
	// Strategy is how names are made. The zero value is
	// UnderscoreEscapingWithSuffixes.
	Strategy otlptranslator.TranslationStrategyOption
	// Promoted are the attributes of resources that become grouping labels.
	Promoted []string
	// DropInstance leaves out service.instance.id.
	DropInstance bool
	// Limits bound families and series. Its zero fields mean no bound.
	Limits guard.PushLimits
	// Take provides memory before it is allocated.
	Take func(bytes int) error
}

// Resource is what a request has for one group.
type Resource struct {
	Job      string
	Labels   []metric.Label // the other grouping labels
	Families []*Family
}

// Family is a family, and how many points it was made from.
type Family struct {
	metric.Family
	Points int
	// Delta means that the series add to those of the group.
	Delta bool
	// Again has the further points of series, if Delta: all of them add.
	Again []*metric.Family
	// Gone has series that have no value any more. Their values do not matter.
	Gone []metric.Series

	places places
	latest []latest // of the series
}

// latest is the latest point of a series.
type latest struct {
	at     uint64
	gone   bool // it has no value
	points int  // of the series, with a value
}

// Attributes of resources that are not in target_info.
const (
	serviceName      = "service.name"
	serviceNamespace = "service.namespace"
	serviceInstance  = "service.instance.id"
)

const targetInfo = "target_info"

// Translate reads a request. Points that cannot be taken are rejected; an error
// refuses the whole request.
func Translate(body []byte, e Encoding, o Options) (all []*Resource, rejected Rejected, err error) {
	d := decoders.Get().(*decoder)
	defer d.release()
	req, err := d.read(body, e, o.Take)
	if err != nil && !errors.As(err, new(*SyntaxError)) {
		return nil, rejected, err
	}
	if err != nil || !hasPoints(req) {
		if s := signalOf(body, e); s != "" {
			err = s.refusal()
		}
	}
	if err != nil {
		return nil, rejected, err
	}
	t := newTranslator(o)
	for _, rm := range req.GetResourceMetrics() {
		if err := t.resource(rm); err != nil {
			return nil, rejected, err
		}
	}
	for _, families := range t.of {
		for _, f := range families {
			f.part()
		}
	}
	return t.all, t.rejected, nil
}

// translator translates one request.
type translator struct {
	Options
	metrics  otlptranslator.MetricNamer
	labels   otlptranslator.LabelNamer
	units    otlptranslator.UnitNamer
	all      []*Resource
	byKey    map[string]*Resource
	rejected Rejected
	series   int
	families int

	to     *Family            // of the present metric
	valued bool               // a point of the present resource has a value
	byName map[string]*Family // of the present resource
	of     map[*Resource]map[string]*Family
	key    []byte // of the present point
	seed   maphash.Seed

	names   map[string]labelName // of attributes
	plan    attributePlan        // of the last point
	present metric.Series        // of the present point
	free    []metric.Label       // for labels
	times   []metric.Timestamp   // for start times
	paid    int                  // bytes that are taken, and not used yet
}

// labelName is the name of the label of an attribute, or why it has none.
type labelName struct {
	name string
	err  error
}

// pay takes memory, a little more than is needed at a time.
func (t *translator) pay(bytes int) error {
	const more = 4 << 10
	if bytes > t.paid {
		if err := t.Take(bytes + more); err != nil {
			return err
		}
		t.paid += bytes + more
	}
	t.paid -= bytes
	return nil
}

func newTranslator(o Options) *translator {
	if o.Strategy == "" {
		o.Strategy = otlptranslator.UnderscoreEscapingWithSuffixes
	}
	utf8 := !o.Strategy.ShouldEscape()
	return &translator{
		Options: o,
		metrics: otlptranslator.NewMetricNamer("", o.Strategy),
		labels:  labelNamer(utf8),
		units:   otlptranslator.UnitNamer{UTF8Allowed: utf8},
		byKey:   make(map[string]*Resource),
		of:      make(map[*Resource]map[string]*Family),
		names:   make(map[string]labelName),
		seed:    maphash.MakeSeed(),
	}
}

// labelNamer makes names of labels as Prometheus does by default.
func labelNamer(utf8 bool) otlptranslator.LabelNamer {
	//lint:ignore SA1019 Prometheus sets it, too
	return otlptranslator.LabelNamer{UTF8Allowed: utf8, UnderscoreLabelSanitization: true, PreserveMultipleUnderscores: true}
}

// labelName returns the name of the label of an attribute. Prometheus would keep
// names that are reserved; a scrape must not have them.
func (t *translator) labelName(attribute string) (string, error) {
	known, ok := t.names[attribute]
	if !ok {
		known.name, known.err = t.labels.Build(attribute)
		if known.err == nil && strings.HasPrefix(known.name, "__") {
			known.name = "key_" + strings.TrimLeft(known.name, "_")
		}
		const most = 1000
		if len(t.names) < most {
			t.names[attribute] = known
		}
	}
	return known.name, known.err
}

func hasPoints(req *metrics.MetricsData) bool {
	return slices.ContainsFunc(req.GetResourceMetrics(), func(rm *metrics.ResourceMetrics) bool { return pointsIn(rm) > 0 })
}

func pointsIn(rm *metrics.ResourceMetrics) (n int) {
	for _, sm := range rm.GetScopeMetrics() {
		for _, m := range sm.GetMetrics() {
			n += pointsOf(m)
		}
	}
	return n
}

// resource translates what a request has of one resource.
func (t *translator) resource(rm *metrics.ResourceMetrics) error {
	points := pointsIn(rm)
	if points == 0 {
		return nil
	}
	r, err := t.group(rm.GetResource())
	if err != nil {
		t.rejected.Add(points, "%v", err)
		return nil
	}
	t.valued = false
	if t.byName = t.of[r]; t.byName == nil {
		t.byName = make(map[string]*Family)
		t.of[r] = t.byName
	}
	for _, sm := range rm.GetScopeMetrics() {
		for _, m := range sm.GetMetrics() {
			if err := t.metric(r, m); err != nil {
				return err
			}
		}
	}
	if !t.valued {
		return nil
	}
	return t.target(r, rm.GetResource())
}

// group returns the group of a resource, which several may share.
func (t *translator) group(res *resources.Resource) (*Resource, error) {
	r := &Resource{Job: attribute(res, serviceName)}
	if r.Job == "" {
		return nil, fmt.Errorf("a resource has no %s, which becomes the job; set OTEL_SERVICE_NAME", serviceName)
	}
	if namespace := attribute(res, serviceNamespace); namespace != "" {
		r.Job = namespace + "/" + r.Job
	}
	if instance := attribute(res, serviceInstance); instance != "" && !t.DropInstance {
		r.Labels = append(r.Labels, metric.Label{Name: metric.InstanceLabel, Value: instance})
	}
	for _, name := range t.Promoted {
		value := attribute(res, name)
		if value == "" {
			continue
		}
		label, err := t.labelName(name)
		if err != nil {
			return nil, err
		}
		has := func(l metric.Label) bool { return l.Name == label }
		if label != metric.JobLabel && !slices.ContainsFunc(r.Labels, has) {
			r.Labels = append(r.Labels, metric.Label{Name: label, Value: value})
		}
	}
	slices.SortStableFunc(r.Labels, func(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) })
	key := fmt.Sprintf("%q %q", r.Job, r.Labels)
	if known := t.byKey[key]; known != nil {
		return known, nil
	}
	if err := t.Take(1<<10 + 4*len(key)); err != nil {
		return nil, err
	}
	t.byKey[key] = r
	t.all = append(t.all, r)
	return r, nil
}

// attribute returns the value of an attribute as text.
func attribute(res *resources.Resource, name string) string {
	for _, a := range res.GetAttributes() {
		if a.GetKey() == name {
			return textOf(a.GetValue())
		}
	}
	return ""
}

// target adds target_info with the other attributes of a resource.
func (t *translator) target(r *Resource, res *resources.Resource) error {
	own := func(name string) bool {
		return name == serviceName || name == serviceNamespace || name == serviceInstance || slices.Contains(t.Promoted, name)
	}
	labels, err := t.labelsOf(res.GetAttributes(), own)
	if err != nil || len(labels) == 0 {
		return nil // a name that cannot be one is left out with its companions
	}
	f, ok, err := t.family(r, targetInfo, kind{typ: metric.Gauge})
	if err != nil || !ok {
		return err
	}
	f.Help = "Target metadata"
	if t.to = f; f.places == nil {
		if err := t.reserve(1); err != nil {
			return err
		}
	}
	return t.place(metric.Series{Labels: labels, Value: 1}, 0, false)
}

// metric translates one metric.
func (t *translator) metric(r *Resource, m *metrics.Metric) error {
	k, err := kindOf(m)
	points := pointsOf(m)
	switch {
	case points == 0:
		return nil
	case err != nil:
		t.rejected.Add(points, "metric %q: %v", excerpt.Of(m.GetName()), err)
		return nil
	}
	name, err := t.metrics.Build(otlptranslator.Metric{Name: m.GetName(), Unit: m.GetUnit(), Type: k.named})
	if err != nil {
		t.rejected.Add(points, "metric %q: %v; give it another name", excerpt.Of(m.GetName()), err)
		return nil
	}
	f, ok, err := t.family(r, name, k)
	switch {
	case err != nil:
		return err
	case f.Type != k.typ:
		t.rejected.Add(points, "metric %q: the request has the name %q with another type, %s; use one type", excerpt.Of(m.GetName()), excerpt.Of(name), f.Type)
		return nil
	case !ok:
		t.rejected.Add(points, "metric %q: the request has the name %q with another temporality; use one", excerpt.Of(m.GetName()), excerpt.Of(name))
		return nil
	}
	if f.Help == "" {
		f.Help = m.GetDescription()
	}
	if unit := t.units.Build(m.GetUnit()); strings.HasSuffix(strings.TrimSuffix(name, "_total"), "_"+unit) {
		f.Unit = unit
	}
	f.Points += points
	t.to = f
	return t.points(m)
}

// family returns the family of a name. It is not ok if that is of another kind.
func (t *translator) family(r *Resource, name string, k kind) (f *Family, ok bool, err error) {
	if f := t.byName[name]; f != nil {
		return f, f.Type == k.typ && f.Delta == k.delta, nil
	}
	if t.families++; t.Limits.Families > 0 && t.families > t.Limits.Families {
		return nil, false, t.tooMany(guard.LimitFamiliesPerPush, "families", t.Limits.Families, name)
	}
	const size = 600
	if err := t.Take(size + len(name)); err != nil {
		return nil, false, err
	}
	f = &Family{Family: metric.Family{Name: name, Type: k.typ, Distinct: true}, Delta: k.delta}
	t.byName[name] = f
	r.Families = append(r.Families, f)
	return f, true, nil
}

// tooMany returns the error of a push that has more of something than a limit
// allows. Only the errors of limits that are set name the family of the first one.
func (t *translator) tooMany(limit guard.Limit, what string, most int, family string) error {
	over := &guard.LimitError{
		Limit: limit, At: t.Limits.Sources[limit], Err: guard.ErrTooLarge,
		Says:   fmt.Sprintf("%v: it has more than %d %s", guard.ErrTooLarge, most, what),
		Advice: "export fewer at once",
	}
	if over.At != "" {
		over.Says += fmt.Sprintf(", the first one too many in family %q", excerpt.Of(family))
	}
	return over
}

// kind is what a metric becomes.
type kind struct {
	typ   metric.Type
	named otlptranslator.MetricType // what its name is made for
	delta bool
}

// kindOf returns what a metric becomes.
func kindOf(m *metrics.Metric) (k kind, err error) {
	switch d := m.GetData().(type) {
	case *metrics.Metric_Gauge:
		return kind{typ: metric.Gauge, named: otlptranslator.MetricTypeGauge}, nil
	case *metrics.Metric_Sum:
		return kindOfSum(d.Sum)
	case *metrics.Metric_Histogram:
		k = kind{typ: metric.Histogram, named: otlptranslator.MetricTypeHistogram}
		k.delta, err = isDelta(d.Histogram.GetAggregationTemporality())
		return k, err
	case *metrics.Metric_ExponentialHistogram:
		k = kind{typ: metric.Histogram, named: otlptranslator.MetricTypeExponentialHistogram}
		k.delta, err = isDelta(d.ExponentialHistogram.GetAggregationTemporality())
		return k, err
	case *metrics.Metric_Summary:
		return kind{typ: metric.Summary, named: otlptranslator.MetricTypeSummary}, nil
	}
	return k, fmt.Errorf("it has no data of a known kind")
}

// kindOfSum refuses changes of a sum that can go down: if one is lost, the sum
// stays wrong, and nothing shows that.
func kindOfSum(s *metrics.Sum) (k kind, err error) {
	if k.delta, err = isDelta(s.GetAggregationTemporality()); err != nil || s.GetIsMonotonic() {
		k.typ, k.named = metric.Counter, otlptranslator.MetricTypeMonotonicCounter
		return k, err
	}
	if k.delta {
		return k, errors.New("a sum that can go down cannot have delta temporality, since nothing would show that one was lost; export it with cumulative temporality, as SDKs do for OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta")
	}
	k.typ, k.named = metric.Gauge, otlptranslator.MetricTypeNonMonotonicCounter
	return k, nil
}

// isDelta reports whether values only make sense if they are added up.
func isDelta(t metrics.AggregationTemporality) (bool, error) {
	switch t {
	case metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE:
		return false, nil
	case metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA:
		return true, nil
	}
	return false, errors.New("its aggregation temporality is missing or unknown; send cumulative or delta values")
}

func pointsOf(m *metrics.Metric) int {
	switch d := m.GetData().(type) {
	case *metrics.Metric_Gauge:
		return len(d.Gauge.GetDataPoints())
	case *metrics.Metric_Sum:
		return len(d.Sum.GetDataPoints())
	case *metrics.Metric_Histogram:
		return len(d.Histogram.GetDataPoints())
	case *metrics.Metric_ExponentialHistogram:
		return len(d.ExponentialHistogram.GetDataPoints())
	case *metrics.Metric_Summary:
		return len(d.Summary.GetDataPoints())
	}
	return 0
}
