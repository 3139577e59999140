package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// subsets returns n keys, each with a different subset of 14 label names. A
// series with all of these labels has the labels of each key.
func subsets(t testing.TB, n int) (keys []grouping.Key) {
	for i := 1; len(keys) < n; i++ {
		var labels []string
		for bit := range 14 {
			if i>>bit&1 == 1 {
				labels = append(labels, fmt.Sprint("l", bit), "v")
			}
		}
		keys = append(keys, key(t, "j", labels...))
	}
	return keys
}

// besideSubsets returns a gateway with groups of that many shapes, and a push
// of series that each of these groups could have, but none has.
func besideSubsets(t testing.TB, shapes, series int) (*gateway.Gateway, func() error) {
	g := open(t, gateway.Config{})
	var all strings.Builder
	for bit := range 14 {
		fmt.Fprintf(&all, ",l%d=\"v\"", bit)
	}
	var pushes []gateway.Push
	for i, k := range subsets(t, shapes) {
		pushes = append(pushes, gateway.Push{Key: k, Blocks: blocks(t, k, fmt.Sprintf("m{of=\"%d\"%s} 1\n", i, all.String()))})
	}
	for _, err := range g.PushAll(t.Context(), pushes) {
		if err != nil {
			t.Fatal(err)
		}
	}
	var text strings.Builder
	for i := range series {
		fmt.Fprintf(&text, "m{step=\"%d\"%s} 1\n", i, all.String())
	}
	k := key(t, "j")
	return g, func() error {
		return g.Push(context.Background(), gateway.Push{Key: k, Blocks: blocks(t, k, text.String())})
	}
}

// BenchmarkPushBesideShapes pushes 100 series of a name that many groups have.
// Each group has a label name of its own in its key.
func BenchmarkPushBesideShapes(b *testing.B) {
	for _, shapes := range []int{1, 2, 8, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("shapes=%d", shapes), func(b *testing.B) {
			g := open(b, gateway.Config{})
			for i := range shapes {
				mustPush(b, g, key(b, "j", fmt.Sprint("l", i), "v"), "m 1\n")
			}
			var text strings.Builder
			for i := range 100 {
				fmt.Fprintf(&text, "m{step=\"%d\"} 1\n", i)
			}
			for b.Loop() {
				mustPush(b, g, key(b, "j", "own", "v"), text.String())
			}
		})
	}
}

// BenchmarkPushBesideMatchingShapes pushes 100 series that have the labels of
// all other groups.
func BenchmarkPushBesideMatchingShapes(b *testing.B) {
	for _, shapes := range []int{1, 2, 8, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("shapes=%d", shapes), func(b *testing.B) {
			_, push := besideSubsets(b, shapes, 100)
			for b.Loop() {
				if err := push(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestConcurrentEqualSeriesOfShapes pushes equal series concurrently from
// groups of different shapes. Depending on the number of earlier shapes, these
// are walked or indexed.
func TestConcurrentEqualSeriesOfShapes(t *testing.T) {
	for _, others := range []int{0, 7, 20} {
		for range 100 {
			g := open(t, gateway.Config{})
			for i := range others {
				mustPush(t, g, key(t, "j", fmt.Sprint("other", i), "v"), "m 1\n")
			}
			a, b := key(t, "j"), key(t, "j", "x", "1")
			pushes := []gateway.Push{{Key: a, Blocks: blocks(t, a, "m{x=\"1\"} 1\n")}, {Key: b, Blocks: blocks(t, b, "m 2\n")}}
			results := make([]error, 2)
			var wg sync.WaitGroup
			for i, p := range pushes {
				wg.Go(func() { results[i] = g.Push(context.Background(), p) })
			}
			wg.Wait()
			if (results[0] == nil) == (results[1] == nil) {
				t.Fatalf("%d other shapes: got %v and %v, want exactly one of two equal series to be stored", others, results[0], results[1])
			}
			if lines := exposedLines(g.View(), "m"); len(lines) != 1+others {
				t.Fatalf("exposed %q", lines)
			}
		}
	}
}

// TestEqualSeriesOfSubsets pushes one series to groups of 200 shapes that could
// all have it.
func TestEqualSeriesOfSubsets(t *testing.T) {
	g, push := besideSubsets(t, 200, 1)
	if err := push(); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for bit := range 14 {
		fmt.Fprintf(&all, ",l%d=\"v\"", bit)
	}
	for i, k := range subsets(t, 200) {
		text := fmt.Sprintf("m{step=\"0\"%s} 1\n", all.String())
		var conflict *gateway.ConflictError
		if err := g.Push(t.Context(), gateway.Push{Key: k, Blocks: blocks(t, k, text)}); !errors.As(err, &conflict) || !strings.Contains(err.Error(), `group {job="j"}`) {
			t.Fatalf("group %d: got %v", i, err)
		}
	}
}

// TestCheckEndsWithItsClient starts a long check for a client that has left.
func TestCheckEndsWithItsClient(t *testing.T) {
	g := open(t, gateway.Config{})
	mustPush(t, g, key(t, "j"), "m 1\n")
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "m{i=\"%d\"} 1\n", i)
	}
	k := key(t, "j", "x", "1")
	ctx, gone := context.WithCancel(t.Context())
	gone()
	err := g.Push(ctx, gateway.Push{Key: k, Blocks: blocks(t, k, text.String())})
	if !errors.Is(err, gateway.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if g.View().Group(k) != nil {
		t.Error("the push left claims or series behind")
	}
	mustPush(t, g, k, text.String())
}

// BenchmarkDeleteInChain deletes the oldest of 600 groups that each share 500
// series with the next. Without the check, every delete turns around which of the
// others are exposed.
func BenchmarkDeleteInChain(b *testing.B) {
	const groups, shared, deleted = 600, 500, 20
	var g *gateway.Gateway
	label := func(i int) string { return fmt.Sprint("l", i) }
	push := func(i int) {
		var text strings.Builder
		for _, with := range []int{i - 1, i + 1} {
			for k := range shared {
				fmt.Fprintf(&text, "m{%s=\"1\",k=\"%d\"} 1\n", label(with), k)
			}
		}
		mustPush(b, g, key(b, "j", label(i), "1"), text.String())
	}
	for n := 0; b.Loop(); n++ {
		if n%deleted == 0 {
			b.StopTimer()
			g = open(b, gateway.Config{Unchecked: true})
			for i := range groups {
				push(i + 1)
			}
			b.StartTimer()
		}
		if err := g.Delete(context.Background(), key(b, "j", label(n%deleted+1), "1")); err != nil {
			b.Fatal(err)
		}
	}
}
