package guard

import (
	"fmt"
	"testing"
	"time"
)

// TestRates takes events at certain times, in seconds.
func TestRates(t *testing.T) {
	type event struct {
		at, perSecond float64
		names         []string
		ok            bool
		wait          float64 // if not ok
	}
	a, b, both := []string{"a"}, []string{"b"}, []string{"a", "b"}
	for name, events := range map[string][]event{
		"a burst":           {{0, 2, a, true, 0}, {0, 2, a, true, 0}, {0, 2, a, false, 0.5}},
		"others":            {{0, 1, a, true, 0}, {0, 1, b, true, 0}, {0, 1, a, false, 1}},
		"one by one":        {{0, 2, a, true, 0}, {0, 2, a, true, 0}, {0.5, 2, a, true, 0}, {0.5, 2, a, false, 0.5}, {1, 2, a, true, 0}},
		"refused ones":      {{0, 1, a, true, 0}, {0.5, 1, a, false, 0.5}, {0.9, 1, a, false, 0.1}, {1, 1, a, true, 0}},
		"all or none":       {{0, 1, a, true, 0}, {0, 1, both, false, 1}, {0, 1, b, true, 0}},
		"less than one":     {{0, 0.1, a, true, 0}, {1, 0.1, a, false, 9}, {10, 0.1, a, true, 0}},
		"a long time after": {{0, 2, a, true, 0}, {0, 2, a, true, 0}, {100, 2, a, true, 0}, {100, 2, a, true, 0}, {100, 2, a, false, 0.5}},
		"a lower rate":      {{0, 4, a, true, 0}, {0, 4, a, true, 0}, {0, 1, a, false, 2}},
		"a clock set back":  {{10, 1, a, true, 0}, {0, 1, a, false, 1}},
	} {
		var rates Rates
		start := time.Unix(1_000_000, 0)
		for i, e := range events {
			var of []Rate
			for _, name := range e.names {
				of = append(of, Rate{Name: name, PerSecond: e.perSecond})
			}
			_, wait, ok := rates.Take(start.Add(time.Duration(e.at*float64(time.Second))), of...)
			if ok != e.ok || (wait-time.Duration(e.wait*float64(time.Second))).Abs() > time.Microsecond {
				t.Errorf("%s, event %d: %v after %v, want %v", name, i, ok, wait, e)
			}
		}
	}
}

// TestRatesForget has many names, each once.
func TestRatesForget(t *testing.T) {
	var rates Rates
	start := time.Unix(1_000_000, 0)
	for i := range 100_000 {
		rates.Take(start.Add(time.Duration(i)*time.Millisecond), Rate{Name: fmt.Sprint(i), PerSecond: 10})
	}
	if n := len(rates.buckets); n > 2500 {
		t.Errorf("%d names are remembered", n)
	}
	for i := range maxNames + 1000 {
		rates.Take(start, Rate{Name: fmt.Sprint("slow", i), PerSecond: 0.001})
	}
	if n := len(rates.buckets); n > maxNames {
		t.Errorf("%d names are remembered of slow ones", n)
	}
}
