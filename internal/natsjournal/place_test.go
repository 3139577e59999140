package natsjournal_test

import (
	"testing"

	"pushgateway/internal/natstest"
)

// TestLeader looks where the connections of members are, which know all servers or
// only one that does not lead.
func TestLeader(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 3)
	open(t, c.URLs(), 3)
	leader := c.Leader("S")
	other := (leader + 1) % 3
	for range 3 {
		open(t, c.URLs(), 3)
		open(t, c.URLs()[other:other+1], 3)
	}
	want := make([]int, 3)
	want[leader], want[other] = 4, 3
	for i := range want {
		n := c.Clients(i, "pushgateway ")
		if n != want[i] {
			t.Errorf("%d members are connected to server %d, want %d; server %d leads", n, i, want[i], leader)
		}
	}
}
