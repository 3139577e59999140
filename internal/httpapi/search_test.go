package httpapi

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/guard"
)

// TestSearchesTakeTurns has several searches with one turn. Never do two search at
// once, and each comes to its end.
func TestSearchesTakeTurns(t *testing.T) {
	turns := guard.NewShares(1)
	var now, pauses atomic.Int64
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			s := &search{ctx: t.Context(), turns: turns.Open(fmt.Sprint("client ", i%2))}
			defer s.turns.Close()
			defer s.rest()
			var turn time.Time
			for began := time.Now(); time.Since(began) < 20*searchTurn; {
				if err := s.Err(); err != nil {
					t.Error(err)
				}
				if n := now.Add(1); n != 1 {
					t.Errorf("%d searches have the only turn", n)
				}
				if s.since != turn {
					turn = s.since
					pauses.Add(1)
				}
				now.Add(-1)
			}
		})
	}
	all.Wait()
	if n := pauses.Load(); n <= 4 {
		t.Errorf("4 searches had %d turns", n)
	}
}

// TestSearchEndsWhileItWaits ends a search that has no turn.
func TestSearchEndsWhileItWaits(t *testing.T) {
	turns := guard.NewShares(1)
	busy := &search{ctx: t.Context(), turns: turns.Open("a")}
	defer busy.turns.Close()
	if err := busy.Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := &search{ctx: ctx, turns: turns.Open("b")}
	defer s.turns.Close()
	time.AfterFunc(time.Millisecond, cancel)
	if err := s.Err(); err == nil {
		t.Error("it has a turn")
	}
	s.rest() // of which there is none
	if err := busy.Err(); err != nil {
		t.Error(err)
	}
}
