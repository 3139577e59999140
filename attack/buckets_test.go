package attack

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestManyBuckets pushes single histograms with very many buckets: in the order
// of falling bounds, and with gaps between those that count anything.
func TestManyBuckets(t *testing.T) {
	g := besiege(t)
	const n = 400_000
	var falling, gaps strings.Builder
	falling.WriteString("# TYPE h histogram\n")
	gaps.WriteString("# TYPE h histogram\n")
	for i := range n {
		fmt.Fprintf(&falling, "h_bucket{le=\"%d\"} 1\n", n-i)
		fmt.Fprintf(&gaps, "h_bucket{le=\"%d\"} %d.5\n", i, i/4)
	}
	for name, body := range map[string]string{"falling": falling.String(), "gaps": gaps.String()} {
		before := g.cpu()
		g.want(http.StatusOK, http.MethodPut, "/metrics/job/"+name, body)
		if took := g.cpu() - before; took > 5*time.Second {
			t.Errorf("%s: %d buckets take %s of CPU", name, n, took)
		}
	}
}
