package exposition

import (
	"math"
	"strings"
	"testing"

	"pushgateway/internal/metric"
)

// TestRepeats refuses buckets and quantiles that come twice, each of which is a
// series for Prometheus, and says which it is. Where repeated series are left out,
// the first stays.
func TestRepeats(t *testing.T) {
	summary := func(quantiles ...metric.Quantile) *metric.Family {
		return &metric.Family{Name: "s", Type: metric.Summary, Series: []metric.Series{{
			Labels: []metric.Label{{Name: "a", Value: "b"}}, Summary: &metric.Quantiles{Quantiles: quantiles},
		}}}
	}
	histogram := func(bounds ...float64) *metric.Family {
		h := new(metric.Buckets)
		for i, bound := range bounds {
			h.Classic = append(h.Classic, metric.Bucket{UpperBound: bound, Count: metric.Count{Int: uint64(i)}})
		}
		return &metric.Family{Name: "h", Type: metric.Histogram, Series: []metric.Series{{Histogram: h}}}
	}
	nan, inf := math.NaN(), math.Inf(+1)
	for name, tt := range map[string]struct {
		family *metric.Family
		twice  string // "" if nothing is
		left   int    // parts without those that are left out
	}{
		"quantiles":             {summary(metric.Quantile{Quantile: .5, Value: 1}, metric.Quantile{Quantile: .9, Value: 2}, metric.Quantile{Quantile: .5, Value: 3}), `s{a="b",quantile="0.5"}`, 2},
		"quantile 0 and -0":     {summary(metric.Quantile{}, metric.Quantile{Quantile: math.Copysign(0, -1)}), `s{a="b",quantile="0"}`, 1},
		"quantile NaN":          {summary(metric.Quantile{Quantile: nan}, metric.Quantile{Quantile: -nan}), `s{a="b",quantile="NaN"}`, 1},
		"quantiles in no order": {summary(metric.Quantile{Quantile: .9}, metric.Quantile{Quantile: nan}, metric.Quantile{Quantile: .5}), "", 3},
		"buckets":               {histogram(1, 2, 2, inf), `h_bucket{le="2"}`, 3},
		"buckets apart":         {histogram(1, 2, 1, inf, 2, 2), `h_bucket{le="1"}`, 3},
		"bucket +Inf":           {histogram(1, inf, inf), `h_bucket{le="+Inf"}`, 2},
		"buckets in no order":   {histogram(3, 2, inf, 1), "", 4},
	} {
		_, err := Render([]*metric.Family{tt.family}, Options{Valid: true})
		if want := "the series " + tt.twice + " occurs twice in the push"; (err != nil) != (tt.twice != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		counted := 0
		blocks, err := Render([]*metric.Family{tt.family}, Options{Valid: true, Duplicate: func() { counted++ }})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		lines, parts := make(map[string]bool), 0
		for line := range strings.Lines(string(blocks[0].Text())) {
			if series, _, _ := strings.Cut(line, " "); strings.Contains(line, "le=\"") {
				lines[series], parts = true, parts+1
			}
		}
		if len(lines) != parts || counted > 0 != (tt.twice != "") || parts < tt.left {
			t.Errorf("%s: %d left out, and exposed are\n%s", name, counted, blocks[0].Text())
		}
		if strings.Contains(string(blocks[0].Text()), "} 3\n") && tt.family.Type == metric.Summary {
			t.Errorf("%s: the later one stays: %s", name, blocks[0].Text())
		}
	}
}
