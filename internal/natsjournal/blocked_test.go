package natsjournal_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/journaltest"
	"pushgateway/internal/natsjournal"
	"pushgateway/internal/natstest"
)

// TestBlockedConnection stores more than the connection takes while the server reads
// nothing. The caller must not wait longer than it wants to.
func TestBlockedConnection(t *testing.T) {
	links, urls := natstest.NewLinks(t, natstest.Start(t, 1))
	j := natsjournal.New(natsjournal.Config{URLs: urls, Stream: "S"})
	if err := j.Open(t.Context(), func([]gateway.Applied) {}, nothing); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	changes := make([]gateway.Change, 24)
	for i := range changes {
		changes[i] = large(t, fmt.Sprint("job", i))
	}
	links[0].Delay(2 * time.Second)
	ctx, end := context.WithTimeout(t.Context(), time.Second)
	defer end()
	done := make(chan []gateway.Outcome, 1)
	go func() { done <- j.Commit(ctx, changes) }()
	select {
	case outcomes := <-done:
		for _, o := range outcomes {
			if o.Verdict == gateway.Committed {
				t.Error("a change is committed that no server has read")
			}
		}
	case <-time.After(4 * time.Second):
		t.Error("Commit waits for the connection although its context has ended")
	}
	links[0].Lose(true, true)
	links[0].Mend()
}

// large returns a change that takes about half a megabyte compressed.
func large(t *testing.T, job string) gateway.Change {
	t.Helper()
	var text strings.Builder
	for range 30_000 {
		fmt.Fprintf(&text, "m{l=\"%x\"} 1\n", rand.Uint64())
	}
	group := gateway.Restore(gateway.Group{Key: keyOf(t, job), Pushed: time.Now()})
	for _, b := range journaltest.Blocks(t, group.Key, text.String()) {
		group.Families = append(group.Families, gateway.Held{Block: b, Pushed: group.Pushed})
	}
	return gateway.Change{Key: group.Key, Group: group}
}
