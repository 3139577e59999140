package guard_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pushgateway/internal/guard"
)

// leases opens so many leases of n each.
func leases(t *testing.T, s *guard.Shares, client string, count int, n int64) (all []*guard.Lease) {
	t.Helper()
	for range count {
		l := s.Open(client)
		t.Cleanup(l.Close)
		if err := l.Take(n); err != nil {
			t.Fatalf("%s, with %d leases: %v", client, len(all), err)
		}
		all = append(all, l)
	}
	return all
}

// TestTake has clients that take what others have left.
func TestTake(t *testing.T) {
	for _, tt := range []struct {
		name   string
		hogs   map[string]int // clients with the number of their leases of 10, of 100
		mine   int64          // held by the client already
		n      int64          // that it takes
		endsOf int            // leases that are ended for it
		err    error
	}{
		{"there is room", map[string]int{"a": 9}, 0, 10, 0, nil},
		{"one has all", map[string]int{"a": 10}, 0, 10, 1, nil},
		{"one has all, and much is needed", map[string]int{"a": 10}, 0, 60, 6, nil},
		{"several have all", map[string]int{"a": 6, "b": 4}, 0, 10, 1, nil},
		{"it would have more than others", map[string]int{"a": 2, "b": 2}, 55, 10, 0, guard.ErrNoRoom},
		{"each has one", map[string]int{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1, "g": 1, "h": 1, "i": 1, "j": 1}, 0, 10, 0, guard.ErrNoRoom},
		{"it is alone", nil, 0, 1000, 0, nil},
		{"it is alone with much", nil, 90, 20, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, ends := guard.NewShares(100), 0
				for client, n := range tt.hogs {
					for _, l := range leases(t, s, client, n, 10) {
						l.Endable(sync.OnceFunc(func() { ends++; go l.Close() }))
					}
				}
				l := leases(t, s, "me", 1, tt.mine)[0]
				if err := l.Take(tt.n); !errors.Is(err, tt.err) {
					t.Errorf("got %v, want %v", err, tt.err)
				}
				synctest.Wait()
				if ends != tt.endsOf {
					t.Errorf("%d leases were ended, want %d", ends, tt.endsOf)
				}
			})
		})
	}
}

// TestEnded holds that a lease that was ended gets nothing more.
func TestEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.NewShares(2)
		hog := leases(t, s, "a", 1, 1)
		time.Sleep(time.Millisecond) // this is the older one
		hog = append(hog, leases(t, s, "a", 1, 1)...)
		ended := make([]atomic.Bool, len(hog))
		for i, l := range hog {
			l.Endable(func() { ended[i].Store(true) })
		}
		var all sync.WaitGroup
		all.Go(func() {
			if err := leases(t, s, "b", 1, 0)[0].Take(1); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(2 * time.Second)
		if !ended[0].Load() || hog[0].Take(1) == nil || ended[1].Load() {
			t.Error("not the oldest was ended")
		}
		hog[0].Close()
		hog[0].Close()
		all.Wait()
	})
}

// TestWait has many wait from one client: others come in between.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guard.NewShares(1)
		first := leases(t, s, "a", 1, 1)[0]
		var (
			mu    sync.Mutex
			order []string
			all   sync.WaitGroup
		)
		for _, client := range []string{"a", "a", "a", "b", "b", "c"} {
			all.Go(func() {
				l := s.Open(client)
				defer l.Close()
				if err := l.Wait(t.Context(), 1); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, client)
			})
			synctest.Wait()
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := leases(t, s, "d", 1, 0)[0].Wait(short, 1); !errors.Is(err, guard.ErrNoRoom) {
			t.Errorf("one that cannot wait: got %v", err)
		}
		first.Close()
		all.Wait()
		if want := []string{"b", "c", "a", "b", "a", "a"}; !slices.Equal(order, want) {
			t.Errorf("got %q, want %q", order, want)
		}
	})
}
