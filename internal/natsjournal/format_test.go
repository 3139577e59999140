package natsjournal_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/journaltest"
	"pushgateway/internal/natsjournal"
	"pushgateway/internal/natstest"
	"pushgateway/internal/record"
)

// member opens a journal without an engine. last receives the latest group.
func member(t *testing.T, c *natstest.Cluster, name string, newest gateway.Format, last func(*gateway.Group)) *natsjournal.Journal {
	t.Helper()
	j := natsjournal.New(natsjournal.Config{URLs: c.URLs(), Stream: "S", Member: name, Newest: newest})
	apply := func(batch []gateway.Applied) {
		for _, a := range batch {
			last(a.Group)
		}
	}
	err := j.Open(t.Context(), apply, nothing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func ignore(*gateway.Group) {}

func nothing(grouping.Key) *gateway.Group { return nil }

// TestOlderMember stores a group with a history of runs while a member lives
// that cannot read one, and after that. The older member must understand what is
// stored while it lives.
func TestOlderMember(t *testing.T) {
	c := natstest.Start(t, 1)
	old := member(t, c, "old:9091", gateway.Format1, ignore)
	young := member(t, c, "young:9091", 0, ignore)
	awaitFormat(t, young, gateway.Format1, "old:9091")
	awaitFormat(t, old, gateway.Format1, "old:9091")
	group := gateway.Restore(gateway.Group{Key: keyOf(t, "a"), Pushed: time.Now(), Runs: []byte("ran")})
	for _, b := range journaltest.Blocks(t, group.Key, "m 1\n") {
		group.Families = append(group.Families, gateway.Held{Block: b, Pushed: group.Pushed})
	}
	change := gateway.Change{Key: group.Key, Group: group}
	if o := young.Commit(t.Context(), []gateway.Change{change}); o[0].Err != nil {
		t.Fatal(o[0].Err)
	}
	if err := old.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := old.Status().Unreadable; n != 0 {
		t.Errorf("the older member cannot read %d groups", n)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	awaitFormat(t, young, gateway.Format2, "")
	var stored *gateway.Group
	third := member(t, c, "third:9091", 0, func(g *gateway.Group) { stored = g })
	if stored == nil || len(stored.Runs) != 0 {
		t.Fatal("the group is not stored as the older member reads it")
	}
	change.Key, change.Group = keyOf(t, "b"), gateway.Restore(gateway.Group{Key: keyOf(t, "b"), Pushed: time.Now(), Runs: []byte("ran")})
	if o := young.Commit(t.Context(), []gateway.Change{change}); o[0].Err != nil {
		t.Fatal(o[0].Err)
	}
	if err := third.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if string(stored.Runs) != "ran" {
		t.Errorf("the runs are %q once no older member lives", stored.Runs)
	}
	late := natsjournal.New(natsjournal.Config{URLs: c.URLs(), Stream: "S", Newest: gateway.Format1})
	err := late.Open(context.Background(), func([]gateway.Applied) {}, nothing)
	if !errors.Is(err, record.ErrNewer) || !strings.Contains(err.Error(), "Start the version that wrote it") {
		t.Errorf("an older member that starts later: %v", err)
	}
}

// awaitFormat waits until a journal may write up to a format.
func awaitFormat(t *testing.T, j *natsjournal.Journal, want gateway.Format, because string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		newest, member := j.Writes()
		if newest == want && member == because {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the newest format is %d because of %q, want %d because of %q", newest, member, want, because)
		}
	}
}

// TestDeadMember has signs of life of an older version whose process ended
// without leaving. They count until another process has its address for a while.
func TestDeadMember(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	young := member(t, c, "a:9091", 0, ignore)
	m := nats.NewMsg("pg.S.m.old")
	m.Data = []byte(`{"member":"b:9091"}`)
	m.Header.Set("Pushgateway-Op", "alive")
	m.Header.Set("Pushgateway-Encoding", "1")
	if _, err := newOperator(t, c).RequestMsg(m, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	awaitFormat(t, young, gateway.Format1, "b:9091")
	member(t, c, "b:9091", 0, ignore)
	if err := young.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitFormat(t, young, gateway.Format1, "b:9091")
	awaitFormat(t, young, gateway.Format2, "")
}

// TestLostCommand has a sign of life of a command of an older version that was
// killed. It counts only for a moment.
func TestLostCommand(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	young := member(t, c, "a:9091", 0, ignore)
	m := nats.NewMsg("pg.S.m.old")
	m.Data = []byte(`{"member":""}`)
	m.Header.Set("Pushgateway-Op", "alive")
	m.Header.Set("Pushgateway-Encoding", "1")
	if _, err := newOperator(t, c).RequestMsg(m, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	eventually(t, "that the command counts", func() bool {
		newest, member := young.Writes()
		return newest == gateway.Format1 && strings.Contains(member, "a command like import")
	})
	awaitFormat(t, young, gateway.NewestFormat, "")
}
