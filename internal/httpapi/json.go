package httpapi

import (
	"cmp"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/histogram"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/metric"
)

// Status is what /api/v1/status shows of the process.
type Status struct {
	Build map[string]string `json:"build_information"`
	Flags map[string]string `json:"flags"`
	Start time.Time         `json:"start_time"`
}

// answer wraps the data of every API answer.
type answer struct {
	Status string `json:"status"`
	Data   any    `json:"data,omitempty"`
	Error  string `json:"error,omitempty"`
}

func writeData(w http.ResponseWriter, data any) {
	writeJSON(w, http.StatusOK, answer{Status: "success", Data: data})
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, answer{Status: "error", Error: excerpt.Message(err)})
}

// writePlainError is for answers that are not JSON.
func writePlainError(w http.ResponseWriter, status int, err error) {
	http.Error(w, excerpt.Message(err), status)
}

func (a *api) status(w http.ResponseWriter, r *http.Request) {
	writeData(w, struct {
		Status
		identity
	}{a.Info, identityOf(senderOf(r))})
}

// metrics serves every series of every group, as 1.11 does. It streams one
// series at a time, since one group may have a million of them.
func (a *api) metrics(w http.ResponseWriter, r *http.Request) {
	giveBack := a.listings.await(w, r)
	if giveBack == nil {
		return
	}
	defer giveBack()
	writeData(w, metricsOf(a.Gateway.View()))
}

// WriteMetrics writes the answer of /api/v1/metrics for a view.
func WriteMetrics(w io.Writer, v *gateway.View) error {
	return encode(w, answer{Status: "success", Data: metricsOf(v)})
}

func metricsOf(v *gateway.View) list {
	return listOf(v.EachGroup(""), func(g *gateway.Group) any { return groupFields(g) })
}

// familyJSON is a family of one group in the form of 1.11.
type familyJSON struct {
	Pushed  time.Time `json:"time_stamp"`
	Type    string    `json:"type"`
	Help    string    `json:"help,omitempty"`
	Metrics list      `json:"metrics"`
}

// seriesJSON is a series in the form of 1.11. Numbers are strings, since JSON
// has no NaN.
type seriesJSON struct {
	Labels    map[string]string `json:"labels"`
	Value     *string           `json:"value,omitempty"`
	Count     *string           `json:"count,omitempty"`
	Sum       *string           `json:"sum,omitempty"`
	Quantiles map[string]string `json:"quantiles,omitzero"`
	Buckets   any               `json:"buckets,omitempty"`
}

// typeNames are the names in the protobuf enumeration.
var typeNames = map[metric.Type]string{
	metric.Counter: "COUNTER", metric.Gauge: "GAUGE", metric.Summary: "SUMMARY",
	metric.Untyped: "UNTYPED", metric.Histogram: "HISTOGRAM", metric.GaugeHistogram: "GAUGE_HISTOGRAM",
}

// groupFields returns the families of a group and a few fields of the group
// itself, sorted by name. A field of the group replaces a family of that name.
func groupFields(g *gateway.Group) object {
	return func(yield func(string, any) bool) {
		own := ownFields(g)
		for i := range g.Families {
			h := &g.Families[i]
			for len(own) > 0 && own[0].name < h.Name {
				if !yield(own[0].name, own[0].value) {
					return
				}
				own = own[1:]
			}
			if both := len(own) > 0 && own[0].name == h.Name; !both && !yield(h.Name, toFamilyJSON(h.Block, h.Pushed, h.Block.Type)) {
				return
			}
		}
		for _, f := range own {
			if !yield(f.name, f.value) {
				return
			}
		}
	}
}

// ownField is a field of a group itself.
type ownField struct {
	name  string
	value any
}

// ownFields are the fields of the group itself, sorted by name.
func ownFields(g *gateway.Group) []ownField {
	last := g.Pushed
	if g.Failed.After(last) {
		last = g.Failed
	}
	family := func(b *exposition.Block, pushed time.Time) ownField {
		return ownField{b.Name, toFamilyJSON(b, pushed, b.Type)}
	}
	fields := []ownField{
		{"labels", labelsJSON(g.Key.Labels())},
		{"last_push_successful", g.LastPushSuccessful()},
		family(g.PushTime(), pushStamp(g)),
		family(g.FailureTime(), failureStamp(g, last)),
	}
	if expiry := g.ExpiryTime(); expiry != nil {
		fields = append(fields, family(expiry, g.Pushed))
	}
	slices.SortFunc(fields, func(a, b ownField) int { return cmp.Compare(a.name, b.name) })
	return fields
}

