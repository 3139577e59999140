package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/gateway"
)

// TestManyEqualSeries pushes many series that one other group has all of: it is
// looked at once, not once for each.
func TestManyEqualSeries(t *testing.T) {
	for _, unchecked := range []bool{false, true} {
		const series = 20_000
		var theirs, mine strings.Builder
		for i := range series {
			fmt.Fprintf(&theirs, "m{i=\"%d\",x=\"1\"} 1\n", i)
			fmt.Fprintf(&mine, "m{i=\"%d\"} 2\n", i)
		}
		g := open(t, gateway.Config{Unchecked: unchecked})
		mustPush(t, g, key(t, "j"), theirs.String())
		k := key(t, "j", "x", "1")
		p := gateway.Push{Key: k, Blocks: blocks(t, k, mine.String())}
		begin := time.Now()
		if err := g.Push(context.Background(), p); (err == nil) != unchecked {
			t.Errorf("unchecked %t: got %v", unchecked, err)
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("unchecked %t: it took %s", unchecked, took)
		}
		if got := g.View().Series; unchecked && got != 2*series || !unchecked && got != series {
			t.Errorf("unchecked %t: %d series are stored", unchecked, got)
		}
	}
}
