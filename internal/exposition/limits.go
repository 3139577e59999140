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
	return Limits{Name: (cliff - 64) / widest, Value: cliff - 1, Labels: math.MaxInt, Buckets: math.MaxInt}
}

func (l Limits) withDefaults() Limits { return Limits(guard.PushLimits(l).WithDefaults()) }

// least is a length up to which a line or the text of a label set breaks none
// of the limits, whatever it contains.
func (l Limits) least() int { return min(l.Name, l.Value, l.Labels) }

// checkLine checks the series of one line against the limits.
func (l Limits) checkLine(name string, labels []metric.Label) error {
	if len(name) > l.Name {
		return tooLong(name, "the name", len(name), l.Name)
	}
	return l.checkLabels(name, labels)
}

func (l Limits) checkLabels(family string, labels []metric.Label) error {
	all := 0
	for _, label := range labels {
		if len(label.Name) > l.Name {
			return tooLong(family, "the label name "+quoted(label.Name), len(label.Name), l.Name)
		}
		if len(label.Value) > l.Value {
			return tooLong(family, "the value of label "+quoted(label.Name), len(label.Value), l.Value)
		}
		all += len(label.Name) + len(label.Value)
	}
	if all > l.Labels {
		return tooLong(family, "the label set of one series, with its grouping labels,", all, l.Labels)
	}
	return nil
}

// checkFamily checks the longest name in the lines of a family against the
// limit.
func (l Limits) checkFamily(f *metric.Family) error {
	suffix := 0
	for _, s := range f.Type.Suffixes() {
		suffix = max(suffix, len(s))
	}
	if n := len(f.Name) + suffix; n > l.Name {
		return tooLong(f.Name, "the name of its lines", n, l.Name)
	}
	return nil
}

func tooLong(family, what string, size, limit int) error {
	return &InvalidError{Family: strings.Clone(excerpt.Of(family)), Msg: fmt.Sprintf("%s has %d bytes, more than the limit of %d; shorten it", what, size, limit), tooLong: true}
}

// isTooLong reports whether an error is about one of the limits.
func isTooLong(err error) bool {
	var e *InvalidError
	return errors.As(err, &e) && e.tooLong
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
