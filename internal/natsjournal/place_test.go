package natsjournal_test

import (
	"fmt"
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
		what := fmt.Sprintf("%d members at server %d, while server %d leads", want[i], i, leader)
		eventually(t, what, func() bool { return c.Clients(i, "pushgateway ") == want[i] })
	}
}
