package gateway

import (
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// Rival is why a family of a group is not exposed: a family with an older claim.
type Rival struct {
	// Key is the group with that claim, or "" if it is the gateway itself.
	Key grouping.Key
	// Family and Type are those of the rival. The family has the same name, or
	// has lines of that name.
	Family string
	Type   metric.Type
	// Took means that the rival took the name, although its claim is newer.
	Took bool
}

// Rival returns why a family of a group is left out at present. ok is false if
// it is exposed or does not exist.
func (g *Gateway) Rival(key grouping.Key, name string) (r Rival, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.index.families[name]
	if f == nil {
		return r, false
	}
	held := g.index.held(f, key)
	if held == nil {
		return r, false
	}
	if t, _, _ := f.winner(); t != held.Type {
		return f.asRival(), true
	}
	if other := g.index.hiddenBy(f); other != nil {
		return other.asRival(), true
	}
	out, ok := f.leftOut[key]
	if !ok {
		return r, false
	}
	if len(out.by.shown) == 0 {
		return r, false
	}
	by := out.by.shown[0]
	return Rival{Key: by.key, Family: name, Type: held.Type, Took: by.took}, true
}

// asRival describes the oldest claim to the name.
func (f *indexed) asRival() Rival {
	t, oldest, _ := f.winner()
	return Rival{Key: oldest.key, Family: f.name, Type: t, Took: oldest.took && f.reserved == nil}
}
