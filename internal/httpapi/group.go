package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"pushgateway/internal/access"
	"pushgateway/internal/config"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// groupDetail is one group with its metrics.
type groupDetail struct {
	groupInfo
	// Denied says why the reader may not push to the group or delete it, if there
	// are users.
	Denied map[config.Permission]string `json:"denied,omitempty"`
	// Job is how the job is that the group tells of.
	Job     jobInfo `json:"job"`
	Metrics object  `json:"metrics"` // families by name
}

// key reads the grouping key of a request.
func (a *api) key(r *http.Request) (grouping.Key, error) {
	return a.Intake.Key(r.PathValue("key"), a.settings(r))
}

// group serves one group: as JSON, or with ?format=text as its lines in a
// scrape.
func (a *api) group(w http.ResponseWriter, r *http.Request) {
	key, err := a.key(r)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	giveBack := a.details.await(w, r)
	if giveBack == nil {
		return
	}
	defer giveBack()
	v := a.Gateway.View()
	g := v.Group(key)
	if g == nil { // as far as is seen here
		if err := a.Gateway.Sync(r.Context()); err != nil {
			writeError(w, a.refused(w, r, err), err)
			return
		}
		v = a.Gateway.View()
		g = v.Group(key)
	}
	if g == nil {
		writeError(w, http.StatusNotFound, errors.New(a.noGroup(senderOf(r), key)))
		return
	}
	switch format := r.URL.Query().Get("format"); format {
	case "", "json":
		d := detail(a.Gateway, v, g, senderOf(r))
		d.Job = jobOf(g, a.settings(r).Jobs, time.Now())
		d.tell(a.refusedPushes(), g)
		writeData(w, d)
	case "text":
		a.writeText(w, r, v, g)
	default:
		writeError(w, http.StatusBadRequest, fmt.Errorf("format=%q must be json or text", excerpt.Of(format)))
	}
}

// detail is a group with its metrics, for a reader.
func detail(gw *gateway.Gateway, v *gateway.View, g *gateway.Group, who *access.Principal) groupDetail {
	return groupDetail{groupInfo: info(gw, v, g), Denied: deniedOf(who, g.Key, config.Push, config.Delete), Metrics: func(yield func(string, any) bool) {
		for i := range g.Families {
			h := &g.Families[i]
			as := h.Type
			if as == metric.GaugeHistogram {
				as = metric.Histogram // which are shown whole
			}
			f := toFamilyJSON(h.Block, h.Pushed, as)
			f.Metrics = seriesOf(h.Block, as)
			if !yield(h.Name, f) {
				return
			}
		}
	}}
}

// writeText answers with the group as scrapes get it, in the format that they
// would get, but always as text.
func (a *api) writeText(w http.ResponseWriter, r *http.Request, v *gateway.View, g *gateway.Group) {
	format := exposition.Format{Syntax: exposition.Text, Escaping: exposition.Negotiate(r.Header, false).Escaping}
	w.Header().Set("Content-Type", format.ContentType())
	_, _ = a.scraper.Group(newSteady(w), v, g, format) // it fails if the client is gone
}
