package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// groupDetail is one group with its metrics.
type groupDetail struct {
	groupInfo
	Metrics map[string]familyJSON `json:"metrics"` // by name of the family
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
	giveBack := a.details.await(w, r)
	if giveBack == nil {
		return
	}
	defer giveBack()
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
		writeError(w, http.StatusBadRequest, fmt.Errorf("format=%q must be json or text", excerpt.Of(format)))
	}
}

// writeDetail answers with a group and its metrics, one series at a time.
func writeDetail(w http.ResponseWriter, v *gateway.View, g *gateway.Group) {
	head, err := json.Marshal(answer{Status: "success", Data: groupDetail{groupInfo: info(v, g)}})
	if err != nil {
		writeError(w, http.StatusInternalServerError, fmt.Errorf("encoding group %s: %w", g.Key.Excerpt(), err))
		return
	}
	out := newJSONWriter(w)
	open, _ := bytes.CutSuffix(head, []byte("null}}")) // the metrics come last
	out.raw(open)
	out.object(detailFields(g))
	out.text("}}\n")
	_ = out.w.Flush()
}

// detailFields returns the complete families of a group.
func detailFields(g *gateway.Group) iter.Seq[jsonField] {
	return func(yield func(jsonField) bool) {
		for i := range g.Families {
			h := &g.Families[i]
			f, as := emptyFamily(h.Block, h.Pushed), h.Type
			f.Metrics = []seriesJSON{}
			if as == metric.GaugeHistogram {
				as = metric.Histogram // which are shown whole
			}
			if !yield(jsonField{h.Name, f, h.Block, as}) {
				return
			}
		}
	}
}

// writeText answers with the group as scrapes get it, in the format that they
// would get, but always as text.
func (a *api) writeText(w http.ResponseWriter, r *http.Request, v *gateway.View, g *gateway.Group) {
	format := exposition.Format{Syntax: exposition.Text, Escaping: exposition.Negotiate(r.Header, false).Escaping}
	w.Header().Set("Content-Type", format.ContentType())
	p := newPipeline(newSteady(w))
	defer p.Close()
	enc := exposition.NewEncoder(p, format, a.cache)
	hidden := a.hiding.of(format, a.Gateway.Reserved, v)
	for f := range groupFamilies(v, g) {
		if hidden[f.Name] {
			continue
		}
		if err := enc.Encode(f); err != nil {
			return // the client is gone
		}
	}
	_ = enc.Close()
}

// groupFamilies returns the exposed families of a group.
func groupFamilies(v *gateway.View, g *gateway.Group) iter.Seq[exposition.Exposed] {
	return func(yield func(exposition.Exposed) bool) {
		for i := range g.Families {
			if h := &g.Families[i]; v.Exposes(g, h) && !yield(exposition.ExposeBlock(h.Block)) {
				return
			}
		}
		if !v.ExposesTimes(g) {
			return
		}
		for _, b := range g.Times() {
			if !yield(exposition.ExposeBlock(b)) {
				return
			}
		}
	}
}
