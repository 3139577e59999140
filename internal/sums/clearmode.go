package sums

import (
	"fmt"
	"slices"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/metric"
)

// clearMode is the label with which a series says what a push does to it, if
// Push.Gauges is ByLabel.
const clearMode = "clearmode"

// how is what a push does to a series.
type how int

const (
	byType  how = iota // gauges are replaced, and others are added
	adds               // adds, also gauges
	replace            // replaces the series
	renews             // replaces the series, and removes the others of its family
)

// clearModes are the values of the label.
var clearModes = map[string]how{"": byType, "aggregate": adds, "sum": adds, "replace": replace, "family": renews, "info": renews}

// cutMode returns a series without the label, and what that says.
func cutMode(s metric.Series) (metric.Series, how, error) {
	i := slices.IndexFunc(s.Labels, func(l metric.Label) bool { return l.Name == clearMode })
	if i < 0 {
		return s, byType, nil
	}
	mode, known := clearModes[s.Labels[i].Value]
	if !known {
		return s, 0, fmt.Errorf("has clearmode=%q, but that must be aggregate, sum, replace, family or info", excerpt.Of(s.Labels[i].Value))
	}
	s.Labels = slices.Delete(slices.Clone(s.Labels), i, i+1)
	return s, mode, nil
}
