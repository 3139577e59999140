package main

import (
	"strings"
	"testing"
)

// TestRateRows takes what is idle from a table, and looks what is said to bind.
func TestRateRows(t *testing.T) {
	for _, c := range []struct {
		idle float64
		want string
	}{
		{0, "the cores bind"},
		{0.09, "the cores bind"},
		{0.11, "neither"},
		{0.49, "neither"},
		{0.51, "the sync binds"},
	} {
		used := uses{cpu: []float64{1}, idle: []float64{c.idle}}
		rows := rateRows(16, []float64{500, 1000, 700}, [3]uses{used, used, used})
		if first := rows[0]; !strings.Contains(first.what, c.want) || first.target() != "" {
			t.Errorf("%.2f idle: got %q, which must reach %q", c.idle, first.what, first.target())
		}
	}
}

// TestSlowRows takes the rate from a table, and looks whether the goal is reached.
func TestSlowRows(t *testing.T) {
	for rate, want := range map[float64]string{800: "yes", 799: "no"} {
		used := uses{idle: []float64{0.5}}
		if got := slowRows(16, []float64{rate, 1000}, [2]uses{used, used})[0]; got.verdict() != want {
			t.Errorf("%.0f of 1000: got %q", rate, got.verdict())
		}
	}
}
