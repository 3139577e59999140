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

// hiding finds the families that formats leave out because of their names, and
// remembers those of the latest view, since many scrapes may ask for them. It
// works on one format at a time, since it may have to check all families. It is
// safe for concurrent use, and its zero value is ready.
type hiding struct {
	mu     sync.Mutex
	view   weak.Pointer[gateway.View] // not kept in memory by the cache
	hidden map[exposition.Format]hidden
}

// hidden is what a format leaves out of a view.
type hidden struct {
	names map[string]bool // of families, as pushed
	taken map[string]bool // the names of the lines of families that may conflict
}

// of returns what a format leaves out of a view.
func (h *hiding) of(format exposition.Format, reserved map[string]metric.Type, v *gateway.View) hidden {
	if format.Escaping == metric.UTF8 && !format.Moves("x", metric.Counter) {
		return hidden{} // every name stays as it is
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if this := weak.Make(v); h.view != this {
		h.view, h.hidden = this, make(map[exposition.Format]hidden)
	}
	found, known := h.hidden[format]
	if !known {
		found = hiddenNames(format, reserved, v)
		h.hidden[format] = found
	}
	return found
}

// untimed reports whether the lines with the start times of a family would have
// the name of another family, pushed or own. A start time is not worth a family.
func (h hidden) untimed(format exposition.Format, f exposition.Exposed, reserved map[string]metric.Type, v *gateway.View) bool {
	name := format.CreatedName(f.Name, f.Type)
	if name == "" {
		return f.Untimed
	}
	_, ours := reserved[name]
	return f.Untimed || h.taken[name] || ours || v.Family(name) != nil
}

// named is a family reduced to its names.
type named struct {
	name  string
	typ   metric.Type
	claim gateway.Revision // 0 for those of the gateway itself
}

// hiddenNames finds the families whose name, in this format, is that of an
// older family or of its lines. Among families of the same age, one that keeps
// its name wins.
func hiddenNames(format exposition.Format, reserved map[string]metric.Type, v *gateway.View) hidden {
	families := contenders(format, reserved, v)
	slices.SortStableFunc(families, func(x, y named) int {
		return cmp.Or(cmp.Compare(x.claim, y.claim), cmp.Compare(renamed(format, x), renamed(format, y)))
	})
	h := hidden{make(map[string]bool), make(map[string]bool)}
	for _, f := range families {
		names := format.LineNames(f.name, f.typ)
		if slices.ContainsFunc(names, func(name string) bool { return h.taken[name] }) {
			h.names[f.name] = true
			continue
		}
		for _, name := range names {
			h.taken[name] = true
		}
	}
	return h
}

// contenders returns, sorted by name, the families whose lines have other names
// in the format than those that the index has checked, and all families that
// already have such a name. Others cannot conflict, as the index ensures.
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

// standing returns the family of a name, if there is one.
func standing(name string, own map[string]metric.Type, v *gateway.View) (named, bool) {
	if t, ours := own[name]; ours {
		return named{name, t, 0}, true
	}
	if f := v.Family(name); f != nil {
		return named{f.Name, f.Type, f.Claim}, true
	}
	return named{}, false
}

// ownNames are the names that the gateway reserves for itself, whether or not
// they have series at present.
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
