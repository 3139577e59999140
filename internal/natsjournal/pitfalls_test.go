package natsjournal_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/natsjournal"
	"pushgateway/internal/natstest"
)

// What is known to go wrong with streams, and what tests it:
//
//	a flipped bit in a follower's file                    TestDamagedReplica
//	a consumer lives on one server and stalls with it     there is none: TestNoConsumers; TestHistory, e2e TestSiege
//	no leader for a long time                             e2e TestClusterOutage, TestSiege. A power cut of a follower
//	                                                      cannot be had here; to members it is the same as no leader
//	old servers                                           e2e TestClusterOldServers
//	consumers made in a loop leak                         there are none: TestNoConsumers
//	clocks that differ                                    TestSkew, TestClocks
//	a record of a newer format                            TestNewerMember, TestOlderMember
//	a stream made anew, set back, or purged               TestStreamMadeAnew, TestStreamSetBack, TestPurge,
//	                                                      TestPushWhileMadeAnew, TestPushWhileSetBack, TestForeignWhileLate
//	a stream set back that then passes a member           TestSetBackAndPassed, TestSetBackBeforeStart, e2e TestClusterSetBack
//	two members with one address                          TestSameAddress
//	signs of life that were removed                       TestSignsOfLifePurged
//	a snapshot of the servers, restored                   TestSnapshotRestored
//	a leader that is none any more, or has just begun     TestStaleLeader, TestGoneFalsely
//	a leader or a replica that has lost a message         TestGoneOnce, TestHoleBehindLag, TestHoleWhileUnsure
//	a list of groups that changes between its pages       TestListShifted
//	replicas that do not answer                           TestSilentReplicas
//	settings of the stream changed by hand                TestSettingsChanged
//	a member that heard nothing for long                  TestSilence, TestGroupGone
//	a member cut off from servers, or servers from others TestHistory, e2e TestSiege
//	a full stream, a message that is too large            e2e TestClusterFull, TestClusterPayload
//	a write whose outcome is not known                    TestHistory, internal/journaltest
//	a command that was killed                             TestLostCommand
//	a leader lost during an import, a delete, a wipe      e2e TestClusterLeaderLost
//	a server that cannot write                            e2e TestClusterDiskFull
//	credentials that end, limits of the account           e2e TestClusterRotation, TestClusterAccount
//	no connection during an import, a wipe; a paused member  e2e TestClusterCutOff
//	servers whose name does not exist                     e2e TestClusterNoServer
//	keys of additions after the end of their group        e2e TestClusterMembers
//	certificates that end or change, files with them      e2e TestClusterCertificates
//	no place for a connection, or a server that closes it e2e TestClusterConnections, TestClusterPayloadLowered
//	servers without JetStream, a missing permission       e2e TestClusterFewerServers, TestClusterPermissions
//	a stream made by hand, clusters with similar names    TestStreamByHand, TestNeighbors

// operator changes the stream from outside.
type operator struct {
	t *testing.T
	*nats.Conn
}

func newOperator(t *testing.T, c *natstest.Cluster) operator {
	t.Helper()
	conn, err := nats.Connect(strings.Join(c.URLs(), ","))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return operator{t, conn}
}

// ask sends a request to the API, which must succeed.
func (o operator) ask(name string, body any) []byte {
	o.t.Helper()
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			o.t.Fatal(err)
		}
	}
	m, err := o.Request("$JS.API."+name, content, 5*time.Second)
	if err != nil || strings.Contains(string(m.Data), `"error"`) {
		o.t.Fatalf("%s: %v %s", name, err, m.Data)
	}
	return m.Data
}

func subjectOf(key grouping.Key) string {
	sum := sha256.Sum256([]byte(key))
	return "pg.S.g." + base64.RawURLEncoding.EncodeToString(sum[:])
}

func push(t *testing.T, g *gateway.Gateway, job, text string) error {
	t.Helper()
	return g.Push(context.Background(), pushOf(t, keyOf(t, job), text))
}

