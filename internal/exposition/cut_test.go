package exposition

import (
	"math/rand/v2"
	"testing"

	"pushgateway/internal/metric"
)

// checkWithout holds a block without some series against one that is written
// anew.
func checkWithout(t *testing.T, b *Block, rnd *rand.Rand) {
	t.Helper()
	drops := make([]bool, b.Series())
	for i := range drops {
		drops[i] = rnd.IntN(2) == 0
	}
	f := &metric.Family{Name: b.Name, Help: b.Help, EmptyHelp: b.EmptyHelp, Type: b.Type}
	i := 0
	b.EachSeries(func(s metric.Series) bool {
		if !drops[i] {
			f.Series = append(f.Series, s)
		}
		i++
		return true
	})
	want, err := Render([]*metric.Family{f}, Options{Bare: true, Valid: true, Limits: StoredLimits()})
	if err != nil {
		t.Fatal(err)
	}
	want[0].Legacy = b.Legacy // it is of the whole block
	before := string(b.Text())
	got := b.Without(func(i int) bool { return drops[i] })
	if got.more != nil && want[0].more == nil { // it keeps protobuf that it no longer needs
		want[0].more = &more{proto: want[0].AppendProto(nil)}
	}
	got.open = want[0].open
	checkSame(t, got, want[0])
	if string(b.Text()) != before {
		t.Fatal("the block itself has changed")
	}
}

// TestWithout removes some series of every kind of family.
func TestWithout(t *testing.T) {
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 2))
			for range 100 {
				checkWithout(t, k.block(t, rnd), rnd)
			}
		})
	}
	t.Run("recorded", func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(1, 2))
		for _, isText := range []bool{true, false} {
			for _, body := range recordedBodies(t, !isText) {
				for _, b := range blocksOf(body, isText) {
					checkWithout(t, b, rnd)
				}
			}
		}
	})
}
