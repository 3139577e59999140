package exposition

import (
	"math/rand/v2"
	"testing"

	"pushgateway/internal/metric"
)

// TestHas asks blocks of every kind for their own series, and for those of
// others.
func TestHas(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, k := range kinds {
		for range 20 {
			b, other := k.block(t, rnd), k.block(t, rnd)
			has := make(map[string]bool)
			b.EachLabels(func(labels []metric.Label) bool {
				has[string(appendSet(nil, labels))] = true
				return true
			})
			for _, from := range []*Block{b, other} {
				from.EachLabels(func(labels []metric.Label) bool {
					hash, _ := HashLabels(nil, labels)
					if want := has[string(appendSet(nil, labels))]; b.Has(hash, labels) != want || b.hasLine(labels) != want {
						t.Errorf("%s: has %v is %t, want %t, in\n%s", name, labels, !want, want, b.Text())
					}
					return true
				})
			}
		}
	}
}