func mustPush(t *testing.T, g *gateway.Gateway, job, text string) {
	t.Helper()
	if err := push(t, g, job, text); err != nil {
		t.Fatal(err)
	}
}

// TestStreamMadeAnew replaces the stream under a running member. The member
// keeps what it has, and refuses changes.
func TestStreamMadeAnew(t *testing.T) {
	c := natstest.Start(t, 1)
	a := open(t, c.URLs(), 1)
	for _, job := range []string{"a", "b", "c", "d"} {
		mustPush(t, a, job, "m 1\n")
	}
	newOperator(t, c).ask("STREAM.DELETE.S", nil)
	b, err := tryOpen(t, c.URLs(), 1)
	for end := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		b, err = tryOpen(t, c.URLs(), 1) // a server needs a while to remove what the old stream had
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := b.View().Groups(); n != 0 {
		t.Errorf("the new stream has %d groups", n)
	}
	err = push(t, a, "new", "m 1\n")
	if !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("a push to another stream: %v", err)
	}
	wantForeign(t, a, 4)
	mustPush(t, b, "a", "other 1\n")
	if err := push(t, a, "a", "m 2\n"); !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("a push to another stream: %v", err)
	}
	if n := a.View().Groups(); n != 4 || a.View().Family("other") != nil {
		t.Errorf("the member has %d groups, want those that it had", n)
	}
}

// setBack returns a member, and its server, which is stopped and has an older copy
// of the stream again. The copy has the group a, and lacks those of jobs.
func setBack(t *testing.T, jobs ...string) (*natstest.Cluster, *gateway.Gateway) {
	c := natstest.Start(t, 1)
	a := open(t, c.URLs(), 1)
	mustPush(t, a, "a", "m 1\n")
	c.Stop(0)
	copied := c.Copy(0)
	c.Run(0)
	eventually(t, "a push after a restart", func() bool { return push(t, a, "a", "n 1\n") == nil })
	for range 50 {
		for _, job := range jobs {
			mustPush(t, a, job, "m 1\n")
		}
	}
	c.Stop(0)
	c.Restore(0, copied)
	return c, a
}

// TestStreamSetBack restores an older copy of the stream under a running member,
// which keeps what it has, and refuses changes. One that starts then takes the
// stream as it is.
func TestStreamSetBack(t *testing.T) {
	t.Parallel()
	c, a := setBack(t, "b")
	c.Run(0)
	wantForeign(t, a, 2)
	for _, job := range []string{"a", "new"} {
		if err := push(t, a, job, "m 3\n"); !errors.Is(err, gateway.ErrUnavailable) {
			t.Errorf("a push to a stream that was set back: %v", err)
		}
	}
	if a.View().Family("n") == nil {
		t.Error("the member does not have what it had")
	}
	if b := open(t, c.URLs(), 1); b.View().Groups() != 1 {
		t.Errorf("a member that starts has %d groups, want that of the copy", b.View().Groups())
	}
}

// TestPushWhileMadeAnew replaces the stream while a member pushes to groups that it
// has. The new stream lacks them, but the member keeps them.
func TestPushWhileMadeAnew(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	a := open(t, c.URLs(), 1)
	for _, job := range []string{"a", "b", "c", "d"} {
		mustPush(t, a, job, "m 1\n")
	}
	newOperator(t, c).ask("STREAM.DELETE.S", nil)
	var pushes sync.WaitGroup
	for _, job := range []string{"a", "b", "c"} {
		pushes.Go(func() { _ = push(t, a, job, "m 2\n") })
	}
	eventually(t, "that a member makes the stream anew", func() bool {
		_, err := tryOpen(t, c.URLs(), 1)
		return err == nil
	})
	pushes.Wait()
	wantForeign(t, a, 4)
}

