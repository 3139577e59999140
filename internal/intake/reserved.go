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

// render makes finished blocks of what was pushed, unless it uses names that
// --push.reserved-names keeps from pushes. Refilling needs no such check: it
// takes only the names of blocks that an earlier push was rendered to.
func (in *Intake) render(families []*metric.Family, o exposition.Options) ([]*exposition.Block, error) {
	for _, f := range families {
		if err := in.checkNames(f); err != nil {
			return nil, err
		}
	}
	return exposition.Render(families, o)
}

// checkNames refuses a family that some scrape would show under a reserved name.
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

// exposedNames are all names that scrapes show a family under: its own, which
// native histograms have, and those of its lines, in each escaping.
func (in *Intake) exposedNames(f *metric.Family) iter.Seq[string] {
	suffixes := slices.Concat([]string{""}, f.Type.Suffixes())
	if in.config.OpenMetrics && f.Type == metric.Counter {
		suffixes = append(suffixes, "_total")
	}
	escapings := metric.Escapings[:]
	if metric.IsLegacyName(f.Name) {
		escapings = escapings[:1] // they all leave it as it is
	}
	return func(yield func(string) bool) {
		for _, e := range escapings {
			name := metric.EscapeName(f.Name, e)
			for _, suffix := range suffixes {
				if !yield(name + suffix) {
					return
				}
			}
		}
	}
}

// reserved is the error about a family that would be exposed under a name.
func (in *Intake) reserved(family, name string) error {
	which := "the name"
	if name != family {
		which = fmt.Sprintf("it is exposed as %q, which", excerpt.Of(name))
	}
	return &exposition.InvalidError{
		Family: strings.Clone(excerpt.Of(family)),
		Msg:    fmt.Sprintf("%s is reserved by --push.reserved-names=%q; push it under another name, or change that flag of the gateway", which, in.config.ReservedNames.GetRegexString()),
	}
}
