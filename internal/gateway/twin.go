package gateway

import (
	"slices"

	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// twinOf gives the key whose series the gateway cannot tell from those of
// key: with instance="" taken out or put in. A key with another instance has
// none.
func twinOf(key grouping.Key) (twin grouping.Key, ok bool) {
	labels := key.Labels()
	i := slices.IndexFunc(labels, func(l metric.Label) bool { return l.Name == metric.InstanceLabel })
	switch {
	case i < 0:
		i = slices.IndexFunc(labels, func(l metric.Label) bool { return l.Name > metric.InstanceLabel })
		if i < 0 {
			i = len(labels)
		}
		labels = slices.Insert(labels, i, metric.Label{Name: metric.InstanceLabel})
	case labels[i].Value == "":
		labels = slices.Delete(labels, i, i+1)
	default:
		return "", false
	}
	var b []byte
	for _, l := range labels {
		b = grouping.AppendLabel(b, l.Name, l.Value)
	}
	return grouping.Key(b), true
}

// isExplicit tells whether key has instance="" in it.
func isExplicit(key grouping.Key) bool {
	return slices.Contains(key.Labels(), metric.Label{Name: metric.InstanceLabel})
}
