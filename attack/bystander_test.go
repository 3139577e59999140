package attack

import (
	"net/http"
	"testing"
)

// TestBystanderIsServed is an attack that does nothing: what every other begins
// with holds.
func TestBystanderIsServed(t *testing.T) {
	g := besiege(t)
	idle := g.peak()
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/attacker", "m 1\n")
	if idle <= 0 || g.peak() < idle {
		t.Errorf("the memory held at most went from %d bytes to %d", idle, g.peak())
	}
	g.forgetPeak()
}
