package sums

import (
	"fmt"
	"slices"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/metric"
)

// ClearMode is the label with which a series says what a push does to it, if
// Push.Gauges is ByLabel.
const ClearMode = "clearmode"

// Effect is what a push does to a series that says so.
type Effect int

const (
	byType  Effect = iota // gauges are replaced, and others are added
	adds                  // adds, also gauges
	replace               // replaces the series
	renews                // replaces the series, and removes the others of its family
)

// effects are the values of the label.
var effects = map[string]Effect{"": byType, "aggregate": adds, "sum": adds, "replace": replace, "family": renews, "info": renews}

// ParseEffect parses a value of the label clearmode.
func ParseEffect(name string) (Effect, error) {
	e, known := effects[name]
	if !known {
		return 0, fmt.Errorf("has %s=%q, but that must be aggregate, sum, replace, family or info", ClearMode, excerpt.Of(name))
	}
	return e, nil
}

// cutEffect returns a series without the label, and what that says. A series without it
// has the other effect.
func cutEffect(s metric.Series, otherwise Effect) (metric.Series, Effect, error) {
	i := slices.IndexFunc(s.Labels, func(l metric.Label) bool { return l.Name == ClearMode })
	if i < 0 {
		return s, otherwise, nil
	}
	e, err := ParseEffect(s.Labels[i].Value)
	if err != nil {
		return s, 0, err
	}
	s.Labels = slices.Delete(slices.Clone(s.Labels), i, i+1)
	return s, e, nil
}
