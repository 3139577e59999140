package scrape

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// TestHiddenNames looks at all families, where the gateway looks at those that
// can stand in the way of one another.
func TestHiddenNames(t *testing.T) {
	reserved := map[string]metric.Type{"own_total": metric.Counter, "own_seconds": metric.Histogram}
	seen := 0
	for seed := range 50 {
		v := randomView(t, reserved, rand.New(rand.NewPCG(1, uint64(seed))))
		for _, format := range formats() {
			var h hiding
			got, want := h.of(format, reserved, v).names, hiddenOfAll(format, reserved, v)
			if !maps.Equal(got, want) {
				t.Errorf("seed %d, %v: got %v, want %v", seed, format, got, want)
			}
			seen += len(want)
		}
	}
	if seen == 0 {
		t.Error("nothing was hidden at all")
	}
}

func formats() (all []exposition.Format) {
	for _, e := range metric.Escapings {
		for _, s := range []exposition.Syntax{exposition.Text, exposition.Protobuf, exposition.OpenMetrics1} {
			all = append(all, exposition.Format{Syntax: s, Escaping: e})
		}
	}
	return all
}

// randomView has families with names that resemble each other.
func randomView(t *testing.T, reserved map[string]metric.Type, r *rand.Rand) *gateway.View {
	t.Helper()
	g, err := gateway.Open(t.Context(), gateway.Config{Journal: new(gateway.Memory), Reserved: reserved})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	names := []string{"a", "a.b", "a_b", "a:b", "é", "_", "own.total", "own_seconds.sum", "push.time_seconds", "a_b_dot_", "U__a_2e_b"}
	suffixes := []string{"", "", "_total", "_count", "_sum", "_bucket", "_gcount", ".count"}
	types := []metric.Type{metric.Counter, metric.Gauge, metric.Untyped, metric.Summary, metric.Histogram, metric.GaugeHistogram}
	for job := range 12 {
		families := make(map[string]*metric.Family)
		for range 1 + r.IntN(4) {
			name := names[r.IntN(len(names))] + suffixes[r.IntN(len(suffixes))]
			families[name] = &metric.Family{Name: name, Type: types[r.IntN(len(types))], Series: []metric.Series{{Summary: new(metric.Quantiles), Histogram: new(metric.Buckets)}}}
		}
		key, err := grouping.NewKey(fmt.Sprint(job))
		if err != nil {
			t.Fatal(err)
		}
		blocks, err := exposition.Render(slices.Collect(maps.Values(families)), exposition.Options{Grouping: key.Labels(), MaxBytes: 1 << 20})
		if err == nil {
			_ = g.Push(t.Context(), gateway.Push{Key: key, Blocks: blocks, MaxBytes: 1 << 20}) // some contradict others
		}
	}
	return g.View()
}

// hiddenOfAll lets all families take their names in the order of their age.
func hiddenOfAll(format exposition.Format, reserved map[string]metric.Type, v *gateway.View) map[string]bool {
	var all []named
	own := ownNames(reserved)
	for name, typ := range own {
		all = append(all, named{name, typ, 0})
	}
	for f := range v.EachFamily() {
		if _, ours := own[f.Name]; !ours {
			all = append(all, named{f.Name, f.Type, f.Claim})
		}
	}
	slices.SortFunc(all, func(x, y named) int {
		return cmp.Or(cmp.Compare(x.claim, y.claim), cmp.Compare(renamed(format, x), renamed(format, y)), cmp.Compare(x.name, y.name))
	})
	taken, hidden := make(map[string]bool), make(map[string]bool)
	for _, f := range all {
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
