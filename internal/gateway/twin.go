package gateway

import (
	"cmp"
	"slices"

	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// twinOf gives the key whose series the gateway cannot tell from those of
// key: with instance="" taken out or put in. A key with another instance has
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
