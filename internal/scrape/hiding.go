package scrape

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"weak"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/metric"
)

// hiding finds the families that formats leave out for their names, and
// remembers those of the latest view: many may ask for the same. One is worked
// out at a time, since all families may have to be looked at. It is safe for
// concurrent use, and its zero value is ready.
type hiding struct {
	mu     sync.Mutex
	view   weak.Pointer[gateway.View] // not kept in memory for this
	hidden map[exposition.Format]map[string]bool
}

// of gives the names, as they were pushed, of what a format leaves out of a
// view.
func (h *hiding) of(format exposition.Format, reserved map[string]metric.Type, v *gateway.View) map[string]bool {
	if format.Escaping == metric.UTF8 && !format.Moves("x", metric.Counter) {
		return nil // every name stays as it is
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if this := weak.Make(v); h.view != this {
		h.view, h.hidden = this, make(map[exposition.Format]map[string]bool)
	}
	names, known := h.hidden[format]
	if !known {
		names = hiddenNames(format, reserved, v)
		h.hidden[format] = names
	}
	return names
}

// named is a family as far as its names go.
type named struct {
	name  string
	typ   metric.Type
	claim gateway.Revision // 0 for those of the gateway itself
}

// hiddenNames finds the families that have, in this format, the name of an
// older one, or of its lines; of the same age, of one that keeps its name.
func hiddenNames(format exposition.Format, reserved map[string]metric.Type, v *gateway.View) map[string]bool {
	families := contenders(format, reserved, v)
	slices.SortStableFunc(families, func(x, y named) int {
		return cmp.Or(cmp.Compare(x.claim, y.claim), cmp.Compare(renamed(format, x), renamed(format, y)))
	})
	taken, hidden := make(map[string]bool), make(map[string]bool)
	for _, f := range families {
		names := format.LineNames(f.name, f.typ)
		if slices.ContainsFunc(names, func(name string) bool { return taken[name] }) {
			hidden[f.name] = true
			continue
		}
		for _, name := range names {
			taken[name] = true
		}
	}
	return hidden
}

// contenders gives, sorted by name, the families whose lines have other names in
// the format than those the index has checked, and all that have such a name
// already. Others stand in nobody's way: the index sees to that.
func contenders(format exposition.Format, reserved map[string]metric.Type, v *gateway.View) []named {
	found := make(map[string]named)
	own := ownNames(reserved)
	for name, t := range own {
		if format.Moves(name, t) {
			found[name] = named{name, t, 0}
		}
	}
	for f := range v.EachFamily() {
		if _, ours := own[f.Name]; !ours && format.Moves(f.Name, f.Type) {
			found[f.Name] = named{f.Name, f.Type, f.Claim}
		}
	}
	for _, f := range slices.Collect(maps.Values(found)) {
		for _, name := range format.LineNames(f.name, f.typ) {
			base, _ := metric.SuffixBase(name)
			for _, name := range []string{name, base} {
				if other, stands := standing(name, own, v); stands {
					found[name] = other
				}
			}
		}
	}
	return slices.SortedFunc(maps.Values(found), func(x, y named) int { return cmp.Compare(x.name, y.name) })
}

// standing gives the family of a name, if there is one.
func standing(name string, own map[string]metric.Type, v *gateway.View) (named, bool) {
	if t, ours := own[name]; ours {
		return named{name, t, 0}, true
	}
	if f := v.Family(name); f != nil {
		return named{f.Name, f.Type, f.Claim}, true
	}
	return named{}, false
}

// ownNames are those that the gateway has for itself, whether or not it has
// anything to say under them at present.
func ownNames(reserved map[string]metric.Type) map[string]metric.Type {
	own := maps.Clone(reserved)
	if own == nil {
		own = make(map[string]metric.Type)
	}
	for _, name := range []string{metric.PushTime, metric.PushFailureTime, metric.PushExpiryTime} {
		own[name] = metric.Gauge
	}
	return own
}

// renamed is 1 for a family that has another name in the format, or else 0.
func renamed(format exposition.Format, f named) int {
	if format.Renames(f.name, f.typ) {
		return 1
	}
	return 0
}
