package intake

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
)

// render makes finished blocks from what was pushed, unless it uses names that
// --push.reserved-names reserves. Refilling needs no such check, since it only
// uses the names of blocks that were rendered before.
func (in *Intake) render(families []*metric.Family, o exposition.Options) ([]*exposition.Block, error) {
	for _, f := range families {
		if err := in.checkNames(f); err != nil {
			return nil, err
		}
	}
	return exposition.Render(families, o)
}

// checkNames refuses a family that some scrape would show under a reserved
// name.
func (in *Intake) checkNames(f *metric.Family) error {
	if in.config.ReservedNames == nil {
		return nil
	}
	for name := range in.exposedNames(f) {
		if in.config.ReservedNames.MatchString(name) {
			return in.reserved(f.Name, name)
		}
	}
	return nil
}

// exposedNames returns all names under which scrapes show a family: its own,
// which native histograms have, and those of its lines, in each escaping.
// Lines with start times are only in OpenMetrics.
func (in *Intake) exposedNames(f *metric.Family) iter.Seq[string] {
	suffixes := slices.Concat([]string{""}, f.Type.Suffixes())
	if in.config.OpenMetrics && f.Type == metric.Counter {
		suffixes = append(suffixes, "_total")
	}
	starts := in.config.OpenMetrics && slices.ContainsFunc(f.Series, func(s metric.Series) bool { return s.Created != nil })
	escapings := metric.Escapings[:]
	if metric.IsLegacyName(f.Name) {
		escapings = escapings[:1] // all of them leave it unchanged
	}
	return func(yield func(string) bool) {
		for _, e := range escapings {
			name := metric.EscapeName(f.Name, e)
			for _, suffix := range suffixes {
				if !yield(name + suffix) {
					return
				}
			}
			format := exposition.Format{Syntax: exposition.OpenMetrics1, Escaping: e}
			if name := format.CreatedName(f.Name, f.Type); starts && name != "" && !yield(name) {
				return
			}
		}
	}
}

// reserved returns the error about a family that would be exposed under a
// reserved name.
func (in *Intake) reserved(family, name string) error {
	which := "the name"
	if name != family {
		which = fmt.Sprintf("its exposed name %q", excerpt.Of(name))
	}
	return &exposition.InvalidError{
		Family: strings.Clone(excerpt.Of(family)),
		Msg:    fmt.Sprintf("%s is reserved by --push.reserved-names=%q; push it under another name, or change that flag of the gateway", which, in.config.ReservedNames.GetRegexString()),
	}
}
