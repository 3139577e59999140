package guard_test

import (
	"reflect"
	"testing"

	"pushgateway/internal/guard"
)

// TestDefaults wants a default for each limit, and what was set to stay.
func TestDefaults(t *testing.T) {
	eachLimit(t, reflect.ValueOf(guard.Limits{}.WithDefaults()), "Limits", func(name string, limit int64) {
		if limit <= 0 {
			t.Errorf("%s has no default", name)
		}
	})
	var set guard.Limits
	fill(reflect.ValueOf(&set).Elem())
	eachLimit(t, reflect.ValueOf(set.WithDefaults()), "Limits", func(name string, limit int64) {
		if limit != 7 {
			t.Errorf("%s is %d, and was set to 7", name, limit)
		}
	})
}

func eachLimit(t *testing.T, v reflect.Value, name string, visit func(name string, limit int64)) {
	t.Helper()
	for i := range v.NumField() {
		field, name := v.Field(i), name+"."+v.Type().Field(i).Name
		switch {
		case field.Kind() == reflect.Struct:
			eachLimit(t, field, name, visit)
		case field.CanInt():
			visit(name, field.Int())
		case field.Kind() == reflect.Map || field.CanUint(): // sources and era, which are no limits
		default:
			t.Errorf("%s is no number", name)
		}
	}
}

func fill(v reflect.Value) {
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.Struct {
			fill(v.Field(i))
			continue
		}
		if v.Field(i).CanInt() {
			v.Field(i).SetInt(7)
		}
	}
}
