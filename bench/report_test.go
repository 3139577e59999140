package main

import (
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.of); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.of, got, c.want)
		}
	}
}

func TestVerdict(t *testing.T) {
	reached, missed := atLeast("", 5, 1, 4), atLeast("", 3, 1, 4)
	unknown := atLeast("", 5, 1, 0)
	for _, c := range []struct {
		goals []goal
		want  string
	}{
		{nil, ""},
		{[]goal{unknown}, ""},
		{[]goal{reached, unknown}, "yes"},
		{[]goal{reached, missed}, "no"},
		{[]goal{unknown, missed}, "no"},
	} {
		if got := (row{goals: c.goals}).verdict(); got != c.want {
			t.Errorf("%v: %q, want %q", c.goals, got, c.want)
		}
	}
}

func TestRowLeavesOutWhatWasNotMeasured(t *testing.T) {
	r := row{what: "pushes", unit: perSecond, gateway: 12345, ceiling: 20000}
	want := "pushes|12,345/s|20,000/s||×0.62|||"
	if got := strings.Join(r.cells(), "|"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
