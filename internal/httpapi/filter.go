package httpapi

import (
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"pushgateway/internal/duration"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
	"pushgateway/internal/selector"
)

// filter holds which groups a request is about. A group must match all
// parameters.
type filter struct {
	now       time.Time    // time of the request
	selectors selector.Set // match[]
	status    string       // "", "success", "failure", "refused" or "expiring"
	search    string       // in lower case
	before    time.Time    // older_than, as a time; zero if not set
	after     time.Time    // newer_than, as a time; zero if not set
	refused   refusedPushes
}

// narrowing lists the parameters of a filter.
var narrowing = []string{"match[]", "older_than", "newer_than", "status", "search"}

// narrows reports whether a request asks for less than all groups.
func narrows(v url.Values) bool {
	return slices.ContainsFunc(narrowing, func(name string) bool { return v.Get(name) != "" })
}

// parseFilter parses a filter. The caller must have a turn, since compiling
// selectors takes time.
func parseFilter(v url.Values, now time.Time, l guard.Limits) (f filter, err error) {
	f.now = now
	if f.selectors, err = selector.Parse(v["match[]"], l.Selector); err != nil {
		return f, err
	}
	switch f.status = v.Get("status"); f.status {
	case "", "success", "failure", "refused", "expiring":
	default:
		return f, fmt.Errorf("status=%q must be success, failure, refused or expiring", excerpt.Of(f.status))
	}
	if f.before, err = parseAge(v, "older_than", now); err != nil {
		return f, err
	}
	if f.after, err = parseAge(v, "newer_than", now); err != nil {
		return f, err
	}
	f.search, err = parseText(v, "search", l.Query.Search)
	return f, err
}

// parseAge returns the time that was so long ago, or zero if the parameter is
// not given.
func parseAge(v url.Values, name string, now time.Time) (time.Time, error) {
	s := v.Get(name)
	if s == "" {
		return time.Time{}, nil
	}
	age, err := duration.Parse(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s=%q: %w", name, excerpt.Of(s), err)
	}
	return now.Add(-age), nil
}

// parseText returns a search text in lower case. It refuses one of more
// than most bytes.
func parseText(v url.Values, name string, most int) (string, error) {
	s := v.Get(name)
	if len(s) > most {
		return "", fmt.Errorf("%s=%q has %d bytes, more than the %d allowed; search for a part of it", name, excerpt.Of(s), len(s), most)
	}
	return strings.ToLower(s), nil
}

// among yields the groups of a view that the filter selects, until the search ends.
func (f *filter) among(s *search, v *gateway.View) iter.Seq[*gateway.Group] {
	return func(yield func(*gateway.Group) bool) {
		defer s.rest()
		for g := range v.EachGroup("") {
			if matches := f.matches(s, g); s.Err() != nil || matches && !yield(g) {
				return
			}
		}
	}
}

func (f *filter) matches(s *search, g *gateway.Group) bool {
	return f.holds(g) && f.names(s, g.Key)
}

// names reports whether a key matches what the filter says about labels.
func (f *filter) names(s *search, key grouping.Key) bool {
	return (f.search == "" || contains(key, f.search)) && f.selectors.Matches(s, key)
}

// holds reports whether a group matches everything in the filter except its
// labels. These properties may change.
func (f *filter) holds(g *gateway.Group) bool {
	return f.hasStatus(g) && (f.before.IsZero() || lastPush(g).Before(f.before)) && (f.after.IsZero() || !lastPush(g).Before(f.after))
}

func (f *filter) hasStatus(g *gateway.Group) bool {
	switch f.status {
	case "success":
		return g.LastPushSuccessful()
	case "failure":
		return !g.LastPushSuccessful()
	case "refused":
		return !g.LastPushSuccessful() || f.refused.since(g)
	case "expiring":
		return !g.Expires.IsZero() && g.Expires.Sub(f.now) < ttl(g)/5
	}
	return true
}

// ttl returns how long a group lives after a successful push.
func ttl(g *gateway.Group) time.Duration { return g.Expires.Sub(g.Pushed.Round(0)) }

// lastPush returns the time of the last successful push to a group, or if there
// was none, of the last failed one.
func lastPush(g *gateway.Group) time.Time {
	if g.Pushed.IsZero() {
		return g.Failed
	}
	return g.Pushed
}

// contains searches a label, formatted as in a selector, for a text in lower
// case.
func contains(key grouping.Key, text string) bool {
	return slices.ContainsFunc(key.Labels(), func(l metric.Label) bool {
		return strings.Contains(strings.ToLower(l.Name+`="`+l.Value+`"`), text)
	})
}