// TestPushWhileSetBack restores an older copy of the stream while a member pushes
// to groups that the copy lacks. The member keeps them.
func TestPushWhileSetBack(t *testing.T) {
	t.Parallel()
	c, a := setBack(t, "b", "c")
	var pushes sync.WaitGroup
	for _, job := range []string{"b", "c"} {
		pushes.Go(func() {
			for range 40 {
				_ = push(t, a, job, "m 2\n")
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	c.Run(0)
	pushes.Wait()
	wantForeign(t, a, 3)
	if a.View().Family("m") == nil {
		t.Error("the member does not have what it had")
	}
}

// TestGroupGone removes the message of a group behind the members' backs, as
// when a member hears nothing for longer than the stream remembers ends.
func TestGroupGone(t *testing.T) {
	c := natstest.Start(t, 1)
	a := open(t, c.URLs(), 1)
	mustPush(t, a, "kept", "m 1\n")
	mustPush(t, a, "gone", "m 1\n")
	newOperator(t, c).ask("STREAM.MSG.DELETE.S", map[string]any{"seq": a.Group(keyOf(t, "gone")).Revision})
	mustPush(t, a, "gone", "n 1\n")
	if g := a.Group(keyOf(t, "gone")); len(g.Families) != 1 || g.Since != g.Revision {
		t.Errorf("the group that was gone came back with %d families", len(g.Families))
	}
	if a.View().Groups() != 2 {
		t.Error("a group that is not gone was removed")
	}
}

// TestNewerMember stores a message that this version cannot read. A running
// member keeps the group as it was; one that starts says why it cannot.
func TestNewerMember(t *testing.T) {
	c := natstest.Start(t, 1)
	a := open(t, c.URLs(), 1)
	mustPush(t, a, "a", "m 1\n")
	m := nats.NewMsg(subjectOf(keyOf(t, "a")))
	m.Header.Set("Pushgateway-Op", "put")
	m.Header.Set("Pushgateway-Encoding", "2")
	if _, err := newOperator(t, c).RequestMsg(m, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := a.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.View().Family("m") == nil {
		t.Error("the group is gone")
	}
	if err := push(t, a, "a", "m 2\n"); !errors.Is(err, gateway.ErrUnavailable) || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("a push to a group that cannot be read: %v", err)
	}
	mustPush(t, a, "b", "m 1\n")
	_, err := gateway.Open(t.Context(), gateway.Config{Journal: natsjournal.New(natsjournal.Config{URLs: c.URLs(), Stream: "S"})})
	if err == nil || !strings.Contains(err.Error(), "Start the version that wrote it") {
		t.Errorf("a member that starts: %v", err)
	}
}

// TestClocks gives an engine a clock that is half a minute ahead, which nobody
// corrects. It hides groups too early, and ends none.
func TestClocks(t *testing.T) {
	c := natstest.Start(t, 1)
	a := open(t, c.URLs(), 1)
	ahead, err := gateway.Open(t.Context(), gateway.Config{
		Journal: natsjournal.New(natsjournal.Config{URLs: c.URLs(), Stream: "S"}),
		Now:     func() time.Time { return time.Now().Add(30 * time.Second) },
	})
	if err != nil {
		t.Fatal(err)
	}
	p := pushOf(t, keyOf(t, "a"), "m 1\n")
	p.TTL = 20 * time.Second
	if err := a.Push(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := ahead.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ahead.View().Family("m") != nil {
		t.Error("the member whose clock is ahead does not hide the group")
	}
	if err := ahead.Close(); err != nil {
		t.Error(err)
	}
	if err := a.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.View().Family("m") == nil {
		t.Error("the member whose clock is ahead has ended a group of the others")
	}
}

// TestNoConsumers looks that members need no consumer, which would live on one
// server.
func TestNoConsumers(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	a, b := open(t, c.URLs(), 1), open(t, c.URLs(), 1)
	mustPush(t, a, "a", "m 1\n")
	agree(t, []*gateway.Gateway{a, b})
	if info := string(newOperator(t, c).ask("STREAM.INFO.S", nil)); !strings.Contains(info, `"consumer_count":0`) {
		t.Errorf("the stream has consumers: %s", info)
	}
}

// TestSettingsChanged changes settings of the stream under a member, which says so
// once, and says when they are right again.
func TestSettingsChanged(t *testing.T) {
	t.Parallel()
	c, log := natstest.Start(t, 1), new(lines)
	a, j := openWith(t, natsjournal.Config{URLs: c.URLs(), Stream: "S", Audit: 100 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(log, nil))})
	o := newOperator(t, c)
	var info struct {
		Config map[string]any `json:"config"`
	}
	if err := json.Unmarshal(o.ask("STREAM.INFO.S", nil), &info); err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		setting string
		value   any
		says    string
	}{
		{"max_msgs_per_subject", 5, "max_msgs_per_subject is 5, but must be 1"},
		{"subjects", []string{"pg.S.>", "more.>"}, "subjects is [pg.S.> more.>], but must be [pg.S.>]"},
		{"discard", "old", "discard is old, but must be new"},
		{"max_age", time.Hour * 2, "max_age is 2h0m0s, but must be unlimited"},
		{"no_ack", true, "no_ack is true, but must be false"},
		{"sources", []any{map[string]any{"name": "T"}}, "sources is [T], but must be absent"},
		{"subject_transform", map[string]any{"src": "pg.S.x.>", "dest": "pg.S.y.>"}, "subject_transform is pg.S.x.> to pg.S.y.>, but must be absent"},
		{"republish", map[string]any{"src": "pg.S.>", "dest": "pgf.S.>", "headers_only": true}, "republish is pg.S.> to pgf.S.> without bodies"},
	} {
		changed := maps.Clone(info.Config)
		changed[tt.setting] = tt.value
		o.ask("STREAM.UPDATE.S", changed)
		eventually(t, "what differs: "+tt.setting, func() bool { return strings.Contains(log.String(), tt.says) })
		if n := j.Status().Differing; n != 1 {
			t.Errorf("%s: %d settings are said to differ, want 1", tt.setting, n)
		}
		if tt.setting == "max_msgs_per_subject" {
			for i := range 10 {
				mustPush(t, a, "a", fmt.Sprintf("m %d\n", i))
			}
		}
		if _, err := tryOpen(t, c.URLs(), 1); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: a member that starts says %v", tt.setting, err)
		}
		o.ask("STREAM.UPDATE.S", info.Config)
		eventually(t, "that it is right again", func() bool { return strings.Count(log.String(), "the right configuration again") == i+1 })
		if n := strings.Count(log.String(), "Somebody has changed"); n != i+1 {
			t.Errorf("%s: it is told %d times, want once", tt.setting, n-i)
		}
		if n := j.Status().Differing; n != 0 {
			t.Errorf("%s: %d settings are said to differ, want none", tt.setting, n)
		}
		mustPush(t, a, "a", fmt.Sprintf("n %d\n", i))
	}
	b := open(t, c.URLs(), 1)
	agree(t, []*gateway.Gateway{a, b})
}

// TestSameAddress has two members with one address. Each says so once.
func TestSameAddress(t *testing.T) {
	t.Parallel()
	c, first, second := natstest.Start(t, 1), new(lines), new(lines)
	const says = "shows the address of this one"
	join := func(log *lines) *gateway.Gateway {
		g, _ := openWith(t, natsjournal.Config{URLs: c.URLs(), Stream: "S", Member: "a:1", Audit: 100 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(log, nil))})
		return g
	}
	join(first)
	time.Sleep(3 * time.Second)
	if strings.Contains(first.String(), says) {
		t.Error("a member alone says that another one has its address")
	}
	join(second)
	for _, log := range []*lines{first, second} {
		eventually(t, "that a member says so", func() bool { return strings.Contains(log.String(), says) })
	}
	if n := strings.Count(first.String(), says); n != 1 {
		t.Errorf("it is told %d times, want once", n)
	}
}
