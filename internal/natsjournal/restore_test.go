package natsjournal_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/gateway"
	"pushgateway/internal/natsjournal"
	"pushgateway/internal/natstest"
)

// snapshot is what `nats stream backup` writes.
type snapshot struct {
	Config json.RawMessage `json:"config"`
	State  json.RawMessage `json:"state"`
	chunks [][]byte
}

// snapshot takes one of the stream S.
func (o operator) snapshot() (s snapshot) {
	o.t.Helper()
	inbox := nats.NewInbox()
	sub, err := o.SubscribeSync(inbox)
	if err != nil {
		o.t.Fatal(err)
	}
	if err := json.Unmarshal(o.ask("STREAM.SNAPSHOT.S", map[string]any{"deliver_subject": inbox, "no_consumers": true}), &s); err != nil {
		o.t.Fatal(err)
	}
	for {
		m, err := sub.NextMsg(10 * time.Second)
		if err != nil {
			o.t.Fatal(err)
		}
		if len(m.Data) == 0 {
			return s
		}
		s.chunks = append(s.chunks, m.Data)
		if m.Reply != "" {
			_ = m.Respond(nil) // or the next one does not come
		}
	}
}

// restore does what `nats stream restore` does. There may be no stream S.
func (o operator) restore(s snapshot) {
	o.t.Helper()
	var to struct {
		Subject string `json:"deliver_subject"`
	}
	if err := json.Unmarshal(o.ask("STREAM.RESTORE.S", s), &to); err != nil {
		o.t.Fatal(err)
	}
	for _, chunk := range append(s.chunks, nil) {
		m, err := o.Request(to.Subject, chunk, 10*time.Second)
		if err != nil || strings.Contains(string(m.Data), `"error"`) {
			o.t.Fatalf("restoring: %v %s", err, m.Data)
		}
	}
}

// wantForeign waits until a member says that the stream is another one, and wants it
// to have kept its groups.
func wantForeign(t *testing.T, g *gateway.Gateway, groups int) {
	t.Helper()
	eventually(t, "that the member notices", func() bool {
		err := g.Err()
		return err != nil && strings.Contains(err.Error(), "pushgateway backup")
	})
	if err := push(t, g, "late", "m 1\n"); err == nil {
		t.Error("a push was taken")
	}
	if n := g.View().Groups(); n != groups {
		t.Errorf("the member has %d groups, want the %d that it had", n, groups)
	}
}

// TestSnapshotRestored restores a snapshot of the stream in place of the stream, under
// a member and without one.
func TestSnapshotRestored(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	a := open(t, c.URLs(), 1)
	mustPush(t, a, "a", "m 1\n")
	mustPush(t, a, "b", "m 1\n")
	o := newOperator(t, c)
	taken := o.snapshot()
	for i := range 20 {
		mustPush(t, a, fmt.Sprint("later", i%3), "m 1\n")
	}
	o.ask("STREAM.DELETE.S", nil)
	o.restore(taken)
	wantForeign(t, a, 5)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	b := open(t, c.URLs(), 1)
	if n := b.View().Groups(); n != 2 {
		t.Errorf("a member that starts has %d groups, want the 2 of the snapshot", n)
	}
	mustPush(t, b, "a", "n 1\n")
	mustPush(t, b, "c", "m 1\n")

	if err := b.Close(); err != nil { // all members are stopped
		t.Fatal(err)
	}
	o.ask("STREAM.DELETE.S", nil)
	o.restore(taken)
	d, e := open(t, c.URLs(), 1), open(t, c.URLs(), 1)
	mustPush(t, d, "a", "o 1\n")
	mustPush(t, e, "d", "m 1\n")
	agree(t, []*gateway.Gateway{d, e})
	if got := namesOf(d.Group(keyOf(t, "a"))); got != "m,o" || d.View().Groups() != 3 {
		t.Errorf("the group has %s, and there are %d, want m,o, and 3", got, d.View().Groups())
	}
}

// TestSetBackAndPassed sets the stream back while a member is cut off, and lets
// another one store more than was lost. The first one has what the stream lacks, and
// lacks what the stream has. So it must not go on with the stream.
func TestSetBackAndPassed(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	links, urls := natstest.NewLinks(t, c)
	a, _ := openWith(t, natsjournal.Config{URLs: urls, Stream: "S"})
	mustPush(t, a, "a", "m 1\n")
	mustPush(t, a, "b", "m 1\n")
	c.Stop(0)
	copied := c.Copy(0)
	c.Run(0)
	eventually(t, "a push after a restart", func() bool { return push(t, a, "a", "n 1\n") == nil })
	mustPush(t, a, "c", "m 1\n")
	if err := a.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	revision := a.View().Revision
	links[0].Lose(true, true)
	c.Stop(0)
	c.Restore(0, copied)
	c.Run(0)
	b := open(t, c.URLs(), 1)
	for i := 0; b.View().Revision < revision+100; i++ {
		mustPush(t, b, fmt.Sprint("b", i%2), "o 1\n")
	}
	links[0].Mend()
	wantForeign(t, a, 3)
	if got := namesOf(a.Group(keyOf(t, "a"))); got != "m,n" {
		t.Errorf("the member has %s of the group, want m,n", got)
	}
	mustPush(t, b, "a", "o 1\n")
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	again, _ := openWith(t, natsjournal.Config{URLs: urls, Stream: "S"})
	agree(t, []*gateway.Gateway{b, again})
}

// TestSetBackBeforeStart does it with a copy from before the member started, which has
// none of its signs of life.
func TestSetBackBeforeStart(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	links, urls := natstest.NewLinks(t, c)
	b := open(t, c.URLs(), 1)
	mustPush(t, b, "a", "m 1\n")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	c.Stop(0)
	copied := c.Copy(0)
	c.Run(0)
	a, _ := openWith(t, natsjournal.Config{URLs: urls, Stream: "S"})
	mustPush(t, a, "a", "n 1\n")
	if err := a.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	revision := a.View().Revision
	links[0].Lose(true, true)
	c.Stop(0)
	c.Restore(0, copied)
	c.Run(0)
	b = open(t, c.URLs(), 1)
	for i := 0; b.View().Revision < revision+20; i++ {
		mustPush(t, b, fmt.Sprint("b", i%2), "o 1\n")
	}
	links[0].Mend()
	wantForeign(t, a, 1)
}
