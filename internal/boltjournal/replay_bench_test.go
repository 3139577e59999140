package boltjournal_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
	"pushgateway/internal/journaltest"
	"pushgateway/internal/metric"
)

// BenchmarkReplay opens a journal of a million series: groups of nine families
// with 100 lines.
func BenchmarkReplay(b *testing.B) {
	path := filepath.Join(b.TempDir(), "j")
	if err := (boltjournal.File{Path: path}).Create(slices.Values(manyGroups(b, 10_000))); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := open(b, boltjournal.Config{Path: path}).Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// manyGroups returns groups in the order of their keys.
func manyGroups(b *testing.B, n int) (all []*gateway.Group) {
	b.Helper()
	for i := range n {
		g := gateway.Group{Key: key(b, "bench", metric.Label{Name: "instance", Value: fmt.Sprint("i-", i)}), Pushed: time.Now()}
		for _, block := range journaltest.Blocks(b, g.Key, pushOf(i)) {
			g.Families = append(g.Families, gateway.Held{Block: block, Pushed: g.Pushed, Claim: gateway.Revision(i + 1)})
		}
		g.Since, g.Revision = gateway.Revision(i+1), gateway.Revision(i+1)
		all = append(all, gateway.Restore(g))
	}
	slices.SortFunc(all, func(g, h *gateway.Group) int { return strings.Compare(string(g.Key), string(h.Key)) })
	return all
}

// pushOf returns the push to the ith group.
func pushOf(i int) string {
	var s strings.Builder
	for f := range 8 {
		fmt.Fprintf(&s, "# HELP etl_records_%d_total Records.\n# TYPE etl_records_%d_total counter\n", f, f)
		for n := range 11 {
			fmt.Fprintf(&s, "etl_records_%d_total{stage=\"load\",shard=\"%02d\"} %d\n", f, n, (i*7919+f*31+n)%100_000)
		}
	}
	s.WriteString("# TYPE etl_seconds histogram\n")
	for n := range 10 {
		fmt.Fprintf(&s, "etl_seconds_bucket{stage=\"load\",le=\"%d\"} %d\n", n, i%100+n)
	}
	fmt.Fprintf(&s, "etl_seconds_bucket{stage=\"load\",le=\"+Inf\"} %d\netl_seconds_sum{stage=\"load\"} 1.5\netl_seconds_count{stage=\"load\"} %d\n", i%100+10, i%100+10)
	return s.String()
}
