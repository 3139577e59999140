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

	"pushgateway/internal/gateway"
)

// labelNames serves the names of grouping labels of the groups that the
// parameters select.
func (a *api) labelNames(w http.ResponseWriter, r *http.Request) {
	a.complete(w, r, func(g *gateway.Group, found map[string]bool) {
		for _, l := range g.Key.Labels() {
			found[l.Name] = true
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
	a.complete(w, r, func(g *gateway.Group, found map[string]bool) {
		if value, ok := g.Key.Value(name); ok {
			found[value] = true
		}
	})
}

// complete answers with what collect finds in the selected groups: those
// texts that contain what is asked for, in order, up to the limit.
func (a *api) complete(w http.ResponseWriter, r *http.Request, collect func(*gateway.Group, map[string]bool)) {
	v := r.URL.Query()
	f, err := parseFilter(v, time.Now())
	limit := defaultLimit
	if err == nil {
		limit, err = parseLimit(v)
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	giveBack := a.tables.await(w, r)
	if giveBack == nil {
		return
	}
	defer giveBack()
	found := make(map[string]bool)
	for g := range a.Gateway.View().EachGroup("") {
		if f.matches(g) {
			collect(g, found)
		}
	}
	text := strings.ToLower(v.Get("contains"))
	maps.DeleteFunc(found, func(s string, _ bool) bool { return !strings.Contains(strings.ToLower(s), text) })
	list := slices.AppendSeq([]string{}, maps.Keys(found))
	slices.Sort(list)
	writeList(w, http.StatusOK, answer{Status: "success", Data: []string{}}, func(yield func(any) bool) {
		for _, s := range list[:min(len(list), limit)] {
			if !yield(s) {
				return
			}
		}
	})
}

// parseLimit gives how many entries an answer may have.
func parseLimit(v url.Values) (int, error) {
	s := v.Get("limit")
	if s == "" {
		return defaultLimit, nil
	}
	limit, err := strconv.Atoi(s)
	if err != nil || limit < 1 || limit > maxLimit {
		return 0, fmt.Errorf("limit=%q is not a number from 1 to %d", s, maxLimit)
	}
	return limit, nil
}
