package exposition

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pushgateway/internal/metric"
)

// TestVariantPieces renders a block that needs several pieces, with label sets
// that become equal, as makeVariant does at once.
func TestVariantPieces(t *testing.T) {
	var text strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&text, "{\"a.m\",\"x.y\"=\"%d\",z=%q} 1\n", i, strings.Repeat("v", 60))
		if i%7 == 0 {
			fmt.Fprintf(&text, "{\"a.m\",x_y=\"%d\",z=%q} 2\n", i, strings.Repeat("v", 60))
		}
	}
	p := GetParser()
	defer p.Release()
	families, err := p.ParseText([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := Render(families, Options{MaxBytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := make(map[uint64]struct{})
	for _, hash := range makeVariant(blocks[0], shape{Format: Format{Syntax: Text, Escaping: metric.Underscores}}, "a_m", nil).hashes[:100] {
		elsewhere[hash] = struct{}{}
	}
	for _, f := range []Format{{Syntax: Text, Escaping: metric.Underscores}, {Syntax: Text, Escaping: metric.Values}, {Syntax: Protobuf, Escaping: metric.Underscores}, {Syntax: OpenMetrics1, Escaping: metric.Underscores}} {
		for _, seen := range []map[uint64]struct{}{nil, {}, elsewhere} {
			holdPieces(t, blocks[0], f, seen)
		}
	}
}

func holdPieces(t *testing.T, b *Block, f Format, seen map[uint64]struct{}) {
	t.Helper()
	name := metric.EscapeName(b.Name, f.Escaping)
	want := makeVariant(b, shape{Format: f}, name, seen)
	var got []byte
	pieces, now := 0, maps.Clone(seen)
	dropped, more := eachVariantPiece(b, shape{Format: f}, name, now, func(piece []byte) bool {
		got = append(got, piece...)
		pieces++
		return true
	})
	if !slices.Equal(got, want.content) || dropped != want.dropped || !more || pieces < 2 {
		t.Errorf("%v: %d pieces of %d bytes, without %d; want %d bytes, without %d", f, pieces, len(got), dropped, len(want.content), want.dropped)
	}
	if now != nil && len(now) != len(seen)+len(want.hashes) {
		t.Errorf("%v: %d label sets are known afterwards, want %d", f, len(now), len(seen)+len(want.hashes))
	}
	stopped := 0
	if _, more := eachVariantPiece(b, shape{Format: f}, name, maps.Clone(seen), func([]byte) bool { stopped++; return false }); more || stopped != 1 {
		t.Errorf("%v: it goes on when nobody reads", f)
	}
}
