package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// groupDetail is one group with its metrics.
type groupDetail struct {
	groupInfo
	Metrics map[string]familyJSON `json:"metrics"` // by the name of the family
}

// key reads the grouping key of a request.
func (a *api) key(r *http.Request) (grouping.Key, error) {
	key, err := a.Keys.Decode(r.PathValue("key"))
	if err != nil {
		return "", &keyError{err}
	}
	return key, nil
}

// group serves one group: as JSON, or with ?format=text as its lines in a
// scrape.
func (a *api) group(w http.ResponseWriter, r *http.Request) {
	key, err := a.key(r)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	v := a.Gateway.View()
	g := v.Group(key)
	if g == nil {
		writeError(w, http.StatusNotFound, errors.New(a.noGroup(key)))
		return
	}
	switch format := r.URL.Query().Get("format"); format {
	case "", "json":
		writeDetail(w, v, g)
	case "text":
		a.writeText(w, r, v, g)
	default:
		writeError(w, http.StatusBadRequest, fmt.Errorf("format=%q is not one of json, text", format))
	}
}

// writeDetail answers with a group and its metrics, a series at a time.
func writeDetail(w http.ResponseWriter, v *gateway.View, g *gateway.Group) {
	families := make(map[string]jsonField, len(g.Families))
	for _, h := range g.Families {
		f := emptyFamily(h.Block, h.Pushed)
		f.Metrics = []seriesJSON{}
		encoded, err := json.Marshal(f)
		if err != nil {
			writeError(w, http.StatusInternalServerError, fmt.Errorf("encoding family %q: %w", h.Name, err))
			return
		}
		as := h.Type
		if as == metric.GaugeHistogram {
			as = metric.Histogram // which are shown whole
		}
		families[h.Name] = jsonField{encoded, h.Block, as}
	}
	head, err := json.Marshal(answer{Status: "success", Data: groupDetail{groupInfo: info(v, g)}})
	if err != nil {
		writeError(w, http.StatusInternalServerError, fmt.Errorf("encoding group %s: %w", g.Key, err))
		return
	}
	out := newJSONWriter(w)
	open, _ := bytes.CutSuffix(head, []byte("null}}")) // the metrics come last
	out.raw(open)
	out.object(families)
	out.text("}}\n")
	_ = out.w.Flush()
}

// writeText answers with what scrapes get of a group, in the format that they
// would get, though always text.
func (a *api) writeText(w http.ResponseWriter, r *http.Request, v *gateway.View, g *gateway.Group) {
	format := exposition.Format{Syntax: exposition.Text, Escaping: exposition.Negotiate(r.Header, false).Escaping}
	w.Header().Set("Content-Type", format.ContentType())
	p := newPipeline(newSteady(w))
	defer p.Close()
	enc := exposition.NewEncoder(p, format, a.cache)
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
