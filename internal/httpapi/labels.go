package httpapi

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/guard"
)

// labelNames serves the names of grouping labels of the groups that the
// parameters select.
func (a *api) labelNames(w http.ResponseWriter, r *http.Request) {
	a.complete(w, r, func(g *gateway.Group, found func(string)) {
		for _, l := range g.Key.Labels() {
			found(l.Name)
		}
	})
}

// labelValues serves the values of one grouping label.
func (a *api) labelValues(w http.ResponseWriter, r *http.Request) {
	name, err := url.PathUnescape(r.PathValue("name"))
	if err != nil {
		writeError(w, http.StatusBadRequest, fmt.Errorf("reading the name of the label in the path: %w", err))
		return
	}
	a.complete(w, r, func(g *gateway.Group, found func(string)) {
		if value, ok := g.Key.Value(name); ok {
			found(value)
		}
	})
}

// complete answers with what collect finds in the selected groups: the texts
// that contain the search text, in order, up to the limit.
func (a *api) complete(w http.ResponseWriter, r *http.Request, collect func(g *gateway.Group, found func(string))) {
	s, end := a.searching(w, r)
	if end == nil {
		return
	}
	defer end()
	f, text, limit, err := parseCompletion(r.URL.Query(), a.Limits)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	first := firsts{most: limit, found: make(map[string]bool)}
	for g := range f.among(s, a.Gateway.View()) {
		collect(g, func(s string) {
			if text == "" || strings.Contains(strings.ToLower(s), text) {
				first.add(s)
			}
		})
	}
	if s.cutShort(w) {
		return
	}
	writeData(w, listOf(slices.Values(first.list()), func(s string) any { return s }))
}

// firsts holds the first texts, in their order, of those that are added. It
// holds at most twice as many, though there may be as many as groups.
type firsts struct {
	most  int
	found map[string]bool
	last  string // texts after this one are not needed; "" if unknown
}

func (f *firsts) add(s string) {
	if f.last != "" && s > f.last {
		return
	}
	if f.found[s] = true; len(f.found) <= 2*f.most {
		return
	}
	kept := f.list()
	f.last = kept[f.most-1]
	clear(f.found)
	for _, s := range kept {
		f.found[s] = true
	}
}

func (f *firsts) list() []string {
	list := slices.Sorted(maps.Keys(f.found))
	return list[:min(len(list), f.most)]
}

func parseCompletion(v url.Values, l guard.Limits) (f filter, text string, limit int, err error) {
	if f, err = parseFilter(v, time.Now(), l); err != nil {
		return f, "", 0, err
	}
	if text, err = parseText(v, "contains", l.Query.Search); err != nil {
		return f, "", 0, err
	}
	limit, err = parseLimit(v, l.Query.Page)
	return f, text, limit, err
}

// parseLimit returns the number of entries that a request asks for. It
// refuses more than most.
func parseLimit(v url.Values, most int) (int, error) {
	s := v.Get("limit")
	if s == "" {
		return min(defaultLimit, most), nil
	}
	limit, err := strconv.Atoi(s)
	if err != nil || limit < 1 || limit > most {
		return 0, fmt.Errorf("limit=%q must be a number from 1 to %d", excerpt.Of(s), most)
	}
	return limit, nil
}
