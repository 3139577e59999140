package intake

import (
	"math"
	"testing"

	"pushgateway/internal/guard"
)

// TestMaxBlocks bounds what a push takes in scrapes, however much a body may
// have.
func TestMaxBlocks(t *testing.T) {
	for _, body := range []int64{1, 64 << 20, 512 << 20, 1 << 30, 1 << 61, 1 << 62, math.MaxInt64} {
		if got := maxBlocks(guard.BodyLimits{Bytes: body}); got < 4 || int64(got) < min(body, math.MaxInt/4) {
			t.Errorf("with bodies of %d bytes a push may take %d", body, got)
		}
	}
}
