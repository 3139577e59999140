package gateway_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// clock is a clock that tests set.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.at.Store(1.7e18)
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.at.Load()) }
func (c *clock) turn(d time.Duration) { c.at.Add(int64(d)) }

// strict is a journal that checks what changes were made against, as a journal
// with several members does. It can be out of reach.
type strict struct {
	gateway.Memory
	mu        sync.Mutex
	revisions map[grouping.Key]gateway.Revision
	records   map[grouping.Key]*gateway.Group
	stamps    map[grouping.Key]gateway.Stamp
	down      bool
	commits   int
}

func (s *strict) KeepsRecords() bool { return true }

func newStrict() *strict {
	return &strict{revisions: make(map[grouping.Key]gateway.Revision), records: make(map[grouping.Key]*gateway.Group), stamps: make(map[grouping.Key]gateway.Stamp)}
}

// Open replays what the journal had when it was closed.
func (s *strict) Open(ctx context.Context, apply func([]gateway.Applied), stored func(grouping.Key) *gateway.Group) error {
	err := s.Memory.Open(ctx, func(batch []gateway.Applied) {
		for _, a := range batch {
			if a.Stamp != nil {
				s.stamps[a.Key] = *a.Stamp
				continue
			}
			if s.records[a.Key] = a.Group; a.Group == nil {
				delete(s.stamps, a.Key)
				delete(s.records, a.Key)
				delete(s.revisions, a.Key)
				continue
			}
			s.revisions[a.Key] = a.Revision
		}
		apply(batch)
	}, stored)
	for key, g := range s.records {
		apply([]gateway.Applied{{Change: gateway.Change{Key: key, Group: g}, Revision: s.revisions[key]}})
	}
	for key, stamp := range s.stamps {
		apply([]gateway.Applied{{Change: gateway.Change{Key: key}, Stamp: &stamp}})
	}
	return err
}

func (s *strict) Commit(ctx context.Context, changes []gateway.Change) []gateway.Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	out := make([]gateway.Outcome, len(changes))
	for i, c := range changes {
		switch {
		case s.down:
			out[i] = gateway.Outcome{Verdict: gateway.Failed, Err: errDisk}
		case c.Against != s.revisions[c.Key]:
			out[i] = gateway.Outcome{Verdict: gateway.Stale, Err: fmt.Errorf("made against %d, it is at %d", c.Against, s.revisions[c.Key])}
		default:
			s.Memory.Commit(ctx, []gateway.Change{c})
		}
	}
	return out
}

func (s *strict) Stamp(stamp gateway.Stamp) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Memory.Stamp(stamp)
}

// Err returns an error while the journal is out of reach.
func (s *strict) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errDisk
	}
	return nil
}

func (s *strict) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *strict) has(key grouping.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[key] != nil
}

// await waits until the journal has a record of the group, or, if want is
// false, has none.
func (s *strict) await(t *testing.T, key grouping.Key, want bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); s.has(key) != want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the journal has a record of %s: got %v", key, !want)
		}
	}
}

func mustPushTTL(t *testing.T, g *gateway.Gateway, k grouping.Key, text string, ttl time.Duration) {
	t.Helper()
	if err := g.Push(context.Background(), gateway.Push{Key: k, Blocks: blocks(t, k, text), TTL: ttl}); err != nil {
		t.Fatalf("push to %s: %v", k, err)
	}
}

// wantGroups compares the jobs of the visible groups.
func wantGroups(t *testing.T, g *gateway.Gateway, when string, want ...grouping.Key) {
	t.Helper()
	v := g.View()
	var got []grouping.Key
	for group := range v.EachGroup("") {
		got = append(got, group.Key)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s there are %v, want %v", when, got, want)
	}
	if lines := len(exposedLines(v, "m")); lines != len(want) {
		t.Errorf("%s %d series are exposed, want %d", when, lines, len(want))
	}
	if n := v.Times().Series; n != len(want) {
		t.Errorf("%s there are %d push times, want %d", when, n, len(want))
	}
}

func TestExpiry(t *testing.T) {
	c := newClock()
	g := open(t, gateway.Config{Now: c.now})
	a, b, never := key(t, "a"), key(t, "b"), key(t, "never")
	mustPushTTL(t, g, a, "m 1\n", time.Hour)
	mustPushTTL(t, g, b, "m 1\n", 2*time.Hour)
	mustPushTTL(t, g, never, "m 1\n", 0)
	wantGroups(t, g, "at first", a, b, never)
	if want := c.now().Add(time.Hour); !g.View().NextExpiry().Equal(want) {
		t.Errorf("the next expiry is at %v, want %v", g.View().NextExpiry(), want)
	}

	c.turn(time.Hour - 1)
	wantGroups(t, g, "just before its time", a, b, never)
	if err := push(t, g, a, "# TYPE m gauge\nm 1\n"); err == nil {
		t.Fatal("a push with another type was stored")
	}
	c.turn(1)
	wantGroups(t, g, "at its time, whatever was refused meanwhile,", b, never)

	mustPushTTL(t, g, b, "n 1\n", time.Hour) // expires when the group before would have
	c.turn(time.Hour - 1)
	wantGroups(t, g, "before the end of its second life", b, never)
	mustPushTTL(t, g, b, "n 2\n", 0)
	c.turn(1000 * time.Hour)
	wantGroups(t, g, "after a push without a time to live", b, never)
	if n := g.View().Expired; n != 1 || !g.View().NextExpiry().IsZero() {
		t.Errorf("%d groups have expired, and the next expiry is at %v", n, g.View().NextExpiry())
	}
}

