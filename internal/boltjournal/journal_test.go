package boltjournal_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/journaltest"
	"pushgateway/internal/metric"
)

func key(t testing.TB, job string, labels ...metric.Label) grouping.Key {
	t.Helper()
	k, err := grouping.NewKey(job, labels...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func open(t testing.TB, c boltjournal.Config) *gateway.Gateway {
	t.Helper()
	g, err := gateway.Open(context.Background(), gateway.Config{Journal: boltjournal.New(c)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func push(t testing.TB, g *gateway.Gateway, job, text string) {
	t.Helper()
	k := key(t, job)
	if err := g.Push(context.Background(), gateway.Push{Key: k, Blocks: journaltest.Blocks(t, k, text), Mode: gateway.Replace}); err != nil {
		t.Fatal(err)
	}
}

// TestAgeOfGroups reopens a journal after groups were pushed twice. The groups
// and their claims must be as old as before.
func TestAgeOfGroups(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	g := open(t, boltjournal.Config{Path: path})
	for range 2 {
		push(t, g, "a", "x 1\n")
		push(t, g, "b", "x 2\ny 3\n")
	}
	ages := func() (all []gateway.Revision) {
		for group := range g.View().EachGroup("") {
			all = append(all, group.Revision, group.Since)
			for _, h := range group.Families {
				all = append(all, h.Claim)
			}
		}
		return append(all, g.View().Revision)
	}
	before := ages()
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g = open(t, boltjournal.Config{Path: path})
	if after := ages(); !slices.Equal(after, before) {
		t.Errorf("got revisions %v, want %v", after, before)
	}
}

// TestProgressOfLargeGroups opens a journal with few large groups. It must
// report progress in between, and it notices the end of its context there.
func TestProgressOfLargeGroups(t *testing.T) {
	const groups = 8
	path := filepath.Join(t.TempDir(), "journal")
	g := open(t, boltjournal.Config{Path: path})
	for i := range groups {
		noise := make([]byte, 1<<20)
		_, _ = rand.Read(noise) // it never fails
		push(t, g, fmt.Sprint("job", i), fmt.Sprintf("x{noise=\"%x\"} 1\nx{noise=\"%x\"} 1\nx{noise=\"%x\"} 1\nx{noise=\"%x\"} 1\n", noise[:1<<18], noise[1<<18:1<<19], noise[1<<19:3<<18], noise[3<<18:]))
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	told := 0
	open(t, boltjournal.Config{Path: path, Progress: func(int, int) { told++ }})
	if told < groups {
		t.Errorf("the replay of %d large groups reported progress %d times", groups, told)
	}
}

func BenchmarkDurable(b *testing.B) {
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			g := open(b, boltjournal.Config{Path: filepath.Join(b.TempDir(), "j")})
			text := ""
			for f := range 9 {
				text += fmt.Sprintf("# HELP m%d_total Help text of it number %d.\n# TYPE m%d_total counter\n", f, f, f)
				for s := range 11 {
					text += fmt.Sprintf("m%d_total{path=\"/p/%d\",code=\"%d\"} %v\n", f, s, 200+s, float64(s*f)/7)
				}
			}
			var wg sync.WaitGroup
			n := b.N
			b.ResetTimer()
			for c := range clients {
				wg.Go(func() {
					for i := c; i < n; i += clients {
						k := key(b, fmt.Sprint("j", i%1000))
						if err := g.Push(context.Background(), gateway.Push{Key: k, Blocks: journaltest.Blocks(b, k, text), Mode: gateway.Replace}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
