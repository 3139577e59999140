package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pushgateway/internal/gateway"
)

// equalTo returns a gateway with one group, and a push to another group whose
// series all equal those of the first.
func equalTo(t testing.TB, unchecked bool, series int) (*gateway.Gateway, gateway.Push) {
	var theirs, mine strings.Builder
	for i := range series {
		fmt.Fprintf(&theirs, "m{i=\"%d\",x=\"1\"} 1\n", i)
		fmt.Fprintf(&mine, "m{i=\"%d\"} 2\n", i)
	}
	g := open(t, gateway.Config{Unchecked: unchecked})
	mustPush(t, g, key(t, "j"), theirs.String())
	k := key(t, "j", "x", "1")
	return g, gateway.Push{Key: k, Blocks: blocks(t, k, mine.String())}
}

// BenchmarkEqualSeries pushes equal series, which are refused. The check looks
// up the other group once, not once for each series.
func BenchmarkEqualSeries(b *testing.B) {
	for _, series := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(series), func(b *testing.B) {
			g, p := equalTo(b, false, series)
			for b.Loop() {
				if err := g.Push(context.Background(), p); err == nil {
					b.Fatal("it was taken")
				}
			}
		})
	}
}

// TestManyEqualSeries pushes many series that another group already has.
func TestManyEqualSeries(t *testing.T) {
	const series = 20_000
	for _, unchecked := range []bool{false, true} {
		g, p := equalTo(t, unchecked, series)
		if err := g.Push(context.Background(), p); (err == nil) != unchecked {
			t.Errorf("unchecked %t: got %v", unchecked, err)
		}
		if got := g.View().Series; unchecked && got != 2*series || !unchecked && got != series {
			t.Errorf("unchecked %t: got %d stored series", unchecked, got)
		}
	}
}