// TestExpiryMakesRoom checks that the names and series of a group are free once
// it has expired.
func TestExpiryMakesRoom(t *testing.T) {
	c := newClock()
	g := open(t, gateway.Config{Now: c.now})
	a, twin, shares, b := key(t, "a"), key(t, "a", "instance", ""), key(t, "a", "x", "1"), key(t, "b")
	mustPushTTL(t, g, a, "m{x=\"1\"} 1\n", time.Hour)
	pushes := map[grouping.Key]string{b: "# TYPE m counter\nm 1\n", shares: "m 1\n", twin: "n 1\n"}
	for k, text := range pushes {
		if push(t, g, k, text) == nil {
			t.Errorf("the push to %s was stored", k)
		}
	}
	c.turn(time.Hour)
	mustPush(t, g, twin, pushes[twin])
	mustPush(t, g, shares, pushes[shares])
	if err := g.Delete(t.Context(), shares); err != nil {
		t.Fatal(err)
	}
	mustPush(t, g, b, pushes[b])
}

// TestExpiryByWallClock sets the clock. A clock that is set back makes groups
// live longer, but does not bring back expired ones.
func TestExpiryByWallClock(t *testing.T) {
	c := newClock()
	g := open(t, gateway.Config{Now: c.now})
	a, b := key(t, "a"), key(t, "b")
	mustPushTTL(t, g, a, "m 1\n", time.Hour)
	c.turn(-24 * time.Hour)
	mustPushTTL(t, g, b, "m 1\n", time.Hour)
	c.turn(2 * time.Hour)
	wantGroups(t, g, "on the day before", a)
	c.turn(23 * time.Hour)
	wantGroups(t, g, "on the day again")
	c.turn(-48 * time.Hour)
	wantGroups(t, g, "back before everything")
}

// TestExpiryWithoutJournal expires a group while the journal refuses changes.
// The record is removed once it accepts them again.
func TestExpiryWithoutJournal(t *testing.T) {
	c, j := newClock(), newStrict()
	g := open(t, gateway.Config{Now: c.now, Journal: j})
	a, b, other := key(t, "a"), key(t, "b"), key(t, "other")
	mustPushTTL(t, g, a, "m 1\n", time.Hour)
	mustPushTTL(t, g, b, "m 1\n", time.Hour)
	mustPushTTL(t, g, other, "m 1\n", 0)
	j.setDown(true)
	c.turn(time.Hour)
	wantGroups(t, g, "while the journal is away", other)
	if !j.has(a) {
		t.Error("the record of a was removed while the journal was out of reach")
	}
	if err := push(t, g, a, "m 2\n"); err == nil {
		t.Error("a push was stored while the journal was out of reach")
	}
	wantGroups(t, g, "after a push that failed", other)

	j.setDown(false)
	mustPush(t, g, a, "m 3\n") // made against the record of the expired group
	wantGroups(t, g, "after a push", a, other)
	j.await(t, b, false)
	wantGroups(t, g, "in the end", a, other)
	if !j.has(a) {
		t.Error("the new group a was removed with the record of the old one")
	}
}

// TestDeleteOfEnded deletes expired groups whose records the journal still has.
// The delete must remove the records: otherwise a clock that is set back and a
// crash would bring back deleted groups.
func TestDeleteOfEnded(t *testing.T) {
	ctx := context.Background()
	for name, end := range map[string]func(*gateway.Gateway, grouping.Key) error{
		"delete": func(g *gateway.Gateway, k grouping.Key) error { return g.Delete(ctx, k) },
		"wipe":   func(g *gateway.Gateway, _ grouping.Key) error { return wipe(ctx, g) },
		"by selector": func(g *gateway.Gateway, _ grouping.Key) error {
			ended, err := g.DeleteMatching(ctx, func(*gateway.Group) bool { return true })
			if len(ended) != 1 {
				t.Errorf("the delete returned %d groups, want 1", len(ended))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, j := newClock(), newStrict()
			g := open(t, gateway.Config{Now: c.now, Journal: j})
			a, other := key(t, "a"), key(t, "other")
			mustPushTTL(t, g, a, "m 1\n", time.Hour)
			mustPushTTL(t, g, other, "m 1\n", 0)
			c.turn(time.Hour)
			wantGroups(t, g, "in the end", other)
			if err := end(g, a); err != nil {
				t.Error(err)
			}
			if j.has(a) {
				t.Error("the journal has a record of a deleted group")
			}
			if err := g.Delete(ctx, a); err != nil {
				t.Errorf("deleting again: %v", err)
			}
		})
	}
}

