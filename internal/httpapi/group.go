package httpapi

import (
	"fmt"
	"net/http"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/metric"
)

// groupDetail is one group with its metrics.
type groupDetail struct {
	groupInfo
	Metrics map[string]familyJSON `json:"metrics"` // by the name of the family
}

// group serves one group: as JSON, or with ?format=text as its lines in a
// scrape.
func (a *api) group(jobLabel string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, err := a.key(r, jobLabel)
		if err != nil {
			writeError(w, http.StatusBadRequest, err)
			return
		}
		v := a.Gateway.View()
		g := v.Group(key)
		if g == nil {
			writeError(w, http.StatusNotFound, fmt.Errorf("there is no group %s", key))
			return
		}
		switch format := r.URL.Query().Get("format"); format {
		case "", "json":
			writeData(w, detail(v, g))
		case "text":
			a.writeText(w, r, v, g)
		default:
			writeError(w, http.StatusBadRequest, fmt.Errorf("format=%q is not one of json, text", format))
		}
	}
}

func detail(v *gateway.View, g *gateway.Group) groupDetail {
	d := groupDetail{info(v, g), make(map[string]familyJSON, len(g.Families))}
	for _, h := range g.Families {
		f := familyJSON{Pushed: h.Pushed, Type: typeNames[h.Type], Help: h.Help, Metrics: []seriesJSON{}}
		t := h.Type
		if t == metric.GaugeHistogram {
			t = metric.Histogram // which are shown whole
		}
		h.EachSeries(func(s metric.Series) bool {
			f.Metrics = append(f.Metrics, toSeriesJSON(t, &s))
			return true
		})
		d.Metrics[h.Name] = f
	}
	return d
}

// writeText answers with what scrapes get of a group, in the format that they
// would get, though always text.
func (a *api) writeText(w http.ResponseWriter, r *http.Request, v *gateway.View, g *gateway.Group) {
	format := exposition.Format{Syntax: exposition.Text, Escaping: exposition.Negotiate(r.Header, false).Escaping}
	w.Header().Set("Content-Type", format.ContentType())
	enc := exposition.NewEncoder(w, format, a.cache)
	hidden := a.hiddenFamilies(format, v, a.exposedFamilies(v))
	for _, f := range groupFamilies(v, g) {
		if hidden[f.Name] {
			continue
		}
		if err := enc.Encode(f); err != nil {
			return // the client has gone
		}
	}
	_ = enc.Close()
}

// groupFamilies are those of a group that are exposed.
func groupFamilies(v *gateway.View, g *gateway.Group) (families []exposition.Exposed) {
	add := func(b *exposition.Block) {
		families = append(families, exposition.ExposeBlock(b))
	}
	for i := range g.Families {
		if h := &g.Families[i]; v.Exposes(g, h) {
			add(h.Block)
		}
	}
	if v.ExposesTimes(g) {
		for _, b := range g.Times() {
			add(b)
		}
	}
	return families
}
