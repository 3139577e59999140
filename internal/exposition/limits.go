package exposition

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

// Limits bound what is read of a push, and its names, labels and help texts.
type Limits guard.PushLimits

// cliff is the length at which a label or a name crashes Prometheus 3.
const cliff = 1 << 24

// widest is how many times longer escaping can make a name: a dot becomes
// _dot_.
const widest = 5

// StoredLimits are the limits of what is already stored, perhaps by a version
// without limits: whatever Prometheus can read stays exposed.
func StoredLimits() Limits {
	return Limits{Name: (cliff - 64) / widest, LabelName: (cliff - 64) / widest, Value: cliff - 1, Labels: math.MaxInt, Buckets: math.MaxInt}
}

func (l Limits) withDefaults() Limits { return Limits(guard.PushLimits(l).WithDefaults()) }

// least is a length up to which a line or the text of a label set breaks none
// of the limits, whatever it contains.
func (l Limits) least() int { return min(l.Name, l.LabelName, l.Value, l.Labels) }

// checkLine checks the series of one line against the limits.
func (l Limits) checkLine(name string, labels []metric.Label) error {
	if len(name) > l.Name {
		return l.tooLong(guard.LimitNameLength, name, "the name", len(name), l.Name)
	}
	return l.checkLabels(name, labels)
}

func (l Limits) checkLabels(family string, labels []metric.Label) error {
	all := 0
	for _, label := range labels {
		if len(label.Name) > l.LabelName && label.Name != metric.InstanceLabel { // which the gateway adds
			return l.tooLong(guard.LimitLabelNameLength, family, "the label name "+quoted(label.Name), len(label.Name), l.LabelName)
		}
		if len(label.Value) > l.Value {
			return l.tooLong(guard.LimitLabelValueLength, family, "the value of label "+quoted(label.Name), len(label.Value), l.Value)
		}
		all += len(label.Name) + len(label.Value)
	}
	if all > l.Labels {
		return l.tooLong(guard.LimitLabelsLength, family, "the label set of one series, with its grouping labels,", all, l.Labels)
	}
	return nil
}

// checkCount checks how many labels the series of a family have: own ones, or all
// with the grouping labels.
func (l *Limits) checkCount(family string, own, all int) error {
	if l.Sources[guard.LimitLabelsPerSeries] == "" {
		all = own
	}
	if all > l.LabelCount {
		return l.tooManyLabels(family)
	}
	return nil
}

func (l *Limits) tooManyLabels(family string) error {
	err := l.tooMany(guard.LimitLabelsPerSeries, "labels in one series", l.LabelCount, family)
	err.Advice = "give the series fewer labels"
	return err
}

// checkFamily checks the longest name in the lines of a family against the
// limit.
func (l Limits) checkFamily(f *metric.Family) error {
	suffix := 0
	for _, s := range f.Type.Suffixes() {
		suffix = max(suffix, len(s))
	}
	if n := len(f.Name) + suffix; n > l.Name {
		return l.tooLong(guard.LimitNameLength, f.Name, "the name of its lines", n, l.Name)
	}
	return nil
}

// tooLong returns the error of a name or a label beyond a limit. Its text
// is that of the built-in bound if no configuration sets the limit.
func (l *Limits) tooLong(limit guard.Limit, family, what string, size, most int) error {
	over := &guard.LimitError{
		Limit: limit, At: l.Sources[limit],
		Says:   fmt.Sprintf("%s has %d bytes, more than the limit of %d", what, size, most),
		Advice: "shorten it",
	}
	return &InvalidError{Family: strings.Clone(excerpt.Of(family)), Msg: over.Error(), limit: over}
}

// isTooLong reports whether an error is about one of the limits.
func isTooLong(err error) bool {
	var e *InvalidError
	return errors.As(err, &e) && e.limit != nil
}

// isInvalid reports whether an error is about the series that it refuses.
func isInvalid(err error) bool {
	var e *InvalidError
	return errors.As(err, &e)
}

// cutHelp cuts a help text at the limit, at a whole character, so that equal
// texts stay equal.
func (l Limits) cutHelp(help string) string {
	if len(help) <= l.Help {
		return help
	}
	end := l.Help
	for end > 0 && end > l.Help-utf8.UTFMax && !utf8.RuneStart(help[end]) {
		end--
	}
	return strings.Clone(help[:end])
}
