package httpapi

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// filter is which groups a request is about. Different parameters all have to
// hold.
type filter struct {
	now       time.Time           // when it was asked
	selectors [][]*labels.Matcher // match[]: any of them
	status    string              // "", "success", "failure" or "expiring"
	search    string              // in lower case
	before    time.Time           // older_than, as a time; zero if not asked for
}

// narrowing are the parameters that filters are made of.
var narrowing = []string{"match[]", "older_than", "status", "search"}

// narrows tells whether a request asks for less than all groups.
func narrows(v url.Values) bool {
	return slices.ContainsFunc(narrowing, func(name string) bool { return v.Get(name) != "" })
}

// maxSelectors bounds the selectors of one request: each is held against each
// group.
const maxSelectors = 100

func parseFilter(v url.Values, now time.Time) (f filter, err error) {
	f.now = now
	if n := len(v["match[]"]); n > maxSelectors {
		return f, fmt.Errorf("match[] comes %d times, more than the %d allowed: put values into one selector, like {job=~\"a|b\"}", n, maxSelectors)
	}
	for _, s := range v["match[]"] {
		matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(s)
		if err != nil {
			return f, fmt.Errorf("match[]=%q is not a selector like {job=\"backup\"}: %w", s, err)
		}
		if slices.ContainsFunc(matchers, wantsName) {
			return f, fmt.Errorf("match[]=%q asks for the name of a metric, which groups do not have: select by grouping labels, like {job=\"backup\"}", s)
		}
		f.selectors = append(f.selectors, matchers)
	}
	switch f.status = v.Get("status"); f.status {
	case "", "success", "failure", "expiring":
	default:
		return f, fmt.Errorf("status=%q is not one of success, failure, expiring", f.status)
	}
	if s := v.Get("older_than"); s != "" {
		age, err := model.ParseDuration(s)
		if err != nil {
			return f, fmt.Errorf("older_than=%q is not a duration like 90m, 24h or 7d", s)
		}
		f.before = now.Add(-time.Duration(age))
	}
	f.search = strings.ToLower(v.Get("search"))
	return f, nil
}

// wantsName tells whether no group can match, as with backup for {job="backup"}.
func wantsName(m *labels.Matcher) bool {
	return m.Name == metric.NameLabel && !m.Matches("")
}

func (f *filter) matches(g *gateway.Group) bool {
	switch {
	case !f.hasStatus(g):
		return false
	case !f.before.IsZero() && !lastPush(g).Before(f.before):
		return false
	case f.search != "" && !contains(g.Key, f.search):
		return false
	}
	return len(f.selectors) == 0 || slices.ContainsFunc(f.selectors, func(ms []*labels.Matcher) bool { return selects(ms, g.Key) })
}

func (f *filter) hasStatus(g *gateway.Group) bool {
	switch f.status {
	case "success":
		return g.LastPushSuccessful()
	case "failure":
		return !g.LastPushSuccessful()
	case "expiring":
		return !g.Expires.IsZero() && g.Expires.Sub(f.now) < ttl(g)/5
	}
	return true
}

// ttl is how long a group that ends by itself lives after a good push.
func ttl(g *gateway.Group) time.Duration { return g.Expires.Sub(g.Pushed.Round(0)) }

// lastPush is when a group was last pushed to with success; where that never
// happened, when it last failed.
func lastPush(g *gateway.Group) time.Time {
	if g.Pushed.IsZero() {
		return g.Failed
	}
	return g.Pushed
}

// selects applies a selector to the grouping labels. A label that the key
// does not have counts as empty, as in Prometheus.
func selects(matchers []*labels.Matcher, key grouping.Key) bool {
	for _, m := range matchers {
		value, _ := key.Value(m.Name)
		if !m.Matches(value) {
			return false
		}
	}
	return true
}

// contains looks for a text, in lower case, in a label as a selector would
// have it.
func contains(key grouping.Key, text string) bool {
	return slices.ContainsFunc(key.Labels(), func(l metric.Label) bool {
		return strings.Contains(strings.ToLower(l.Name+`="`+l.Value+`"`), text)
	})
}
