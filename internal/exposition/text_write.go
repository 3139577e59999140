package exposition

import (
	"bytes"
	"math"
	"strconv"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/metric"
)

// appendText writes the lines of one series, whose labels are in r.labels.text.
func (r *renderer) appendText(b []byte, f *metric.Family, s *metric.Series) ([]byte, error) {
	w := lineWriter{b: b, name: f.Name, legacy: r.legacyName, labels: r.labels.text, most: r.rest()}
	switch {
	case f.Type == metric.Summary:
		w.summary(s.Summary)
	case f.Type.IsHistogram():
		w.histogram(s.Histogram)
	default:
		w.line("", s.Value)
	}
	if len(w.b) > w.most {
		return w.b, r.tooLarge()
	}
	return w.b, nil
}

// FormatSeries formats a series as in the text format, for messages.
func FormatSeries(name string, labels []metric.Label) string {
	w := lineWriter{name: name, legacy: metric.IsLegacyName(name), labels: appendLabels(nil, labels)}
	w.start("")
	if w.inBraces() {
		w.b = append(w.b, '}')
	}
	return excerpt.Line(string(w.b), excerpt.Most)
}

// lineWriter writes the lines of one series.
type lineWriter struct {
	b      []byte
	name   string
	legacy bool   // the name
	labels []byte // from '{' on, without the closing brace
	most   int    // bytes after which it may stop
}

// line writes a line without a special label.
func (w *lineWriter) line(suffix string, value float64) {
	w.start(suffix)
	if w.inBraces() {
		w.b = append(w.b, '}')
	}
	w.end(value)
}

// special writes a line with one more label.
func (w *lineWriter) special(suffix, label string, bound, value float64) {
	w.start(suffix)
	w.b = append(w.b, w.separator())
	w.b = append(w.b, label...)
	w.b = append(w.b, '=', '"')
	w.b = appendFloat(w.b, bound)
	w.b = append(w.b, '"', '}')
	w.end(value)
}

// inBraces reports whether start leaves a brace open: there are labels, or the
// name itself is within the braces.
func (w *lineWriter) inBraces() bool { return len(w.labels) > 0 || !w.legacy }

// separator is what precedes another label.
func (w *lineWriter) separator() byte {
	if w.inBraces() {
		return ','
	}
	return '{'
}

func (w *lineWriter) start(suffix string) {
	if w.legacy {
		w.b = append(w.b, w.name...)
		w.b = append(w.b, suffix...)
		w.b = append(w.b, w.labels...)
		return
	}
	w.b = append(w.b, '{', '"')
	w.b = appendEscaped(w.b, w.name, true)
	w.b = append(w.b, suffix...)
	w.b = append(w.b, '"')
	if len(w.labels) > 0 {
		w.b = append(w.b, ',')
		w.b = append(w.b, w.labels[1:]...)
	}
}

func (w *lineWriter) end(value float64) {
	w.b = append(w.b, ' ')
	w.b = appendFloat(w.b, value)
	w.b = append(w.b, '\n')
}

func (w *lineWriter) summary(s *metric.Quantiles) {
	for _, q := range s.Quantiles {
		if len(w.b) > w.most {
			return
		}
		w.special("", metric.QuantileLabel, q.Quantile, q.Value)
	}
	w.line(metric.SumSuffix, s.Sum)
	w.line(metric.CountSuffix, float64(s.Count))
}

func (w *lineWriter) histogram(h *metric.Buckets) {
	last := false
	for _, b := range h.Classic {
		if len(w.b) > w.most {
			return
		}
		w.special(metric.BucketSuffix, metric.BucketLabel, b.UpperBound, b.Count.Value())
		last = last || isInf(b.UpperBound)
	}
	if !last {
		w.special(metric.BucketSuffix, metric.BucketLabel, math.Inf(+1), h.Count.Value())
	}
	w.line(metric.SumSuffix, h.Sum)
	w.line(metric.CountSuffix, h.Count.Value())
}

// appendLabels writes a label set in the text format, from '{' on, without the
// closing brace. Equal sorted sets give equal bytes.
func appendLabels(b []byte, labels []metric.Label) []byte {
	for i, l := range labels {
		if i == 0 {
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		b = appendName(b, l.Name, metric.IsLegacyLabel(l.Name))
		b = append(b, '=', '"')
		b = appendEscaped(b, l.Value, true)
		b = append(b, '"')
	}
	return b
}

// appendName writes a name, in quotes unless it is a legacy name.
func appendName(b []byte, name string, legacy bool) []byte {
	if legacy {
		return append(b, name...)
	}
	b = append(b, '"')
	b = appendEscaped(b, name, true)
	return append(b, '"')
}

// appendEscaped writes s with backslash, newline and, if quotes is set, the
// double quote escaped.
func appendEscaped(b []byte, s string, quotes bool) []byte {
	done := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '\\' && c != '\n' && (c != '"' || !quotes) {
			continue
		}
		b = append(b, s[done:i]...)
		done = i + 1
		if c == '\n' {
			c = 'n'
		}
		b = append(b, '\\', c)
	}
	return append(b, s[done:]...)
}

// appendFloat writes v like Go's %g, and infinities and NaN as in the formats.
// Whole numbers, the most common values, have fast paths.
func appendFloat(b []byte, v float64) []byte {
	if v >= 0 && v < 1<<53 && v == math.Trunc(v) {
		if v < 1e6 {
			return strconv.AppendUint(b, uint64(v), 10)
		}
		return appendLarge(b, uint64(v))
	}
	switch {
	case math.IsNaN(v):
		return append(b, "NaN"...)
	case math.IsInf(v, +1):
		return append(b, "+Inf"...)
	case math.IsInf(v, -1):
		return append(b, "-Inf"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

// appendLarge writes a whole number from 1e6 on that a float64 holds exactly,
// like 1.76e+09.
func appendLarge(b []byte, n uint64) []byte {
	var scratch [20]byte
	digits := strconv.AppendUint(scratch[:0], n, 10)
	exponent := len(digits) - 1
	digits = bytes.TrimRight(digits, "0")
	b = append(b, digits[0])
	if len(digits) > 1 {
		b = append(append(b, '.'), digits[1:]...)
	}
	b = append(b, 'e', '+')
	return append(b, byte('0'+exponent/10), byte('0'+exponent%10))
}
