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

// IsByLabel reports whether each series says what becomes of it.
func (g Gauges) IsByLabel() bool { return g >= ByLabel }

// Otherwise returns ByLabel for a push whose series without the label have the mode.
func Otherwise(mode string) (Gauges, error) {
	h, err := parseMode(mode)
	return ByLabel + Gauges(h), err
}

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

func parseMode(name string) (how, error) {
	mode, known := clearModes[name]
	if !known {
		return 0, fmt.Errorf("has %s=%q, but that must be aggregate, sum, replace, family or info", ClearMode, excerpt.Of(name))
	}
	return mode, nil
}

// cutMode returns a series without the label, and what that says. A series without it
// has the other mode.
func cutMode(s metric.Series, otherwise how) (metric.Series, how, error) {
	i := slices.IndexFunc(s.Labels, func(l metric.Label) bool { return l.Name == ClearMode })
	if i < 0 {
		return s, otherwise, nil
	}
	mode, err := parseMode(s.Labels[i].Value)
	if err != nil {
		return s, 0, err
	}
	s.Labels = slices.Delete(slices.Clone(s.Labels), i, i+1)
	return s, mode, nil
}
