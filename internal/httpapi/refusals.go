package httpapi

import (
	"net/http"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
)

// refusalJSON is a refused request, and which group it was about.
type refusalJSON struct {
	guard.Refusal
	// Labels are those of the group. They are absent if its key could not be read.
	Labels map[string]string `json:"labels,omitempty"`
	// Stored reports whether there is such a group.
	Stored bool `json:"stored"`
	// Untold reports whether the state of no job tells of it: nothing is stored, or
	// the last push that counts for the state succeeded, and no later one has.
	Untold bool `json:"untold,omitempty"`
}

// refusals serves the refused requests that are remembered, latest first.
func (a *api) refusals(w http.ResponseWriter, r *http.Request) {
	limit, err := parseLimit(r.URL.Query(), a.Limits.Query.Page)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	writeData(w, map[string]any{"refusals": a.refusalsJSON(limit)})
}

func (a *api) refusalsJSON(most int) []refusalJSON {
	all, v := []refusalJSON{}, a.Gateway.View()
	for _, r := range a.Refusals.Latest(most) {
		j := refusalJSON{Refusal: r}
		if key := grouping.Key(r.Key); key != "" {
			g := v.Group(key)
			j.Labels, j.Stored = shortLabels(key), g != nil
			j.Untold = g == nil || g.LastPushSuccessful() && r.Time.After(g.Pushed)
		} else {
			j.Untold = true
		}
		all = append(all, j)
	}
	return all
}

// refusedPushes are the last refused pushes of groups.
type refusedPushes map[grouping.Key]*refusalJSON

// refusedPushes returns the last refused push of each group that has one and is
// remembered. It does not matter why it was refused, or whether it could be read.
func (a *api) refusedPushes() refusedPushes {
	last := make(refusedPushes)
	for _, r := range a.Refusals.Latest(a.Limits.Remember.Refusals) {
		key := grouping.Key(r.Key)
		if key == "" || last[key] != nil || r.Method == http.MethodDelete || r.Reason == reasonGone {
			continue
		}
		last[key] = &refusalJSON{Refusal: r, Stored: true}
	}
	return last
}

// since reports whether a push to a group was refused since its last successful
// one.
func (p refusedPushes) since(g *gateway.Group) bool {
	r := p[g.Key]
	return r != nil && r.Time.After(g.Pushed)
}

// tell adds what is remembered of refused pushes to a group.
func (i *groupInfo) tell(refused refusedPushes, g *gateway.Group) {
	i.Refusal, i.Refused = refused[g.Key], !g.LastPushSuccessful() || refused.since(g)
}

// refusedSince returns how many groups there are whose last push was refused,
// though they do not fail by what they have stored.
func (a *api) refusedSince(v *gateway.View) (n int) {
	refused := a.refusedPushes()
	for key := range refused {
		if g := v.Group(key); g != nil && g.LastPushSuccessful() && refused.since(g) {
			n++
		}
	}
	return n
}
