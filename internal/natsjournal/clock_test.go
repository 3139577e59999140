package natsjournal_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/natsjournal"
	"pushgateway/internal/natstest"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestSkew has members whose clocks are half a minute, and hours, ahead and behind. A group
// with a time to live that any of them takes is visible at all of them, and ends at
// all of them. Each says how much its clock is off.
func TestSkew(t *testing.T) {
	c := natstest.Start(t, 1)
	var members []*gateway.Gateway
	for _, off := range []time.Duration{0, 30 * time.Second, -30 * time.Second, 5 * time.Hour, -5 * time.Hour} {
		log := new(lines)
		j := natsjournal.New(natsjournal.Config{
			URLs: c.URLs(), Stream: "S", Member: fmt.Sprint(off), Logger: slog.New(slog.NewTextHandler(log, nil)),
			Now: func() time.Time { return time.Now().Add(off) },
		})
		g, err := gateway.Open(t.Context(), gateway.Config{Journal: j, Wait: natsjournal.Wait, Now: j.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = g.Close() })
		eventually(t, "the skew", func() bool { return (j.Status().Skew - off).Abs() < 2*time.Second })
		if says := strings.Contains(log.String(), "The clock of this machine is off"); says != (off != 0) {
			t.Errorf("a member whose clock is %s ahead logs that: %v", off, says)
		}
		for _, peer := range j.Peers() {
			if peer.Self && (peer.Skew-off).Abs() > 2*time.Second {
				t.Errorf("a member whose clock is %s ahead lists itself as %+v", off, peer)
			}
		}
		members = append(members, g)
	}
	for i, taker := range members {
		p := pushOf(t, keyOf(t, fmt.Sprint("j", i)), "m 1\n")
		p.TTL = 8 * time.Second
		if err := taker.Push(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		for n, g := range members {
			if err := g.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			if g.Group(p.Key) == nil {
				t.Errorf("the member %d hides the group of the member %d", n, i)
			}
		}
	}
	for n, g := range members {
		eventually(t, fmt.Sprint("the end of all groups at the member ", n), func() bool { return g.View().Groups() == 0 })
	}
}
