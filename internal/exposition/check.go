package exposition

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

// These checks refuse what would make the whole scrape fail: Prometheus reads
// an exposition to its end or not at all.

func checkName(f *metric.Family) error {
	switch {
	case f.Name == "":
		return invalid("", "a family has no name")
	case !metric.IsName(f.Name):
		return invalid(f.Name, "the name is not valid UTF-8 or contains NUL")
	case !f.Type.Valid():
		return invalid(f.Name, "its type number %d is unknown", f.Type)
	}
	return nil
}

// cleanHelp copies a help text and replaces invalid UTF-8 by U+FFFD.
func cleanHelp(help string) string {
	return strings.ToValidUTF8(strings.Clone(help), "\uFFFD")
}

// cleanUnit returns the unit if it can be one: text that is no longer than the
// name. Anything else is none.
func cleanUnit(f *metric.Family) string {
	if len(f.Unit) > len(f.Name) || !utf8.ValidString(f.Unit) {
		return ""
	}
	return f.Unit
}

func checkLabelName(f *metric.Family, name string) error {
	switch {
	case name == "":
		return invalid(f.Name, "a label has no name")
	case !metric.IsName(name):
		return invalid(f.Name, "the label name %q is not valid UTF-8 or contains NUL", excerpt.Of(name))
	case strings.HasPrefix(name, metric.ReservedLabelPrefix):
		return invalid(f.Name, "the label name %q is reserved: names that start with __ belong to Prometheus", excerpt.Of(name))
	}
	return nil
}

// checkValue refuses a value of another type than the family's.
func checkValue(f *metric.Family, s *metric.Series, l *Limits) error {
	switch {
	case s.Missing:
		return invalid(f.Name, "a series has no value of type %s", f.Type)
	case s.Histogram != nil && s.Histogram.Native != nil:
		if err := checkNative(s.Histogram); err != nil {
			return invalid(f.Name, "the native histogram is inconsistent: %v", err)
		}
	}
	if s.Histogram != nil && len(s.Histogram.Classic) > l.Buckets {
		return &guard.LimitError{
			Limit: guard.LimitBuckets, At: l.Sources[guard.LimitBuckets], Err: ErrTooLarge,
			Says:   fmt.Sprintf("%v: a histogram of family %s has more than %d buckets", ErrTooLarge, quoted(f.Name), l.Buckets),
			Advice: "use fewer, or a native histogram",
		}
	}
	if s.Exemplar == nil && s.Histogram == nil {
		return nil
	}
	return checkExemplars(f, s, l)
}

func checkExemplars(f *metric.Family, s *metric.Series, limits *Limits) error {
	if err := checkExemplar(f, s.Exemplar, limits); err != nil || s.Histogram == nil {
		return err
	}
	for _, b := range s.Histogram.Classic {
		if err := checkExemplar(f, b.Exemplar, limits); err != nil {
			return err
		}
	}
	for i := range s.Histogram.AllExemplars() {
		if err := checkExemplar(f, &s.Histogram.AllExemplars()[i], limits); err != nil {
			return err
		}
	}
	return nil
}

func checkExemplar(f *metric.Family, e *metric.Exemplar, limits *Limits) error {
	if e == nil {
		return nil
	}
	for _, l := range e.Labels {
		if err := checkLabelName(f, l.Name); err != nil {
			return err
		}
		if !utf8.ValidString(l.Value) {
			return invalid(f.Name, "the value %q of label %q of an exemplar is not valid UTF-8", excerpt.Of(l.Value), excerpt.Of(l.Name))
		}
	}
	return limits.checkLabels(f.Name, e.Labels)
}
