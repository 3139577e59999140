package otlp

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	common "go.opentelemetry.io/proto/otlp/common/v1"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/metric"
)

// labelsOf makes labels of attributes, sorted by name, without empty values.
// Attributes whose names become equal share a label: their values in the order
// of the original names, with semicolons between them.
func (t *translator) labelsOf(attributes []*common.KeyValue, leftOut func(name string) bool) ([]metric.Label, error) {
	if leftOut == nil && (t.plan.fits(attributes) || t.makePlan(attributes)) {
		return t.planned(attributes)
	}
	if err := t.pay(2 * len(attributes) * int(unsafe.Sizeof(metric.Label{}))); err != nil {
		return nil, err
	}
	sorted := slices.Clone(attributes)
	slices.SortStableFunc(sorted, func(a, b *common.KeyValue) int { return cmp.Compare(a.GetKey(), b.GetKey()) })
	labels := make([]metric.Label, 0, len(sorted))
	for _, a := range sorted {
		value := textOf(a.GetValue())
		if value == "" || leftOut != nil && leftOut(a.GetKey()) {
			continue
		}
		name, err := t.labelName(a.GetKey())
		if err != nil {
			return nil, fmt.Errorf("the attribute %q cannot be a label: %w; rename it", excerpt.Of(a.GetKey()), err)
		}
		if err := t.pay(2 * (len(name) + len(value))); err != nil {
			return nil, err
		}
		labels = append(labels, metric.Label{Name: name, Value: value})
	}
	slices.SortStableFunc(labels, func(a, b metric.Label) int { return cmp.Compare(a.Name, b.Name) })
	return joined(labels), nil
}

// attributePlan says how attributes with certain names become labels. The points of a
// request mostly have the same.
type attributePlan struct {
	keys  []string // of the attributes, in their order
	names []string // of the labels, sorted
	from  []int    // the attribute of each label
}

// reset makes it the plan for no attributes.
func (p *attributePlan) reset() { p.keys, p.names, p.from = p.keys[:0], p.names[:0], p.from[:0] }

// fits reports whether the plan is for these attributes.
func (p *attributePlan) fits(attributes []*common.KeyValue) bool {
	if len(p.keys) != len(attributes) {
		return false
	}
	for i, a := range attributes {
		if a.GetKey() != p.keys[i] {
			return false
		}
	}
	return true
}

// mostPlanned is how many attributes a plan is made for.
const mostPlanned = 64

// makePlan makes the plan for some attributes. It returns false if each must become
// a label of its own, and one does not.
func (t *translator) makePlan(attributes []*common.KeyValue) bool {
	p := &t.plan
	p.reset()
	if len(attributes) > mostPlanned {
		return false
	}
	for i, a := range attributes {
		name, err := t.labelName(a.GetKey())
		at, twice := slices.BinarySearch(p.names, name)
		if err != nil || twice {
			p.reset()
			return false
		}
		p.keys, p.names, p.from = append(p.keys, a.GetKey()), slices.Insert(p.names, at, name), slices.Insert(p.from, at, i)
	}
	return true
}

// planned makes labels as the plan says.
func (t *translator) planned(attributes []*common.KeyValue) ([]metric.Label, error) {
	const chunk = 64
	if n := len(attributes); n > len(t.free) {
		n = max(n, chunk)
		if err := t.pay(n * int(unsafe.Sizeof(metric.Label{}))); err != nil {
			return nil, err
		}
		t.free = make([]metric.Label, n)
	}
	labels, size := t.free[:0:len(attributes)], 0
	for i, name := range t.plan.names {
		if value := textOf(attributes[t.plan.from[i]].GetValue()); value != "" {
			labels = append(labels, metric.Label{Name: name, Value: value})
			size += len(name) + len(value)
		}
	}
	t.free = t.free[len(attributes):]
	return labels, t.pay(2 * size)
}

// joined joins the values of labels with one name. They are sorted.
func joined(labels []metric.Label) []metric.Label {
	kept := labels[:0]
	for i := 0; i < len(labels); {
		end := i + 1
		for end < len(labels) && labels[end].Name == labels[i].Name {
			end++
		}
		l := labels[i]
		if end > i+1 {
			values := make([]string, 0, end-i)
			for _, same := range labels[i:end] {
				values = append(values, same.Value)
			}
			l.Value = strings.Join(values, ";")
		}
		kept = append(kept, l)
		i = end
	}
	return kept
}

// textOf returns a value as text, like the libraries of OpenTelemetry: lists and
// maps as JSON, bytes as base64.
func textOf(v *common.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *common.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *common.AnyValue_DoubleValue:
		return textOfFloat(v.DoubleValue)
	case *common.AnyValue_BytesValue:
		return base64.StdEncoding.EncodeToString(v.BytesValue)
	case *common.AnyValue_ArrayValue, *common.AnyValue_KvlistValue:
		b, err := json.Marshal(plain(v))
		if err != nil {
			return "" // it never fails for what plain returns
		}
		return string(b)
	}
	return ""
}

// textOfFloat writes a number as JSON does.
func textOfFloat(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return string(b)
}

// plain returns a value as encoding/json takes it. value is what AnyValue holds.
func plain(value any) any {
	switch v := value.(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_IntValue:
		return v.IntValue
	case *common.AnyValue_DoubleValue:
		if math.IsNaN(v.DoubleValue) || math.IsInf(v.DoubleValue, 0) {
			return textOfFloat(v.DoubleValue) // JSON has no such numbers
		}
		return v.DoubleValue
	case *common.AnyValue_BytesValue:
		return base64.StdEncoding.EncodeToString(v.BytesValue)
	case *common.AnyValue_ArrayValue:
		list := make([]any, 0, len(v.ArrayValue.GetValues()))
		for _, item := range v.ArrayValue.GetValues() {
			list = append(list, plain(item.GetValue()))
		}
		return list
	case *common.AnyValue_KvlistValue:
		fields := make(map[string]any, len(v.KvlistValue.GetValues()))
		for _, kv := range v.KvlistValue.GetValues() {
			fields[kv.GetKey()] = plain(kv.GetValue().GetValue())
		}
		return fields
	}
	return nil
}
