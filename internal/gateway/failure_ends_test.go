package gateway_test

import (
	"testing"
	"testing/synctest"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// TestFailuresExpire lets groups without a good push end an hour after the last
// refused one, and no others.
func TestFailuresExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := newStrict()
		gone, again, kept, good := key(t, "gone"), key(t, "again"), key(t, "kept"), key(t, "good")
		c := gateway.Config{Journal: journal, FailuresLive: func(k grouping.Key) time.Duration {
			if k == kept {
				return 0
			}
			return time.Hour
		}}
		g := open(t, c)
		mustPush(t, g, good, "m 1\n")
		for _, k := range []grouping.Key{gone, again, kept, good} {
			g.Refuse(k, "10.0.0.1", errDisk)
		}
		time.Sleep(time.Hour - time.Second)
		g.Refuse(again, "10.0.0.1", errDisk)
		if n := g.View().Groups(); n != 4 {
			t.Errorf("%d groups a second before the end, want 4", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, g := range []*gateway.Gateway{g, open(t, c)} {
			v := g.View()
			if v.Group(gone) != nil || v.Group(again) == nil || v.Group(kept) == nil || v.Group(good) == nil {
				t.Errorf("after an hour: gone=%v again=%v kept=%v good=%v", v.Group(gone), v.Group(again), v.Group(kept), v.Group(good))
			}
		}
		if n := g.View().Expired; n != 1 {
			t.Errorf("%d groups have expired, want 1", n)
		}
	})
}

// TestFailuresExpireLater lets them end while the journal refuses changes.
func TestFailuresExpireLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := newStrict()
		g := open(t, gateway.Config{Journal: journal, FailuresLive: func(grouping.Key) time.Duration { return time.Hour }})
		bad := key(t, "bad")
		g.Refuse(bad, "10.0.0.1", errDisk)
		journal.setDown(true)
		time.Sleep(2 * time.Hour)
		if v := g.View(); v.Group(bad) == nil || v.Expired != 0 {
			t.Errorf("the group is %v, and %d have expired, though the journal took no change", v.Group(bad), v.Expired)
		}
		journal.setDown(false)
		time.Sleep(time.Minute)
		if v := g.View(); v.Group(bad) != nil || v.Expired != 1 {
			t.Errorf("the group is %v, and %d have expired, once the journal takes changes", v.Group(bad), v.Expired)
		}
	})
}
