package gateway

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
)

// TestMergesTakeTurns merges as many large families as may be merged at once.
// One more must wait, but small ones must not.
func TestMergesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := Open(t.Context(), Config{Journal: new(Memory)})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		push := func(job string, series int) {
			var text strings.Builder
			for i := range series {
				fmt.Fprintf(&text, "m{i=\"%d\"} 1\n", i)
			}
			key, err := grouping.NewKey(job)
			if err != nil {
				t.Fatal(err)
			}
			p := exposition.GetParser()
			defer p.Release()
			families, err := p.ParseText([]byte(text.String()))
			if err != nil {
				t.Error(err)
				return
			}
			blocks, err := exposition.Render(families, exposition.Options{Grouping: key.Labels(), Valid: true})
			if err != nil {
				t.Error(err)
				return
			}
			if err := g.Push(context.Background(), Push{Key: key, Blocks: blocks, Mode: MergeSeries}); err != nil {
				t.Error(err)
			}
		}
		push("large", g.config.Limits.FreelyMerged+1)
		push("small", 10)
		var turns []*guard.Lease
		for range runtime.GOMAXPROCS(0) {
			turn := g.merging.Open("other")
			if err := turn.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			turns = append(turns, turn)
		}
		push("small", 1)
		merged := false
		go func() {
			push("large", 1)
			merged = true
		}()
		synctest.Wait()
		if merged {
			t.Error("a large family did not wait for its turn")
		}
		turns[0].Close()
		synctest.Wait()
		if !merged {
			t.Error("the waiting family was not merged when its turn came")
		}
	})
}
