package exposition

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"pushgateway/internal/metric"
)

// Where OpenMetrics 1.0 differs from the text format: the names of counters end
// in _total, whole numbers have a fraction, there are exemplars, and the end is
// marked. The start time of a series is a line of its own.

const (
	totalSuffix      = "_total"
	infoSuffix       = "_info"
	createdSuffix    = "_created"
	gaugeCountSuffix = "_gcount"
	gaugeSumSuffix   = "_gsum"
	openMetricsEOF   = "# EOF"
	openMetricsEnd   = openMetricsEOF + "\n"
	maxExemplarRunes = 128 // names and values of one exemplar, by the standard
)

// openMetricsName returns the name in the TYPE line, which must have one.
func openMetricsName(name string, t metric.Type) string {
	if t == metric.Counter && name != totalSuffix {
		return strings.TrimSuffix(name, totalSuffix)
	}
	return name
}

// showsUnit reports whether a family of this name in OpenMetrics can have a UNIT
// line, which must repeat the end of the name.
func showsUnit(name, unit string) bool {
	return unit != "" && metric.IsLegacyLabel("_"+unit) && hasUnit(name, unit)
}

// openMetricsTypeName returns the type in that line.
func openMetricsTypeName(t metric.Type) string {
	if t == metric.Untyped {
		return "unknown"
	}
	return t.String()
}

// appendOpenMetrics writes the lines of one series, whose labels are in
// r.labels.text.
func (r *renderer) appendOpenMetrics(b []byte, f *metric.Family, s *metric.Series) []byte {
	w := openMetricsWriter{lineWriter{b: b, name: f.Name, legacy: r.legacyName, labels: r.labels.text}}
	switch {
	case f.Type == metric.Summary:
		w.summary(s.Summary)
		w.created(s.Created)
	case f.Type.IsHistogram():
		w.histogram(f.Type, s.Histogram)
		if f.Type == metric.Histogram {
			w.created(s.Created)
		}
	case f.Type == metric.Counter:
		w.name = openMetricsName(f.Name, f.Type)
		w.value(totalSuffix, s.Value, s.Exemplar)
		w.created(s.Created)
	default:
		w.value("", s.Value, nil)
	}
	return w.b
}

type openMetricsWriter struct{ lineWriter }

func (w *openMetricsWriter) value(suffix string, v float64, e *metric.Exemplar) {
	w.start(suffix)
	w.closeLabels()
	w.b = appendDecimal(w.b, v)
	w.exemplar(e)
}

func (w *openMetricsWriter) count(suffix string, c metric.Count) {
	w.start(suffix)
	w.closeLabels()
	w.b = appendCountValue(w.b, c)
	w.b = append(w.b, '\n')
}

// created writes when a series started, if that is known. Prometheus looks for
// this line directly after those of the series.
func (w *openMetricsWriter) created(t *metric.Timestamp) {
	if t == nil {
		return
	}
	w.start(createdSuffix)
	w.closeLabels()
	w.b = append(appendUnix(w.b, *t), '\n')
}

func (w *openMetricsWriter) closeLabels() {
	if w.inBraces() {
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, ' ')
}

// bound begins a line with a special label.
func (w *openMetricsWriter) bound(suffix, label string, v float64) {
	w.start(suffix)
	w.b = append(w.b, w.separator())
	w.b = append(w.b, label...)
	w.b = append(w.b, '=', '"')
	w.b = appendDecimal(w.b, v)
	w.b = append(w.b, `"} `...)
}

func (w *openMetricsWriter) summary(s *metric.Quantiles) {
	for _, q := range s.Quantiles {
		w.bound("", metric.QuantileLabel, q.Quantile)
		w.b = appendDecimal(w.b, q.Value)
		w.b = append(w.b, '\n')
	}
	w.value(metric.SumSuffix, s.Sum, nil)
	w.count(metric.CountSuffix, metric.Count{Int: s.Count})
}

func (w *openMetricsWriter) histogram(t metric.Type, h *metric.Buckets) {
	sum, count := metric.SumSuffix, metric.CountSuffix
	if t == metric.GaugeHistogram {
		sum, count = gaugeSumSuffix, gaugeCountSuffix
	}
	last := false
	for _, b := range h.Classic {
		w.bucket(b)
		last = last || isInf(b.UpperBound)
	}
	if !last {
		w.bucket(metric.Bucket{UpperBound: math.Inf(+1), Count: h.Count})
	}
	w.value(sum, h.Sum, nil)
	w.count(count, h.Count)
}

func (w *openMetricsWriter) bucket(b metric.Bucket) {
	w.bound(metric.BucketSuffix, metric.BucketLabel, b.UpperBound)
	w.b = appendCountValue(w.b, b.Count)
	w.exemplar(b.Exemplar)
}

// exemplar ends a line, with an exemplar if one fits.
func (w *openMetricsWriter) exemplar(e *metric.Exemplar) {
	if e != nil && fitsExemplar(e) {
		w.b = append(w.b, " # "...)
		w.b = appendLabels(w.b, e.Labels)
		if len(e.Labels) == 0 {
			w.b = append(w.b, '{')
		}
		w.b = append(w.b, "} "...)
		w.b = appendDecimal(w.b, e.Value)
		if e.Time != nil {
			w.b = append(w.b, ' ')
			w.b = appendUnix(w.b, *e.Time)
		}
	}
	w.b = append(w.b, '\n')
}

// fitsExemplar reports whether Prometheus can read an exemplar: it must not be
// too long, nor contain NUL, at which its lexer stops.
func fitsExemplar(e *metric.Exemplar) bool {
	runes := 0
	for _, l := range e.Labels {
		if strings.Contains(l.Value, "\x00") {
			return false
		}
		runes += utf8.RuneCountInString(l.Name) + utf8.RuneCountInString(l.Value)
	}
	return runes <= maxExemplarRunes
}

// appendDecimal writes whole numbers with a fraction, as the standard requires
// for anything that is not a count.
func appendDecimal(b []byte, v float64) []byte {
	n := len(b)
	b = appendFloat(b, v)
	if !bytes.ContainsAny(b[n:], "eE.NI") {
		b = append(b, ".0"...)
	}
	return b
}

func appendCountValue(b []byte, c metric.Count) []byte {
	if c.Float != 0 {
		return appendDecimal(b, c.Float)
	}
	return strconv.AppendUint(b, c.Int, 10)
}
