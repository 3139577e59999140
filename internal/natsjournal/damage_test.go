package natsjournal_test

import (
	"fmt"
	"strings"
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
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
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

// TestSilence cuts a member off for longer than the stream remembers that groups
// have ended. Afterwards it must have what the others have.
func TestSilence(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	links, urls := natstest.NewLinks(t, c)
	const ends = 8 * time.Second
	a, journal := openWith(t, natsjournal.Config{URLs: urls, Stream: "S", Ends: ends})
	b, _ := openWith(t, natsjournal.Config{URLs: c.URLs(), Stream: "S", Ends: ends})
	for _, job := range []string{"kept", "changed", "ended", "ended and made again"} {
		mustPush(t, a, job, "m 1\n")
	}
	expires := pushOf(t, keyOf(t, "expired"), "m 1\n")
	expires.TTL = time.Second
	if err := a.Push(t.Context(), expires); err != nil {
		t.Fatal(err)
	}
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	links[0].Lose(true, true)
	for _, job := range []string{"ended", "ended and made again"} {
		if _, err := b.End(t.Context(), keyOf(t, job)); err != nil {
			t.Fatal(err)
		}
	}
	mustPush(t, b, "changed", "n 1\n")
	mustPush(t, b, "ended and made again", "n 1\n")
	mustPush(t, b, "new", "m 1\n")
	operator := newOperator(t, c)
	eventually(t, "that the stream forgets the ends", func() bool {
		listed := string(operator.ask("STREAM.INFO.S", map[string]any{"subjects_filter": "pg.S.g.>"}))
		return !strings.Contains(listed, subjectOf(keyOf(t, "ended"))) && !strings.Contains(listed, subjectOf(keyOf(t, "expired")))
	})
	if n := a.View().Groups(); n != 4 {
		t.Errorf("the member that is cut off has %d groups, want those that it had without the one that expired", n)
	}
	links[0].Mend()
	agree(t, []*gateway.Gateway{a, b})
	if n := a.View().Groups(); n != 4 {
		t.Errorf("the members have %d groups, want 4", n)
	}
	if n := journal.Status().Diverging; n != 0 {
		t.Errorf("%d groups are said to be missing on a replica", n)
	}
}

// TestSignsOfLifePurged removes the signs of life of all members. Nothing is lost, so
// they go on.
func TestSignsOfLifePurged(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	a, journal := openWith(t, natsjournal.Config{URLs: c.URLs(), Stream: "S", Member: "a:1"})
	b, _ := openWith(t, natsjournal.Config{URLs: c.URLs(), Stream: "S", Member: "b:1"})
	mustPush(t, a, "a", "m 1\n")
	mustPush(t, b, "b", "m 1\n")
	o := newOperator(t, c)
	for i := range 2 {
		o.ask("STREAM.PURGE.S", map[string]any{"filter": "pg.S.m.>"})
		for _, g := range []*gateway.Gateway{a, b} {
			if err := g.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustPush(t, g, "a", fmt.Sprintf("m %d\n", i))
		}
	}
	agree(t, []*gateway.Gateway{a, b})
	if n := len(journal.Peers()); n != 2 {
		t.Errorf("a member knows %d members, want 2", n)
	}
}

// TestPurge removes all messages behind a member's back. It keeps its groups, and
// says that the stream lacks them.
func TestPurge(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	a, journal := openWith(t, natsjournal.Config{URLs: c.URLs(), Stream: "S", Audit: 200 * time.Millisecond})
	for i := range 5 {
		mustPush(t, a, fmt.Sprint("j", i), "m 1\n")
	}
	newOperator(t, c).ask("STREAM.PURGE.S", map[string]any{"filter": "pg.S.g.>"})
	eventually(t, "what the stream lacks", func() bool { return journal.Status().Diverging >= 5 })
	if n := a.View().Groups(); n != 5 {
		t.Errorf("the member has %d groups, want those that it had", n)
	}
	mustPush(t, a, "j0", "n 1\n")
	if n := a.View().Groups(); n != 5 {
		t.Errorf("after a push the member has %d groups", n)
	}
}
