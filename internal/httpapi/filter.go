package httpapi

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
	"pushgateway/internal/selector"
)

// filter is which groups a request is about. Different parameters all have to
// hold.
type filter struct {
	now       time.Time    // when it was asked
	selectors selector.Set // match[]
	status    string       // "", "success", "failure" or "expiring"
	search    string       // in lower case
	before    time.Time    // older_than, as a time; zero if not asked for
}

// narrowing are the parameters that filters are made of.
var narrowing = []string{"match[]", "older_than", "status", "search"}

// narrows tells whether a request asks for less than all groups.
func narrows(v url.Values) bool {
	return slices.ContainsFunc(narrowing, func(name string) bool { return v.Get(name) != "" })
}

const (
	// maxSearch bounds a text that is looked for, in bytes.
	maxSearch = 1000
	// searchLimit is how long one request may look through groups.
	searchLimit = 10 * time.Second
)

// parseFilter is for who has a turn: to compile selectors takes a while.
func parseFilter(v url.Values, now time.Time) (f filter, err error) {
	f.now = now
	if f.selectors, err = selector.Parse(v["match[]"]); err != nil {
		return f, err
	}
	switch f.status = v.Get("status"); f.status {
	case "", "success", "failure", "expiring":
	default:
		return f, fmt.Errorf("status=%q must be success, failure or expiring", excerpt.Of(f.status))
	}
	if s := v.Get("older_than"); s != "" {
		age, err := model.ParseDuration(s)
		if err != nil {
			return f, fmt.Errorf("older_than=%q must be a duration like 90m, 24h or 7d", excerpt.Of(s))
		}
		f.before = now.Add(-time.Duration(age))
	}
	f.search, err = parseText(v, "search")
	return f, err
}

// parseText gives a text to look for, in lower case.
func parseText(v url.Values, name string) (string, error) {
	s := v.Get(name)
	if len(s) > maxSearch {
		return "", fmt.Errorf("%s=%q has %d bytes, more than the %d allowed; search for a part of it", name, excerpt.Of(s), len(s), maxSearch)
	}
	return strings.ToLower(s), nil
}

// among goes through the groups of a view that the filter selects, until ctx
// ends.
func (f *filter) among(ctx context.Context, v *gateway.View) iter.Seq[*gateway.Group] {
	return func(yield func(*gateway.Group) bool) {
		for g := range v.EachGroup("") {
			if matches := f.matches(ctx, g); ctx.Err() != nil || matches && !yield(g) {
				return
			}
		}
	}
}

func (f *filter) matches(ctx context.Context, g *gateway.Group) bool {
	return f.holds(g) && (f.search == "" || contains(g.Key, f.search)) && f.selectors.Matches(ctx, g.Key)
}

// holds tells whether a group has what the filter asks for beside its labels,
// which may change.
func (f *filter) holds(g *gateway.Group) bool {
	return f.hasStatus(g) && (f.before.IsZero() || lastPush(g).Before(f.before))
}

// searching gives a request that looks through groups a turn and a context,
// which ends with the client or after searchLimit; end gives both back. It has
// answered who gets no turn, and then gives no end.
func (a *api) searching(w http.ResponseWriter, r *http.Request) (ctx context.Context, end func()) {
	giveBack := a.tables.await(w, r)
	if giveBack == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), searchLimit)
	return ctx, func() {
		cancel()
		giveBack()
	}
}

var errSlow = fmt.Errorf("searching all groups took more than %s; use fewer selectors or simpler regexps", searchLimit)

// cutShort answers, if there is still somebody, a search that did not come to
// its end.
func cutShort(ctx context.Context, w http.ResponseWriter) (was bool) {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		w.Header().Set("Retry-After", retryAfter)
		writeError(w, http.StatusServiceUnavailable, errSlow)
	}
	return ctx.Err() != nil
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

// contains looks for a text, in lower case, in a label as a selector would
// have it.
func contains(key grouping.Key, text string) bool {
	return slices.ContainsFunc(key.Labels(), func(l metric.Label) bool {
		return strings.Contains(strings.ToLower(l.Name+`="`+l.Value+`"`), text)
	})
}