// TestExpiryAfterRestart checks that a restart neither revives groups nor loses
// their deadlines.
func TestExpiryAfterRestart(t *testing.T) {
	c, j := newClock(), newStrict()
	keys := map[time.Duration]grouping.Key{0: key(t, "never"), time.Hour: key(t, "hour"), 2 * time.Hour: key(t, "two")}
	g, err := gateway.Open(t.Context(), gateway.Config{Now: c.now, Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	for ttl, k := range keys {
		mustPushTTL(t, g, k, "m 1\n", ttl)
	}
	j.setDown(true) // so that it keeps its records
	c.turn(30 * time.Minute)
	for _, turn := range []struct {
		by   time.Duration
		want []grouping.Key
	}{
		{0, []grouping.Key{keys[time.Hour], keys[0], keys[2*time.Hour]}},
		{30 * time.Minute, []grouping.Key{keys[0], keys[2*time.Hour]}},
		{time.Hour - 1, []grouping.Key{keys[0], keys[2*time.Hour]}},
		{1, []grouping.Key{keys[0]}},
	} {
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		c.turn(turn.by) // while no gateway runs
		if g, err = gateway.Open(t.Context(), gateway.Config{Now: c.now, Journal: j}); err != nil {
			t.Fatal(err)
		}
		wantGroups(t, g, fmt.Sprint("after ", turn.by, " more"), turn.want...)
	}
	j.setDown(false)
	j.await(t, keys[time.Hour], false)
	j.await(t, keys[2*time.Hour], false)
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

// TestExpiryOfManyAtOnce expires more groups than one round removes. It must
// take few commits.
func TestExpiryOfManyAtOnce(t *testing.T) {
	c, j := newClock(), newStrict()
	g := open(t, gateway.Config{Now: c.now, Journal: j})
	const groups = 5000
	for i := range groups {
		mustPushTTL(t, g, key(t, "many", "i", fmt.Sprint(i)), "m 1\n", time.Hour+time.Duration(i))
	}
	j.mu.Lock()
	before := j.commits
	j.mu.Unlock()
	c.turn(2 * time.Hour)
	wantGroups(t, g, "at their time")
	if n := g.View().Expired; n != groups {
		t.Errorf("%d groups have expired, want %d", n, groups)
	}
	j.await(t, key(t, "many", "i", "0"), false)
	for i := range groups {
		j.await(t, key(t, "many", "i", fmt.Sprint(i)), false)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := j.commits - before; n > groups/500 {
		t.Errorf("it took %d commits to remove %d records", n, groups)
	}
}

// TestExpiryDuringPushes expires groups while they are pushed to. A push that
// succeeded must be visible unless it has expired itself.
func TestExpiryDuringPushes(t *testing.T) {
	c, j := newClock(), newStrict()
	g := open(t, gateway.Config{Now: c.now, Journal: j})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	turner := make(chan struct{})
	go func() {
		defer close(turner)
		for {
			select {
			case <-stop:
				return
			default:
				c.turn(time.Millisecond)
				g.View()
			}
		}
	}()
	for n := range 4 {
		wg.Go(func() {
			k := key(t, "pushed", "n", fmt.Sprint(n))
			for i := range 300 {
				ttl := time.Duration(0)
				if i%3 != 0 {
					ttl = time.Duration(i%7) * 10 * time.Millisecond
				}
				if err := g.Push(t.Context(), gateway.Push{Key: k, Blocks: blocks(t, k, fmt.Sprintf("m %d\n", i)), TTL: ttl}); err != nil {
					t.Errorf("push %d to %s: %v", i, k, err)
				}
				if group := g.View().Group(k); group == nil && ttl == 0 {
					t.Errorf("push %d to %s is gone, although it never expires", i, k)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	<-turner
}

// TestExpiryBefore1970 has a clock that stands before the beginning of Unix time,
// as some machines have when they start.
func TestExpiryBefore1970(t *testing.T) {
	c := newClock()
	c.at.Store(int64(-24 * time.Hour))
	g := open(t, gateway.Config{Now: c.now})
	k := key(t, "a")
	if err := g.Push(t.Context(), gateway.Push{Key: k, Blocks: blocks(t, k, "m 1\n"), TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	c.turn(2 * time.Hour)
	if got := g.View().Groups(); got != 0 {
		t.Errorf("%d groups are left", got)
	}
}
