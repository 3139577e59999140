package main

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// TestPacedPushesAsOftenAsPlanned paces clients whose pushes may take longer than
// the time between them: none may be left out.
func TestPacedPushesAsOftenAsPlanned(t *testing.T) {
	var got atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if got.Add(1)%10 == 0 {
			time.Sleep(3 * time.Millisecond)
		}
	}))
	defer server.Close()
	target := &target{process: &process{addr: server.Listener.Addr().String()}, load: newLoad(1000), clients: 4}
	const each = 50 // every 2 ms
	times, err := target.paced(2000, each*2*time.Millisecond)
	if err != nil || len(times) != 4*each || got.Load() != 4*each {
		t.Errorf("%d times of %d pushes, %v; want %d", len(times), got.Load(), err, 4*each)
	}
}

func TestQuantile(t *testing.T) {
	of := []float64{5, 1, 4, 2, 3}
	for part, want := range map[float64]float64{0: 1, 0.5: 3, 0.99: 4, 1: 5} {
		if got := quantile(of, part); got != want {
			t.Errorf("quantile %v is %v, want %v", part, got, want)
		}
	}
}
