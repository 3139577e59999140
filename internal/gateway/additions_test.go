package gateway

import (
	"context"
	"errors"
	"testing"
)

// TestLeftAdditionEnds lets a client leave whose addition somebody else has taken,
// and who then leaves it to its owner.
func TestLeftAdditionEnds(t *testing.T) {
	var as additions
	own, other := newAddition(Push{Key: "k"}), newAddition(Push{Key: "k"})
	as.await(own, other)
	if taken := as.take(own); len(taken) != 2 {
		t.Fatalf("%d additions are taken, want 2", len(taken))
	}
	if as.withdraw(other, context.Canceled) {
		t.Fatal("an addition was withdrawn that somebody has taken")
	}
	as.await(other)
	select {
	case <-other.settled():
	default:
		t.Fatal("nobody ends an addition whose client has left")
	}
	if !errors.Is(other.err, context.Canceled) || len(as.waiting) > 0 {
		t.Errorf("got %v, and %d groups wait", other.err, len(as.waiting))
	}
}
