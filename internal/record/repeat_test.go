package record_test

import (
	"bytes"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/journaltest"
	"pushgateway/internal/record"
)

// TestRepeats decodes a record with the knowledge of an earlier state of its
// group. The result must be that of decoding it without.
func TestRepeats(t *testing.T) {
	const (
		plain     = "# HELP a Help.\n# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\nb 5\n"
		histogram = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n"
		summary   = "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n"
		quoted    = "# TYPE \"s.x\" summary\n{\"s.x\",quantile=\"0.5\"} 1\n{\"s.x\",quantile=\"0.9\"} 2\n{\"s.x_sum\"} 3\n{\"s.x_count\"} 4\n"
	)
	for name, tt := range map[string]struct {
		before, after string
		repeats       bool
	}{
		"the same":            {plain, plain, true},
		"other values":        {plain, "# HELP a Help.\n# TYPE a counter\na{x=\"1\"} 1.76e+09\na{x=\"2\"} NaN\nb -0.5\n", true},
		"other help":          {plain, "# HELP a Other.\n# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\nb 5\n", false},
		"other type":          {plain, "# HELP a Help.\n# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\nb 5\n", false},
		"another label":       {plain, "# HELP a Help.\n# TYPE a counter\na{x=\"1\"} 1\na{x=\"3\"} 2\nb 5\n", false},
		"a series more":       {plain, "# HELP a Help.\n# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\na{x=\"3\"} 2\nb 5\n", false},
		"a series fewer":      {plain, "# HELP a Help.\n# TYPE a counter\na{x=\"1\"} 1\nb 5\n", false},
		"a family more":       {plain, plain + "c 1\n", false},
		"a family fewer":      {plain, "b 5\n", false},
		"a negative zero":     {plain, "# HELP a Help.\n# TYPE a counter\na{x=\"1\"} -0\na{x=\"2\"} 2\nb 5\n", false},
		"histogram":           {histogram, "# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum 9\nh_count 4\n", true},
		"another bucket":      {histogram, "# TYPE h histogram\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n", false},
		"buckets that shrink": {histogram, "# TYPE h histogram\nh_bucket{le=\"1\"} 5\nh_bucket{le=\"+Inf\"} 4\nh_sum 9\nh_count 4\n", false},
		"counts in parts":     {histogram, "# TYPE h histogram\nh_bucket{le=\"1\"} 0.5\nh_bucket{le=\"+Inf\"} 4\nh_sum 9\nh_count 4\n", false},
		"summary":             {summary, "# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns_sum 7\ns_count 3\n", true},
		"another quantile":    {summary, "# TYPE s summary\ns{quantile=\"0.9\"} 1\ns_sum 1\ns_count 1\n", false},
		"quoted name":         {quoted, quoted, false},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := grouping.NewKey("a")
			if err != nil {
				t.Fatal(err)
			}
			old, next := pushedGroup(t, key, tt.before, 1), pushedGroup(t, key, tt.after, 2)
			rec := stored(t, next)
			like, err := record.DecodeAs(rec, key, 7, old)
			if err != nil {
				t.Fatal(err)
			}
			if got := like.Repeats == old; got != tt.repeats {
				t.Errorf("it repeats the group: %v, want %v", got, tt.repeats)
			}
			if got := stored(t, like); !bytes.Equal(got, rec) || like.Series != next.Series || !bytes.Equal(like.PushTime().Text(), next.PushTime().Text()) {
				t.Errorf("it is not the group that was encoded:\n%q\n%q", got, rec)
			}
		})
	}
}

// pushedGroup returns the group of one push.
func pushedGroup(t testing.TB, key grouping.Key, text string, pushed int64) *gateway.Group {
	t.Helper()
	g := gateway.Group{Key: key, Pushed: time.Unix(pushed, 0), Since: 3}
	for _, b := range journaltest.Blocks(t, key, text) {
		g.Families = append(g.Families, gateway.Held{Block: b, Pushed: g.Pushed, Claim: 5})
	}
	return gateway.Restore(g)
}
