package exposition

import (
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"pushgateway/internal/metric"
)

// differences are the parts of our errors for what Prometheus reads, but what
// makes no series that can be exposed, or none that is clear.
var differences = []string{
	"duplicate label name",           // Prometheus would refuse the sample
	"is reserved",                    // as would be __name__ as a label
	"invalid metric name",            // empty, or not UTF-8
	"is not valid UTF-8",             // of label names
	"no closing quote",               // a newline in a quoted name
	"expected a number as value of",  // le="x"
	"has no label",                   // a bucket without le
	"negative count",                 // in a histogram
	"second ",                        // HELP, TYPE, UNIT or start time
	"after its first sample",         // a TYPE
	"a start time (_created), but",   // without a value
	"has only lines that end in",     // a histogram "x" with a line "x"
	"without a suffix",               // a counter with lines x and x_total
	"without this suffix",            // the same in the other order
	"but only counters and buckets",  // an exemplar elsewhere
	"between the years",              // the time of an exemplar, or a start time
	"label name \"\"",                // an empty one
	"the start time in Unix seconds", // NaN
}

func isDifference(err error) bool {
	for _, d := range differences {
		if strings.Contains(err.Error(), d) {
			return true
		}
	}
	return false
}

// line is a line as Prometheus reads it.
type line struct {
	value    float64
	exemplar string
}

// readByPrometheus returns the lines of a body by their series. Of two lines of
// one series it returns the value NaN.
func readByPrometheus(body string) (map[string]line, error) {
	lines := make(map[string]line)
	p := textparse.NewOpenMetricsParser([]byte(body), labels.NewSymbolTable())
	for {
		entry, err := p.Next()
		switch {
		case err == io.EOF:
			return lines, nil
		case err != nil:
			return nil, err
		case entry != textparse.EntrySeries:
			continue
		}
		var ls labels.Labels
		p.Labels(&ls)
		_, _, v := p.Series()
		now := line{value: v}
		var e exemplar.Exemplar
		if p.Exemplar(&e) {
			now.exemplar = showExemplar(e.Labels, e.Value)
		}
		series := seriesOf(ls)
		if _, twice := lines[series]; twice {
			now.value = math.NaN()
		}
		lines[series] = now
	}
}

// seriesOf names a series. Prometheus writes bounds in one way, but by the type
// that it saw last.
func seriesOf(ls labels.Labels) string {
	b := labels.NewBuilder(ls)
	for _, name := range []string{metric.BucketLabel, metric.QuantileLabel} {
		if v, err := strconv.ParseFloat(ls.Get(name), 64); err == nil {
			b.Set(name, strconv.FormatFloat(v, 'g', -1, 64))
		}
	}
	return b.Labels().String()
}

func showExemplar(ls labels.Labels, v float64) string {
	return ls.String() + " " + strconv.FormatFloat(v, 'g', -1, 64)
}

// readHere returns what we read as the lines that Prometheus would see.
func readHere(families []*metric.Family) map[string]line {
	lines := make(map[string]line)
	for _, f := range families {
		for i := range f.Series {
			addLines(lines, f, &f.Series[i])
		}
	}
	return lines
}

func addLines(lines map[string]line, f *metric.Family, s *metric.Series) {
	add := func(suffix string, v float64, e *metric.Exemplar, more ...string) {
		now := line{value: v}
		if e != nil {
			now.exemplar = showExemplar(asLabels(e.Labels), e.Value)
		}
		lines[seriesOf(asLabels(s.Labels, append(more, metric.NameLabel, f.Name+suffix)...))] = now
	}
	sum, count := metric.SumSuffix, metric.CountSuffix
	if f.Type == metric.GaugeHistogram {
		sum, count = gaugeSumSuffix, gaugeCountSuffix
	}
	switch {
	case s.Summary != nil:
		for _, q := range s.Summary.Quantiles {
			add("", q.Value, nil, metric.QuantileLabel, strconv.FormatFloat(q.Quantile, 'g', -1, 64))
		}
		add(sum, s.Summary.Sum, nil)
		add(count, float64(s.Summary.Count), nil)
	case s.Histogram != nil:
		for _, b := range s.Histogram.Classic {
			add(metric.BucketSuffix, b.Count.Value(), b.Exemplar, metric.BucketLabel, strconv.FormatFloat(b.UpperBound, 'g', -1, 64))
		}
		add(sum, s.Histogram.Sum, nil)
		add(count, s.Histogram.Count.Value(), nil)
	default:
		add("", s.Value, s.Exemplar)
	}
	if s.Created != nil {
		created := float64(s.Created.Seconds) + float64(s.Created.Nanos)/1e9
		lines[seriesOf(asLabels(s.Labels, metric.NameLabel, strings.TrimSuffix(f.Name, totalSuffix)+createdSuffix))] = line{value: created}
	}
}

