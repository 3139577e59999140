package httpapi

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
)

// groupInfo is a group without its metrics.
type groupInfo struct {
	Labels   map[string]string `json:"labels"`
	Success  bool              `json:"last_push_successful"`
	Pushed   *time.Time        `json:"push_time"`         // null if there was no successful push
	Failed   *time.Time        `json:"push_failure_time"` // null if there was no refused push
	Families int               `json:"families"`
	Series   int               `json:"series"`
	LeftOut  []string          `json:"families_left_out,omitempty"`
	Rivals   []leftOutFamily   `json:"left_out,omitempty"`    // the same families
	Expires  *time.Time        `json:"expiry_time,omitempty"` // absent if the group does not expire
	TTL      float64           `json:"ttl_seconds,omitempty"` // from the last successful push
	// Failure is the reason why the last refused push was refused.
	Failure string `json:"push_failure_message,omitempty"`
	// Refusal is the last refused push that this gateway remembers. It may be one
	// that could not be read, which the fields above do not tell of.
	Refusal *refusalJSON `json:"last_refusal,omitempty"`
	// Refused reports whether the last push was refused, for whatever reason.
	Refused bool `json:"last_push_refused,omitempty"`
	// Trouble is the state of the job if it is failing, late or running too long.
	Trouble string `json:"job_state,omitempty"`
}

type groupsPage struct {
	Groups list   `json:"groups"` // of groupInfo
	Total  int    `json:"total"`  // matching groups on all pages
	Next   string `json:"next_page_token,omitempty"`
}

// defaultLimit is the number of entries on a page if the request sets no limit.
const defaultLimit = 100

// groupsQuery is a parsed query.
type groupsQuery struct {
	filter
	order          func(a, b position) int
	byJob, reverse bool // the order is by job, in either direction
	limit          int
	// A page begins after the end of the previous one, or after this many groups.
	// The end is nil for the first page.
	after  *position
	offset int
}

// orders are the values of sort=<name>. sort=-<name> reverses them. Ties are
// broken by key, and "" orders by key alone.
var orders = map[string]func(a, b position) int{
	"":             func(a, b position) int { return 0 },
	"labels":       func(a, b position) int { return 0 },
	"job":          func(a, b position) int { return cmp.Compare(a.job(), b.job()) },
	"status":       func(a, b position) int { return cmp.Compare(a.failing(), b.failing()) },
	"push_time":    func(a, b position) int { return a.Pushed.Compare(b.Pushed) },
	"failure_time": func(a, b position) int { return a.Failed.Compare(b.Failed) },
	"families":     func(a, b position) int { return cmp.Compare(a.Families, b.Families) },
	"series":       func(a, b position) int { return cmp.Compare(a.Series, b.Series) },
	"expiry_time":  func(a, b position) int { return expiry(a).Compare(expiry(b)) },
}

// expiry puts groups that do not expire after those that do.
func expiry(p position) time.Time {
	if p.Expires.IsZero() {
		return time.Unix(math.MaxInt32<<10, 0)
	}
	return p.Expires
}

func (a *api) groups(w http.ResponseWriter, r *http.Request) {
	s, end := a.searching(w, r)
	if end == nil {
		return
	}
	defer end()
	q, err := parseGroupsQuery(r.URL.Query(), time.Now(), a.Limits)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	if list := a.sharedList(s, r, &q); list != nil {
		s.answering.Store(true)
		writeEncoded(w, r, list)
		return
	}
	page := a.groupsPage(s, a.Gateway.View(), &q, time.Now())
	if s.cutShort(w) {
		return
	}
	writeData(w, page)
}

// groupsPage returns the page, unless the search ends before.
func (a *api) groupsPage(s *search, v *gateway.View, q *groupsQuery, now time.Time) groupsPage {
	q.refused = a.refusedPushes()
	groups, page := q.page(s, v)
	rules := a.Settings.Get().Jobs
	page.Groups = listOf(slices.Values(groups), func(g *gateway.Group) any {
		i := info(a.Gateway, v, g)
		i.tell(q.refused, g)
		i.Trouble = troubleOf(g, rules, now)
		return i
	})
	return page
}

func parseGroupsQuery(v url.Values, now time.Time, l guard.Limits) (q groupsQuery, err error) {
	if q.filter, err = parseFilter(v, now, l); err != nil {
		return q, err
	}
	if q.order, err = parseOrder(v.Get("sort")); err != nil {
		return q, err
	}
	name, reverse := strings.CutPrefix(v.Get("sort"), "-")
	q.byJob, q.reverse = name == "job", reverse
	if q.limit, err = parseLimit(v, l.Query.Page); err != nil {
		return q, err
	}
	if s := v.Get("offset"); s != "" {
		if q.offset, err = strconv.Atoi(s); err != nil || q.offset < 0 {
			return q, fmt.Errorf("offset=%q must be the number of groups to skip", excerpt.Of(s))
		}
	}
	if token := v.Get("page_token"); token != "" {
		if q.after, err = parseToken(token, l.Query.Token); err != nil {
			return q, fmt.Errorf("page_token=%q is not a token of this gateway; leave it out to start at the first page", excerpt.Of(token))
		}
	}
	return q, nil
}

