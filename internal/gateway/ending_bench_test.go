package gateway_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/gateway"
)

// BenchmarkEnding ends many groups at the same moment, and deletes as many, beside
// pushes to other groups. It reports the longest of these pushes.
func BenchmarkEnding(b *testing.B) {
	ways := []struct {
		name string
		end  func(*gateway.Gateway, *clock) error
	}{
		{"expire", func(g *gateway.Gateway, now *clock) error { now.turn(2 * time.Hour); g.View(); return nil }},
		{"wipe", func(g *gateway.Gateway, _ *clock) error { return wipe(b.Context(), g) }},
	}
	for _, way := range ways {
		for _, groups := range []int{10_000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/groups=%d", way.name, groups), func(b *testing.B) {
				var longest atomic.Int64
				for b.Loop() {
					b.StopTimer()
					now := newClock()
					g := open(b, gateway.Config{Now: now.now})
					fillMortal(b, g, groups)
					stop := pushBeside(b, g, &longest)
					b.StartTimer()
					if err := way.end(g, now); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					stop()
					b.StartTimer()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*groups), "ns/group")
				b.ReportMetric(float64(longest.Load())/1e6, "ms/longest-push")
			})
		}
	}
}

// fillMortal makes groups that live for an hour.
func fillMortal(b *testing.B, g *gateway.Gateway, groups int) {
	const atOnce = 250
	for first := 0; first < groups; first += atOnce {
		var pushes []gateway.Push
		for i := first; i < min(first+atOnce, groups); i++ {
			k := key(b, "bench", "instance", fmt.Sprintf("i-%d", i))
			pushes = append(pushes, gateway.Push{Key: k, Blocks: blocks(b, k, "m 1\n"), TTL: time.Hour + time.Duration(i)})
		}
		for _, err := range g.PushAll(b.Context(), pushes) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// pushBeside pushes to a group of its own until it is stopped.
func pushBeside(b *testing.B, g *gateway.Gateway, longest *atomic.Int64) (stop func()) {
	var over atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !over.Load() {
			start := time.Now()
			if err := push(b, g, key(b, "other"), "m 1\n"); err != nil {
				b.Error(err)
			}
			if took := int64(time.Since(start)); took > longest.Load() {
				longest.Store(took)
			}
			time.Sleep(time.Millisecond)
		}
	})
	return func() {
		over.Store(true)
		wg.Wait()
	}
}