func asLabels(ls []metric.Label, more ...string) labels.Labels {
	for _, l := range ls {
		more = append(more, l.Name, l.Value)
	}
	return labels.FromStrings(more...)
}

var openMetricsBodies = []string{
	"# EOF\n",
	"# EOF",
	"m 1\n# EOF\n",
	"m 1\n",
	"m 1\n# EOF\nm 2\n",
	"m 1\n# EOF\n\n",
	"m 1 \n# EOF\n",
	"m  1\n# EOF\n",
	"m\t1\n# EOF\n",
	"\nm 1\n# EOF\n",
	"# a comment\nm 1\n# EOF\n",
	"# HELP m a \\\"b\\\" \\\\ c\\nd \\x\n# TYPE m gauge\nm{a=\"1\\\"\\\\\\n\\x\",b=\"2\",} 1\n# EOF\n",
	"# HELP m\nm 1\n# EOF\n",
	"# HELP m \nm 1\n# EOF\n",
	"# TYPE x counter\nx_total 1\nx_created 1600000000.123\n# EOF\n",
	"# TYPE x counter\nx_total{a=\"1\"} 1\nx_created{a=\"1\"} 1600000000.123\nx_total{a=\"2\"} 3\nx_created{a=\"2\"} 1.6e+09\n# TYPE y counter\ny_total{a=\"1\"} 1\ny_created{a=\"1\"} 1\ny_total{a=\"2\"} 3\ny_created{a=\"2\"} 2\n# EOF\n",
	"# TYPE x counter\nx_total{a=\"1\"} 1\nx_total{a=\"2\"} 3\nx_created{a=\"2\"} 1.6e+09\nx_created{a=\"1\"} 1.7e+09\n# EOF\n",
	"# TYPE x counter\nx_created{a=\"2\"} 1.6e+09\nx_created{a=\"1\"} 1.7e+09\nx_total{a=\"1\"} 1\nx_total{a=\"2\"} 3\n# EOF\n",
	"# TYPE x counter\nx_created 1\n# EOF\n",
	"# TYPE x counter\nx_created NaN\nx_total 1\n# EOF\n",
	"# TYPE x counter\nx 1\nx_created 5\n# EOF\n",
	"# TYPE x counter\nx 1\nx_total 5\n# EOF\n",
	"# TYPE x counter\nx_total 1\nx 5\n# EOF\n",
	"# TYPE x_total counter\nx_total 1\nx_created 5\n# EOF\n",
	"# TYPE x_total counter\nx_total_total 1\nx_total_created 5\n# EOF\n",
	"# TYPE x counter\nx_total 1 # {trace_id=\"a\"} 0.5 1600000000.1\n# EOF\n",
	"# TYPE x counter\nx_total 1 # {} 0.5\n# EOF\n",
	"# TYPE x counter\nx_total 1 1600000000 # {a=\"b\",} 0.5\n# EOF\n",
	"# TYPE x gauge\nx 1 # {a=\"b\"} 0.5\n# EOF\n",
	"# TYPE x counter\nx_total 1 # {a=\"b\"} 0.5 NaN\n# EOF\n",
	"# TYPE x counter\nx_total 1 # {a=\"b\"}0.5\n# EOF\n",
	"# TYPE x counter\nx_total 1 # {a=\"b\"} 0.5 1 1\n# EOF\n",
	"# TYPE x_seconds gauge\n# UNIT x_seconds seconds\nx_seconds 1\n# EOF\n",
	"# TYPE x_seconds gauge\n# UNIT x_seconds bytes\nx_seconds 1\n# EOF\n",
	"# TYPE xseconds gauge\n# UNIT xseconds seconds\nxseconds 1\n# EOF\n",
	"# TYPE seconds gauge\n# UNIT seconds seconds\nseconds 1\n# EOF\n",
	"# TYPE h histogram\nh_bucket{le=\"1\"} 1 # {a=\"b\"} 0.5\nh_bucket{le=\"+Inf\"} 2\nh_count 2\nh_sum 3\nh_created 100\n# EOF\n",
	"# TYPE h histogram\nh 1\n# EOF\n",
	"# TYPE h histogram\nh_bucket 1\n# EOF\n",
	"# TYPE h gaugehistogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_gcount 2\nh_gsum 3\n# EOF\n",
	"# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_count 2\ns_sum 3\ns_created 100\n# EOF\n",
	"# TYPE i info\ni_info{version=\"1\"} 1\n# EOF\n",
	"# TYPE e stateset\ne{e=\"a\"} 1\ne{e=\"b\"} 0\n# EOF\n",
	"# TYPE u unknown\nu 1\n# EOF\n",
	"# TYPE u untyped\nu 1\n# EOF\n",
	"# TYPE u Counter\nu 1\n# EOF\n",
	"# TYPE \"a.b\" counter\n{\"a.b_total\",\"c.d\"=\"1\",e=\"2\"} 1\n{\"a.b_created\",\"c.d\"=\"1\",e=\"2\"} 1\n# EOF\n",
	"{a=\"1\"} 1\n# EOF\n",
	"{a=\"1\",\"m\"} 1\n# EOF\n",
	"m{\"n\",a=\"1\"} 1\n# EOF\n",
	"m{a=\"1\", b=\"2\"} 1\n# EOF\n",
	"m{,} 1\n# EOF\n",
	"m{} 1\n# EOF\n",
	"m{a=\"1\",,} 1\n# EOF\n",
	"m {a=\"1\"} 1\n# EOF\n",
	"m 0x1\n# EOF\n",
	"m 1_0\n# EOF\n",
	"m +Inf\nn -inf\no NaN\np 1e3\n# EOF\n",
	"m 1 1600000000.5\n# EOF\n",
	"m 1 1600000000.5 2\n# EOF\n",
	"m 1 NaN\n# EOF\n",
	"m 1\r\n# EOF\r\n",
	"m{a=\"1\n2\"} 1\n# EOF\n",
	"m 1\n#EOF\n",
	"m 1\n# EOF2\n",
	"m 1\n# EOF \n",
	"\"m\" 1\n# EOF\n",
	"m{a=\"\xff\"} 1\n# EOF\n",
	"m",
	"",
}