// pushStamp and failureStamp are when the time families of a group were made. A
// failure makes both for a group that did not exist.
func pushStamp(g *gateway.Group) time.Time {
	if g.Pushed.IsZero() {
		return g.Failed
	}
	return g.Pushed
}

func failureStamp(g *gateway.Group, last time.Time) time.Time {
	if g.Failed.IsZero() {
		return g.Pushed
	}
	return last
}

func labelsJSON(labels []metric.Label) map[string]string {
	m := make(map[string]string, len(labels))
	for _, l := range labels {
		m[l.Name] = l.Value
	}
	return m
}

// toFamilyJSON shows a block as a family of a type. Without series, it has null
// for them, as in 1.11.
func toFamilyJSON(b *exposition.Block, pushed time.Time, as metric.Type) familyJSON {
	f := familyJSON{Pushed: pushed, Type: typeNames[b.Type], Help: b.Help}
	if b.Series() > 0 {
		f.Metrics = seriesOf(b, as)
	}
	return f
}

// seriesOf yields the series of a block, shown with this type.
func seriesOf(b *exposition.Block, as metric.Type) list {
	return func(yield func(any) bool) {
		b.EachSeries(func(s metric.Series) bool { return yield(toSeriesJSON(as, &s)) })
	}
}

func toSeriesJSON(t metric.Type, s *metric.Series) seriesJSON {
	j := seriesJSON{Labels: labelsJSON(s.Labels)}
	switch t {
	case metric.Summary:
		j.Count, j.Sum = countJSON(metric.Count{Int: s.Summary.Count}), number(s.Summary.Sum)
		j.Quantiles = make(map[string]string, len(s.Summary.Quantiles))
		for _, q := range s.Summary.Quantiles {
			j.Quantiles[*number(q.Quantile)] = *number(q.Value)
		}
	case metric.Histogram:
		j.Count, j.Sum = countJSON(s.Histogram.Count), number(s.Histogram.Sum)
		j.Buckets = bucketsJSON(s.Histogram)
	case metric.GaugeHistogram:
		j.Value = number(0) // 1.11 cannot show one; see groupDetail
	default:
		j.Value = number(s.Value)
	}
	return j
}

func number(v float64) *string {
	s := strconv.FormatFloat(v, 'g', -1, 64)
	if math.IsInf(v, +1) {
		s = "+Inf"
	}
	return &s
}

// countJSON shows a float count only if it is above zero, as 1.11 does.
func countJSON(c metric.Count) *string {
	if c.Float > 0 {
		return number(c.Float)
	}
	s := strconv.FormatUint(c.Int, 10)
	return &s
}

// bucketsJSON returns classic buckets as a map, and native ones as a list of
// [kind of boundaries, lower, upper, count].
func bucketsJSON(h *metric.Buckets) any {
	if exposition.IsNative(h) {
		return nativeJSON(exposition.ToFloatHistogram(h))
	}
	m := make(map[string]string, len(h.Classic))
	for _, b := range h.Classic {
		m[*number(b.UpperBound)] = *countJSON(b.Count)
	}
	return m
}

// Kinds of boundaries, as in the query API of Prometheus.
const (
	openLeft = iota
	openRight
	openBoth
	closedBoth
)

func nativeJSON(h *histogram.FloatHistogram) [][4]any {
	list := make([][4]any, 0, 8)
	for it := h.AllBucketIterator(); it.Next(); {
		b := it.At()
		if b.Count == 0 {
			continue
		}
		kind := openBoth
		switch {
		case b.LowerInclusive && b.UpperInclusive:
			kind = closedBoth
		case b.LowerInclusive:
			kind = openRight
		case b.UpperInclusive:
			kind = openLeft
		}
		list = append(list, [4]any{kind, *number(b.Lower), *number(b.Upper), *number(b.Count)})
	}
	return list
}
