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
	if err := t.Take(2 * len(attributes) * int(unsafe.Sizeof(metric.Label{}))); err != nil {
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
		if err := t.Take(2 * (len(name) + len(value))); err != nil {
			return nil, err
		}
		labels = append(labels, metric.Label{Name: name, Value: value})
	}
	slices.SortStableFunc(labels, func(a, b metric.Label) int { return cmp.Compare(a.Name, b.Name) })
	return joined(labels), nil
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
			return fmt.Sprint(plain(v)) // NaN, which JSON has not
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
		return v.DoubleValue
	case *common.AnyValue_BytesValue:
		return v.BytesValue
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