// FuzzOpenMetrics holds the reader of OpenMetrics against that of Prometheus.
func FuzzOpenMetrics(f *testing.F) {
	for _, body := range openMetricsBodies {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if strings.Contains(body, "\x00") {
			t.Skip("the lexer of Prometheus skips NUL in some places")
		}
		want, refused := readByPrometheus(body)
		p := GetParser()
		defer p.Release()
		families, err := p.ParseOpenMetrics([]byte(body))
		switch {
		case err != nil && refused != nil:
			return
		case err != nil && !isDifference(err):
			t.Fatalf("%q: Prometheus reads it, but %v", body, err)
		case err != nil:
			return
		case refused != nil:
			t.Fatalf("%q: it is read, but Prometheus says %v", body, refused)
		}
		got := readHere(families)
		for series, w := range want {
			g, ok := got[series]
			same := g.value == w.value || math.IsNaN(w.value) || strings.Contains(series, metric.CountSuffix+`"`) || math.Abs(g.value-w.value) <= 1e-9*math.Abs(w.value)
			if !ok || !same || g.exemplar != w.exemplar && !math.IsNaN(w.value) {
				t.Errorf("%q: %s is %v, want %v", body, series, g, w)
			}
		}
		if blocks, err := Render(families, Options{Bare: true, Valid: true}); err == nil {
			checkReadable(t, blocks)
			checkStored(t, blocks)
			checkProto(t, families, Options{Bare: true, Valid: true})
		}
	})
}

// TestOpenMetricsDiffers says which bodies are refused although Prometheus reads
// them.
func TestOpenMetricsDiffers(t *testing.T) {
	for _, body := range []string{
		"m{a=\"1\",a=\"2\"} 1\n# EOF\n",
		"m{__name__=\"n\"} 1\n# EOF\n",
		"{\"\"} 1\n# EOF\n",
		"m{\"\xff\"=\"1\"} 1\n# EOF\n",
		"{\"a\nb\"} 1\n# EOF\n",
		"# TYPE h histogram\nh_bucket{le=\"x\"} 1\n# EOF\n",
		"# TYPE h histogram\nh_bucket 1\n# EOF\n",
		"# TYPE h histogram\nh 1\n# EOF\n",
		"# TYPE h histogram\nh_count -1\n# EOF\n",
		"# TYPE s summary\ns 1\n# EOF\n",
		"# HELP m a\n# HELP m b\nm 1\n# EOF\n",
		"# TYPE m gauge\n# TYPE m gauge\nm 1\n# EOF\n",
		"m 1\n# TYPE m gauge\n# EOF\n",
		"# TYPE x counter\nx_total 1\nx_created 1\nx_created 1\n# EOF\n",
		"# TYPE x counter\nx_created 1\n# EOF\n",
		"# TYPE x counter\nx_created NaN\nx_total 1\n# EOF\n",
		"# TYPE x counter\nx_created 1e300\nx_total 1\n# EOF\n",
		"# TYPE x counter\nx_total 1 # {} 1 1e300\n# EOF\n",
		"# TYPE x counter\nx 1\nx_total 1\n# EOF\n",
		"# TYPE x counter\nx_total 1\nx 1\n# EOF\n",
		"# TYPE x gauge\nx 1 # {} 1\n# EOF\n",
	} {
		if _, err := readByPrometheus(body); err != nil {
			t.Errorf("%q: Prometheus does not read it: %v", body, err)
		}
		var syntax *SyntaxError
		var invalid *InvalidError
		p := GetParser()
		if _, err := p.ParseOpenMetrics([]byte(body)); !errors.As(err, &syntax) && !errors.As(err, &invalid) {
			t.Errorf("%q: got %v", body, err)
		}
		p.Release()
	}
}
