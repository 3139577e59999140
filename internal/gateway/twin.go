package gateway

import (
	"cmp"
	"slices"

	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// twinOf returns the key whose series the gateway cannot distinguish from those
// of key: with instance="" removed or added. A key with another instance has
// none.
func twinOf(key grouping.Key) (twin grouping.Key, ok bool) {
	value, explicit := key.Value(metric.InstanceLabel)
	if value != "" {
		return "", false
	}
	labels := key.Labels()
	i, _ := slices.BinarySearchFunc(labels, metric.InstanceLabel, func(l metric.Label, name string) int {
		return cmp.Compare(l.Name, name)
	})
	if explicit {
		labels = slices.Delete(labels, i, i+1)
	} else {
		labels = slices.Insert(labels, i, metric.Label{Name: metric.InstanceLabel})
	}
	var b []byte
	for _, l := range labels {
		b = grouping.AppendLabel(b, l.Name, l.Value)
	}
	return grouping.Key(b), true
}

// hasTwin reports whether another group, possibly one of failures or one being
// pushed, exposes the same times as key.
func (x *index) hasTwin(key grouping.Key) bool {
	twin, ok := twinOf(key)
	if !ok {
		return false
	}
	_, stored := x.groups.Get(twin)
	return stored || x.pending[twin] != nil
}

// isExplicit reports whether a key contains instance="".
func isExplicit(key grouping.Key) bool {
	value, ok := key.Value(metric.InstanceLabel)
	return ok && value == ""
}

// possibleTwin returns the twin that a group may have or have had, or "" if
// there can be none.
func (x *index) possibleTwin(key grouping.Key) grouping.Key {
	if x.explicit == 0 && !isExplicit(key) {
		return ""
	}
	twin, _ := twinOf(key)
	return twin
}

// mute decides which of two twins exposes its times, since they would be the
// same series: a group with a successful push before one without, and otherwise
// the older one. With the consistency check, never both have a successful push.
func (x *index) mute(key, twin grouping.Key) {
	if twin == "" {
		return
	}
	x.muted.Delete(key)
	x.muted.Delete(twin)
	a, _ := x.groups.Get(key)
	b, _ := x.groups.Get(twin)
	switch {
	case a == nil || b == nil:
	case a.precedes(b):
		x.muted.Set(twin, struct{}{})
	default:
		x.muted.Set(key, struct{}{})
	}
}

func (g *Group) precedes(twin *Group) bool {
	if g.failedOnly() != twin.failedOnly() {
		return twin.failedOnly()
	}
	return claim{revision: g.Since, key: g.Key}.less(claim{revision: twin.Since, key: twin.Key})
}

// countTimes updates the numbers of the exposed times of a group, which may be
// nil, and its twin.
func (x *index) countTimes(g *Group, twin grouping.Key, sign int) {
	x.countTime(g, sign)
	if twin != "" {
		t, _ := x.groups.Get(twin)
		x.countTime(t, sign)
	}
}

func (x *index) countTime(g *Group, sign int) {
	if g == nil {
		return
	}
	if _, muted := x.muted.Get(g.Key); !muted {
		x.view.times.add(g, sign)
	}
}
