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
		for _, block := range journaltest.Blocks(b, g.Key, journaltest.Lines(i)) {
			g.Families = append(g.Families, gateway.Held{Block: block, Pushed: g.Pushed, Claim: gateway.Revision(i + 1)})
		}
		g.Since, g.Revision = gateway.Revision(i+1), gateway.Revision(i+1)
		all = append(all, gateway.Restore(g))
	}
	slices.SortFunc(all, func(g, h *gateway.Group) int { return strings.Compare(string(g.Key), string(h.Key)) })
	return all
}
