package httpapi

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

// FuzzSelector selects a group as Prometheus would select a series with the
// grouping labels.
func FuzzSelector(f *testing.F) {
	for _, selector := range []string{
		`{job="a"}`, `{job!="a"}`, `{job=~"a.*",x!~"1|2"}`, `{x=""}`, `{x!=""}`, `{y=""}`, `m{job="a"}`, `{"x.y"="1"}`,
		`{__name__="m"}`, `{job=~".*"}`, `{job=~"("}`, `{job=`, `{job="a" or job="b"}`, `{}`, ``,
	} {
		f.Add(selector, "a", "x", "1")
	}
	f.Fuzz(func(t *testing.T, selector, job, name, value string) {
		key, err := grouping.NewKey(job, metric.Label{Name: name, Value: value})
		if err != nil {
			return
		}
		got, err := parseFilter(map[string][]string{"match[]": {selector}}, time.Now(), guard.Limits{}.WithDefaults())
		matchers, oracle := parser.NewParser(parser.Options{}).ParseMetricSelector(selector)
		if oracle == nil && slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return m.Name == "__name__" && !m.Matches("") }) {
			if err == nil {
				t.Fatalf("%q is taken, and can select no group", selector)
			}
			return
		}
		if err != nil && strings.Contains(err.Error(), "allowed") {
			return // it would take too much
		}
		if (err == nil) != (oracle == nil) {
			t.Fatalf("%q: %v, Prometheus says %v", selector, err, oracle)
		}
		if err != nil {
			if told, _, regexp := strings.Cut(err.Error(), "error parsing regexp: "); regexp && strings.Contains(told, "has a regexp for") {
				return
			}
			// What is unexpected is called otherwise, as =~ is read as =, and an
			// expression that is wrong besides comes later.
			where, _, _ := strings.Cut(oracle.Error(), "unexpected")
			if !strings.Contains(oracle.Error(), "error parsing regexp") && !strings.Contains(err.Error(), where) {
				t.Fatalf("%q: %q does not tell where: %q", selector, err, oracle)
			}
			return
		}
		b := labels.NewScratchBuilder(2)
		for _, l := range key.Labels() {
			if !utf8.ValidString(l.Name) {
				return
			}
			b.Add(l.Name, l.Value)
		}
		b.Sort()
		set := b.Labels()
		want := true
		for _, m := range matchers {
			want = want && m.Matches(set.Get(m.Name))
		}
		if got := got.selectors.Matches(t.Context(), key); got != want {
			t.Errorf("%q selects %s: %v, want %v", selector, key, got, want)
		}
	})
}
