package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// exportedMetrics is a request in JSON with metrics of one resource.
func exportedMetrics(metrics string) string {
	return `{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"scopeMetrics":[{"metrics":[` + metrics + `]}]}]}`
}

// attributeOf is an attribute in JSON.
func attributeOf(key, value string) string {
	return fmt.Sprintf(`{"key":%q,"value":{"stringValue":%q}}`, key, value)
}

// scraped returns a scrape in text. It wants scrapes in all formats to be readable,
// and to have no series twice.
func scraped(t *testing.T, h http.Handler) (text string) {
	t.Helper()
	for _, accept := range []string{"application/openmetrics-text;version=1.0.0", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", "text/plain"} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		text = w.Body.String()
		p, err := textparse.New(w.Body.Bytes(), w.Header().Get("Content-Type"), labels.NewSymbolTable(), textparse.ParserOptions{})
		seen := make(map[string]bool)
		for err == nil {
			var e textparse.Entry
			if e, err = p.Next(); err != nil || e != textparse.EntrySeries && e != textparse.EntryHistogram {
				continue
			}
			var set labels.Labels
			if p.Labels(&set); seen[set.String()] {
				t.Errorf("%s: there is twice %s", accept, set)
			}
			seen[set.String()] = true
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v\n%s", accept, err, w.Body)
		}
	}
	return text
}

