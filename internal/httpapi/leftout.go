package httpapi

import (
	"iter"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
)

// leftOutFamily is a family of a group that is not exposed.
type leftOutFamily struct {
	Family string `json:"family"`
	Reason string `json:"reason"`
	// By are the grouping labels of a group that keeps it from being exposed. They
	// are absent if it is the gateway itself, or has just changed.
	By map[string]string `json:"by,omitempty"`
}

// leftOut yields the families of a group that are not exposed.
func leftOut(v *gateway.View, g *gateway.Group) iter.Seq[*gateway.Held] {
	return func(yield func(*gateway.Held) bool) {
		if v.LeftOut == 0 {
			return
		}
		for n := range g.Families {
			if h := &g.Families[n]; h.Block.Series() > 0 && !v.Exposes(g, h) && !yield(h) {
				return
			}
		}
	}
}

func leftOutOf(gw *gateway.Gateway, v *gateway.View, g *gateway.Group, h *gateway.Held) leftOutFamily {
	rival, _ := gw.Rival(g.Key, h.Name)
	l := leftOutFamily{Family: excerpt.Line(h.Name, excerpt.Most), Reason: whyLeftOut(v, h, rival.Took)}
	if rival.Key != "" {
		l.By = shortLabels(rival.Key)
	}
	return l
}

// whyLeftOut returns why a family is not exposed. took means that another group
// took its name.
func whyLeftOut(v *gateway.View, h *gateway.Held, took bool) string {
	f, family, push := v.Family(h.Name), "an older family, or one of the gateway itself,", "an older push of another group"
	if took {
		family, push = "a family of another group that took the name", "a push of another group that took the name"
	}
	switch {
	case f == nil:
		return family + " has this name or one of its lines' names"
	case f.Type != h.Type:
		return "its type is " + h.Type.String() + " here, but " + f.Type.String() + " in " + push
	}
	return push + " has one of its series"
}
