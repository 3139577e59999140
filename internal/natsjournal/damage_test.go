package natsjournal_test

import (
	"fmt"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/natsjournal"
	"pushgateway/internal/natstest"
)

// openWith opens a member with settings of its own.
func openWith(t *testing.T, c natsjournal.Config) (*gateway.Gateway, *natsjournal.Journal) {
	t.Helper()
	j := natsjournal.New(c)
	g, err := gateway.Open(t.Context(), gateway.Config{Journal: j, Wait: natsjournal.Wait})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g, j
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it never came", what)
		}
	}
}

// TestDamagedReplica flips a bit in the file of a follower, which then lacks a
// group without noticing. A member that starts reads from all replicas in turn.
// It must find every group, and say that something is wrong; and it must take
// pushes to the group that the replica lacks.
func TestDamagedReplica(t *testing.T) {
	const groups = 200
	c := natstest.Launch(t, 3)
	a := open(t, c.URLs(), 3)
	for i := range groups {
		mustPush(t, a, fmt.Sprint("j", i), fmt.Sprintf("m{x=\"%d\"} 1\n", i))
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	damaged := (c.Leader("S") + 1) % 3
	c.Terminate(damaged)
	c.Flip(damaged, "S")
	c.Run(damaged)
	c.AwaitCurrent("S")
	diverged := false
	for end := time.Now().Add(30 * time.Second); !diverged && time.Now().Before(end); {
		g, j := openWith(t, natsjournal.Config{URLs: c.URLs(), Stream: "S", Replicas: 3})
		eventually(t, "all groups", func() bool { return g.View().Groups() == groups })
		if j.Status().Diverging == 0 {
			_ = g.Close()
			continue
		}
		diverged = true
		for i := range groups {
			mustPush(t, g, fmt.Sprint("j", i), fmt.Sprintf("m{x=\"%d\"} 2\n", i))
		}
	}
	if !diverged {
		t.Error("no member has read from the damaged replica, so the test shows nothing")
	}
}