// TestOddExports wants each point that cannot be exposed to be rejected alone, and
// no scrape to suffer.
func TestOddExports(t *testing.T) {
	const highest = `18446744073709551615`
	gauge := func(points ...string) string {
		return `{"name":"x","gauge":{"dataPoints":[` + strings.Join(points, ",") + `]}}`
	}
	with := func(attributes ...string) string {
		return `{"asInt":"1","attributes":[` + strings.Join(attributes, ",") + `]}`
	}
	counter := func(temporality int, point string) string {
		return fmt.Sprintf(`{"name":"x","sum":{"isMonotonic":true,"aggregationTemporality":%d,"dataPoints":[%s]}}`, temporality, point)
	}
	histogram := func(temporality int, bounds, counts string, count string) string {
		return fmt.Sprintf(`{"name":"h","histogram":{"aggregationTemporality":%d,"dataPoints":[{"count":"%s","sum":1,"explicitBounds":[%s],"bucketCounts":[%s]}]}}`, temporality, count, bounds, counts)
	}
	exponential := func(point string) string {
		return `{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"sum":1,` + point + `}]}}`
	}
	summary := func(quantiles ...string) string {
		points := ""
		for _, q := range quantiles {
			points += `,{"quantile":` + q + `,"value":1}`
		}
		return `{"name":"q","summary":{"dataPoints":[{"count":"2","sum":3,"quantileValues":[` + strings.TrimPrefix(points, ",") + `]}]}}`
	}
	for name, tt := range map[string]struct {
		metrics  string
		rejected int
		says     string
		line     string // of the scrape
	}{
		"an attribute twice":                   {metrics: gauge(with(attributeOf("a", "1"), attributeOf("a", "2"))), line: `x{a="1;2",instance="",job="a"} 1`},
		"attributes of one label":              {metrics: gauge(with(attributeOf("a.b", "1"), attributeOf("a_b", "2"))), line: `x{a_b="1;2",instance="",job="a"} 1`},
		"points of one series":                 {metrics: gauge(with(attributeOf("a.b", "1")), with(attributeOf("a_b", "1"))), line: `x{a_b="1",instance="",job="a"} 1`},
		"le of a gauge":                        {metrics: gauge(with(attributeOf("le", "1"))), line: `x{instance="",job="a",le="1"} 1`},
		"le of a histogram":                    {metrics: strings.Replace(histogram(2, "1", `"1","0"`, "1"), `"sum"`, `"attributes":[`+attributeOf("le", "1")+`],"sum"`, 1), rejected: 1, says: `must not have a label \"le\" of its own`},
		"quantile of a summary":                {metrics: strings.Replace(summary("0.5"), `"sum"`, `"attributes":[`+attributeOf("quantile", "1")+`],"sum"`, 1), rejected: 1, says: `must not have a label \"quantile\" of its own`},
		"the label of names":                   {metrics: gauge(with(attributeOf("__name__", "y"))), line: `x{instance="",job="a",key_name__="y"} 1`},
		"another job":                          {metrics: gauge(with(attributeOf("job", "b"))), line: `x{instance="",job="a"} 1`},
		"several jobs":                         {metrics: gauge(with(attributeOf("job", "b")), with(attributeOf("job", "c")), with(attributeOf("n", "1"))), rejected: 1, says: `since the grouping key sets \"job\"`, line: `x{instance="",job="a",n="1"} 1`},
		"an instance":                          {metrics: gauge(with(attributeOf("instance", "b"))), line: `x{instance="b",job="a"} 1`},
		"an attribute without a name":          {metrics: gauge(with(attributeOf("", "y")), with()), rejected: 1, says: `the attribute \"\" cannot be a label: label name is empty; rename it`, line: `x{instance="",job="a"} 1`},
		"an attribute without letters":         {metrics: gauge(with(attributeOf("...", "y")), with()), rejected: 1, says: `the attribute \"...\" cannot be a label`, line: `x{instance="",job="a"} 1`},
		"NUL in an attribute":                  {metrics: gauge(with(`{"key":"\u0000a","value":{"stringValue":"x\u0000"}}`)), line: "x{instance=\"\",job=\"a\",key_a=\"x\x00\"} 1"},
		"unsorted bounds":                      {metrics: histogram(2, "2,1", `"1","1","1"`, "3"), rejected: 1, says: `do not rise`},
		"a bound that is no number":            {metrics: histogram(2, `"NaN"`, `"1","1"`, "2"), rejected: 1, says: `do not rise`},
		"bounds that are the same number":      {metrics: histogram(2, "-0.0,0", `"1","1","1"`, "3"), rejected: 1, says: `do not rise`},
		"the last bound":                       {metrics: histogram(2, `1,"Infinity"`, `"1","1","1"`, "3"), line: `h_bucket{instance="",job="a",le="+Inf"} 3`},
		"the first bound":                      {metrics: histogram(2, `"-Infinity"`, `"1","1"`, "2"), line: `h_bucket{instance="",job="a",le="-Inf"} 1`},
		"buckets beyond all counts":            {metrics: histogram(2, "1,2", `"`+highest+`","1","0"`, "0"), rejected: 1, says: `count more than 2^64 observations`},
		"deltas beyond all counts":             {metrics: histogram(1, "1,2", `"`+highest+`","1","0"`, "0"), rejected: 1, says: `count more than 2^64 observations`},
		"deltas that nearly add up":            {metrics: histogram(1, "1", `"`+highest+`","0"`, "18446744073709551614"), rejected: 1, says: `a point counts 18446744073709551614, but its buckets 18446744073709551615`},
		"the highest count":                    {metrics: histogram(2, "1", `"`+highest+`","0"`, highest), line: `h_count{instance="",job="a"} 1.8446744073709552e+19`},
		"fewer counts":                         {metrics: histogram(2, "1", `"1"`, "1"), rejected: 1, says: `a point has 1 buckets for 1 bounds`},
		"a quantile twice":                     {metrics: summary("0.5", "0.9", "0.5"), rejected: 1, says: `a point has the quantile 0.5 twice; export each once`},
		"the lowest quantile twice":            {metrics: summary("-0.0", "0"), rejected: 1, says: `a point has the quantile 0 twice`},
		"quantiles that are no numbers":        {metrics: summary(`"NaN"`, `"NaN"`), rejected: 1, says: `a point has the quantile NaN; export quantiles from 0 to 1`},
		"a quantile below all":                 {metrics: summary("-0.5"), rejected: 1, says: `a point has the quantile -0.5`},
		"a quantile above all":                 {metrics: summary("0.5", "1.5"), rejected: 1, says: `a point has the quantile 1.5`},
		"unsorted quantiles":                   {metrics: summary("1", "0"), line: `q{instance="",job="a",quantile="0"} 1`},
		"a time far from now":                  {metrics: counter(2, `{"asInt":"1","timeUnixNano":"`+highest+`","startTimeUnixNano":"`+highest+`"}`), line: `x_total{instance="",job="a"} 1`},
		"a start after the end":                {metrics: counter(2, `{"asInt":"1","timeUnixNano":"1","startTimeUnixNano":"2000000000"}`), line: `x_total{instance="",job="a"} 1`},
		"a total below zero":                   {metrics: counter(2, `{"asInt":"-5"}`), line: `x_total{instance="",job="a"} -5`},
		"the lowest integer":                   {metrics: gauge(`{"asInt":"-9223372036854775808"}`), line: `x{instance="",job="a"} -9.223372036854776e+18`},
		"the highest delta":                    {metrics: counter(1, `{"asInt":"9223372036854775807"}`), line: `x_total{instance="",job="a"} 9.223372036854776e+18`},
		"the highest offset":                   {metrics: exponential(`"count":"1","positive":{"offset":2147483647,"bucketCounts":["1"]}`), rejected: 1, says: `beyond the numbers of any value`},
		"the lowest offset":                    {metrics: exponential(`"count":"1","negative":{"offset":-2147483648,"bucketCounts":["1"]}`), rejected: 1, says: `beyond the numbers of any value`},
		"a high offset":                        {metrics: exponential(`"count":"2","scale":20,"positive":{"offset":1073741823,"bucketCounts":["1"]},"negative":{"offset":-1073741824,"bucketCounts":["1"]}`), line: `e_count{instance="",job="a"} 2`},
		"the highest scale":                    {metrics: exponential(`"count":"1","scale":2147483647,"positive":{"offset":1,"bucketCounts":["1"]}`), line: `e_count{instance="",job="a"} 1`},
		"the lowest scale":                     {metrics: exponential(`"count":"1","scale":-2147483648,"positive":{"offset":1,"bucketCounts":["1"]}`), rejected: 1, says: `the scale of a point is -2147483648`},
		"a zero threshold that is no number":   {metrics: exponential(`"count":"1","zeroCount":"1","zeroThreshold":"NaN"`), rejected: 1, says: `its zero threshold is negative or not finite`},
		"buckets beyond a native histogram":    {metrics: exponential(`"count":"1","scale":20,"positive":{"bucketCounts":["9223372036854775807","9223372036854775807","3"]}`), rejected: 1, says: `count more than 2^64 observations`},
		"a bucket beyond a native histogram":   {metrics: exponential(`"count":"1","positive":{"bucketCounts":["9223372036854775808"]}`), rejected: 1, says: `a point counts 9223372036854775808 observations, more than a native histogram can`},
		"one native histogram of two":          {metrics: `{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"2","sum":1,"zeroCount":"1"},{"count":"1","sum":1,"zeroCount":"1","attributes":[` + attributeOf("n", "1") + `]}]}}`, rejected: 1, says: `the native histogram is inconsistent`, line: `e_count{instance="",job="a",n="1"} 1`},
		"no name":                              {metrics: strings.Replace(gauge(with()), `"x"`, `""`, 1), rejected: 1, says: `resulted in empty name; give it another name`},
		"a name without letters":               {metrics: strings.Replace(gauge(with()), `"x"`, `"..."`, 1), rejected: 1, says: `resulted in empty name`},
		"NUL in a name":                        {metrics: strings.Replace(gauge(with()), `"x"`, `"a\u0000b"`, 1), line: `a_b{instance="",job="a"} 1`},
		"a name with the unit of another":      {metrics: strings.Replace(gauge(with()), `"x"`, `"x_seconds"`, 1) + "," + strings.Replace(gauge(with()), `"x"`, `"x","unit":"s"`, 1), line: `x_seconds{instance="",job="a"} 1`},
		"a counter beside a gauge of its name": {metrics: counter(2, with()) + "," + strings.Replace(gauge(with()), `"x"`, `"x_total"`, 1), rejected: 1, says: `with another type, counter`, line: `x_total{instance="",job="a"} 1`},
		"lines of a histogram":                 {metrics: histogram(2, "1", `"1","0"`, "1") + "," + strings.Replace(gauge(with()), `"x"`, `"h_count"`, 1) + "," + gauge(with()), rejected: 2, says: `rename one of them`, line: `x{instance="",job="a"} 1`},
		"two scopes":                           {metrics: gauge(`{"asInt":"1","timeUnixNano":"2"}`) + `]},{"scope":{"name":"two"},"metrics":[` + gauge(`{"asInt":"2","timeUnixNano":"1"}`), line: `x{instance="",job="a"} 1`},
		"what the gateway makes":               {metrics: strings.Replace(gauge(with()), `"x"`, `"push_time_seconds"`, 1), rejected: 1, says: `the gateway makes it itself`},
		"the target":                           {metrics: strings.Replace(gauge(with(attributeOf("n", "1"))), `"x"`, `"target_info"`, 1), line: `target_info{instance="",job="a",n="1"} 1`},
		"a deep value":                         {metrics: gauge(with(`{"key":"a","value":` + strings.Repeat(`{"arrayValue":{"values":[`, 10) + `{"doubleValue":"NaN"}` + strings.Repeat(`]}}`, 10) + `}`)), line: `x{a="[[[[[[[[[[\"NaN\"]]]]]]]]]]",instance="",job="a"} 1`},
		"an odd unit":                          {metrics: strings.Replace(gauge(with()), `"x"`, `"x","unit":"{a}\u0000\n"`, 1), line: `x{instance="",job="a"} 1`},
		"odd exemplars":                        {metrics: counter(2, `{"asInt":"1","exemplars":[{"asDouble":"NaN","timeUnixNano":"`+highest+`","traceId":"00","filteredAttributes":[`+attributeOf("trace.id", "2")+`,`+attributeOf("trace_id", "3")+`]}]}`), line: `x_total{instance="",job="a"} 1`},
	} {
		h := New(configured(t))
		w := as(h, "", http.MethodPost, "/v1/metrics", exportedMetrics(tt.metrics))
		want := "{}"
		if tt.rejected > 0 {
			want = fmt.Sprintf(`{"partialSuccess":{"rejectedDataPoints":"%d",`, tt.rejected)
		}
		if answer := w.Body.String(); w.Code != http.StatusOK || !strings.HasPrefix(answer, want) || !strings.Contains(answer, tt.says) {
			t.Errorf("%s: got %d %.300s, want %s and %s", name, w.Code, answer, want, tt.says)
		}
		text := scraped(t, h)
		if tt.line != "" && !strings.Contains("\n"+text, "\n"+tt.line+"\n") {
			t.Errorf("%s: want the line %q, got\n%.2000s", name, tt.line, text)
		}
	}
}

// TestMetricsOfOneName exports each series as a metric of its own, as some collectors
// do. That takes about as much memory as one metric with all points.
func TestMetricsOfOneName(t *testing.T) {
	var metrics []string
	for i := range 4000 {
		metrics = append(metrics, fmt.Sprintf(`{"name":"m","gauge":{"dataPoints":[{"asInt":"%d","attributes":[%s]}]}}`, i, attributeOf("x", fmt.Sprint(i))))
	}
	h := New(configured(t))
	w := export(h, resourceOf("a", metrics...))
	if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != "{}" {
		t.Fatalf("got %d: %.300s", w.Code, w.Body)
	}
	if got := scraped(t, h); strings.Count(got, "\nm{") != len(metrics) || !strings.Contains(got, `m{instance="",job="a",x="3999"} 3999`) {
		t.Errorf("some of %d series are missing", len(metrics))
	}
}