// position holds everything that groups are ordered by.
type position struct {
	Key              grouping.Key
	Pushed, Failed   time.Time
	Expires          time.Time
	Families, Series int
	Failing          bool
}

// job is what people look for first. Keys alone would order by whichever label
// name comes first in the alphabet.
func (p position) job() string {
	job, _ := p.Key.Value("job")
	return job
}

// failing is 1 if the last push was refused, or else 0.
func (p position) failing() int {
	if p.Failing {
		return 1
	}
	return 0
}

func positionOf(g *gateway.Group) position {
	return position{g.Key, g.Pushed, g.Failed, g.Expires, len(g.Families), g.Series, g.Failing}
}

// token is a position in JSON: that of the last group on a page at that time,
// so that pushes meanwhile move nothing. Keys are binary, so they are encoded.
type token struct {
	position
	Key []byte
}

func tokenOf(g *gateway.Group) string {
	b, err := json.Marshal(token{positionOf(g), []byte(g.Key)})
	if err != nil {
		return "" // a time beyond the year 9999
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseToken(s string, most int) (*position, error) {
	if len(s) > most {
		return nil, fmt.Errorf("it has %d bytes", len(s))
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, err
	}
	var t token
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, err
	}
	t.position.Key = grouping.Key(t.Key)
	return &t.position, nil
}

func parseOrder(name string) (func(a, b position) int, error) {
	reverse := false
	if len(name) > 0 && name[0] == '-' {
		name, reverse = name[1:], true
	}
	order, ok := orders[name]
	if !ok {
		return nil, fmt.Errorf("sort=%q must be labels, job, status, push_time, failure_time, expiry_time, families or series, or one of these after a minus sign", excerpt.Of(name))
	}
	return func(a, b position) int {
		c := cmp.Or(order(a, b), cmp.Compare(a.Key, b.Key))
		if reverse {
			return -c
		}
		return c
	}, nil
}

// page returns the groups on the page, and the page without them. It checks all
// groups, but sorts and encodes only those that the page needs.
func (q *groupsQuery) page(s *search, v *gateway.View) (found []*gateway.Group, page groupsPage) {
	for g := range q.among(s, v) {
		page.Total++
		if q.after == nil || q.order(*q.after, positionOf(g)) < 0 {
			found = append(found, g)
		}
	}
	found = q.arrange(found)
	found = found[min(q.offset, len(found)):]
	if len(found) > q.limit {
		found = found[:q.limit]
		page.Next = tokenOf(found[q.limit-1])
	}
	return found, page
}

// arrange sorts groups, which come in the order of their keys, as asked. Except
// for one group, what follows the page may be missing.
func (q *groupsQuery) arrange(groups []*gateway.Group) []*gateway.Group {
	if !q.byJob {
		return leading(groups, min(q.offset, len(groups))+q.limit+1, func(a, b *gateway.Group) int {
			return q.order(positionOf(a), positionOf(b))
		})
	}
	groups = gathered(groups)
	if q.reverse {
		slices.Reverse(groups)
	}
	return groups
}

// leading returns at least the first n items in order, and reuses their slice.
// Open pages ask for the first hundred again and again, and the rest need not be
// sorted for that.
func leading[T any](items []T, n int, compare func(a, b T) int) []T {
	var last T // of the n that lead so far
	kept, full := items[:0], false
	for _, item := range items {
		if full && compare(last, item) < 0 {
			continue
		}
		if kept = append(kept, item); len(kept) == 2*n {
			slices.SortFunc(kept, compare)
			kept, last, full = kept[:n], kept[n-1], true
		}
	}
	slices.SortFunc(kept, compare)
	return kept
}

// gathered sorts groups, which come in the order of their keys, by job without
// comparing any two groups. Every open page asks for that order, and jobs are
// few.
func gathered(groups []*gateway.Group) []*gateway.Group {
	jobs := make(map[string][]*gateway.Group)
	for _, g := range groups {
		job, _ := g.Key.Value("job")
		jobs[job] = append(jobs[job], g)
	}
	groups = groups[:0]
	for _, job := range slices.Sorted(maps.Keys(jobs)) {
		groups = append(groups, jobs[job]...)
	}
	return groups
}

func info(gw *gateway.Gateway, v *gateway.View, g *gateway.Group) groupInfo {
	i := groupInfo{
		Labels: labelsJSON(g.Key.Labels()), Success: g.LastPushSuccessful(),
		Families: len(g.Families), Series: g.Series, Failure: excerpt.Line(g.Failure, excerpt.MostMessage),
	}
	if !g.Pushed.IsZero() {
		i.Pushed = &g.Pushed
	}
	if !g.Failed.IsZero() {
		i.Failed = &g.Failed
	}
	if !g.Expires.IsZero() {
		i.Expires, i.TTL = &g.Expires, ttl(g).Seconds()
	}
	for h := range leftOut(v, g) {
		i.LeftOut, i.Rivals = append(i.LeftOut, excerpt.Of(h.Name)), append(i.Rivals, leftOutOf(gw, v, g, h))
		if len(i.LeftOut) == maxHidden {
			break
		}
	}
	return i
}
