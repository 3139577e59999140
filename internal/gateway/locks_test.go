package gateway_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// gated is a journal whose next commit of one group waits until it is released,
// once it is armed.
type gated struct {
	gateway.Memory
	key            grouping.Key
	armed          atomic.Bool
	arrived, letGo chan struct{}
}

func (j *gated) Commit(ctx context.Context, changes []gateway.Change) []gateway.Outcome {
	if len(changes) == 1 && changes[0].Key == j.key && j.armed.CompareAndSwap(true, false) {
		j.arrived <- struct{}{}
		<-j.letGo
	}
	return j.Memory.Commit(ctx, changes)
}

// slowPush returns a gateway in which a push to one group is in progress until
// letGo is called. It also has the groups a and c.
func slowPush(t *testing.T, slow grouping.Key, exists bool) (g *gateway.Gateway, letGo func()) {
	before := ""
	if exists {
		before = "m 1\n"
	}
	g, letGo = slowChange(t, slow, before, "m 2\n")
	mustPush(t, g, key(t, "a"), "m 1\n")
	mustPush(t, g, key(t, "c"), "m 1\n")
	return g, letGo
}

// slowChange returns a gateway that has a group with what is pushed before, if that
// is not empty. A push of the rest to it is in progress until letGo is called.
func slowChange(t *testing.T, slow grouping.Key, before, rest string) (g *gateway.Gateway, letGo func()) {
	j := &gated{key: slow, arrived: make(chan struct{}), letGo: make(chan struct{})}
	g = open(t, gateway.Config{Journal: j})
	if before != "" {
		mustPush(t, g, slow, before)
	}
	j.armed.Store(true)
	done := make(chan error, 1)
	go func() { done <- push(t, g, slow, rest) }()
	<-j.arrived
	return g, sync.OnceFunc(func() {
		close(j.letGo)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestDeletesDoNotWait deletes all groups while a push to one of them is in
// progress. The other groups must end, and accept pushes, before that push is
// finished.
func TestDeletesDoNotWait(t *testing.T) {
	b := key(t, "b")
	g, letGo := slowPush(t, b, true)
	ended := make(chan int, 1)
	go func() {
		groups, err := g.DeleteMatching(context.Background(), func(*gateway.Group) bool { return true })
		if err != nil {
			t.Error(err)
		}
		ended <- len(groups)
	}()
	for g.View().Group(key(t, "a")) != nil || g.View().Group(key(t, "c")) != nil {
		runtime.Gosched()
	}
	mustPush(t, g, key(t, "a"), "m 2\n")
	mustPush(t, g, key(t, "new"), "m 2\n")
	letGo()
	if n := <-ended; n != 3 {
		t.Errorf("%d groups have ended, want 3", n)
	}
	if v := g.View(); v.Group(b) != nil || v.Group(key(t, "a")) == nil {
		t.Error("the group with the slow push exists, or the group pushed after the delete does not")
	}
}

// TestDeleteLooksAgain deletes matching groups while a push makes one of them
// stop matching.
func TestDeleteLooksAgain(t *testing.T) {
	b := key(t, "b")
	g, letGo := slowPush(t, b, true)
	matched := make(chan struct{})
	var once sync.Once
	before := g.View().Group(b)
	ended := make(chan []*gateway.Group, 1)
	go func() {
		groups, err := g.DeleteMatching(context.Background(), func(group *gateway.Group) bool {
			once.Do(func() { close(matched) })
			return group == before
		})
		if err != nil {
			t.Error(err)
		}
		ended <- groups
	}()
	<-matched
	letGo()
	if groups := <-ended; len(groups) != 0 || g.View().Group(b) == nil {
		t.Errorf("%d groups have ended, although none matches any more", len(groups))
	}
}

// TestPushOfManyDoesNotWait pushes to several groups at once while a push to
// one of them is in progress. The others must be stored and accept pushes.
func TestPushOfManyDoesNotWait(t *testing.T) {
	for _, exists := range []bool{false, true} {
		b := key(t, "b")
		g, letGo := slowPush(t, b, exists)
		var pushes []gateway.Push
		for _, k := range []grouping.Key{key(t, "a"), b, key(t, "c"), key(t, "d")} {
			pushes = append(pushes, gateway.Push{Key: k, Blocks: blocks(t, k, "many 1\n"), Mode: gateway.Replace})
		}
		outcomes := make(chan []error, 1)
		go func() { outcomes <- g.PushAll(context.Background(), pushes) }()
		for len(exposedLines(g.View(), "many")) < 3 {
			runtime.Gosched()
		}
		mustPush(t, g, key(t, "a"), "m 2\n")
		mustPush(t, g, key(t, "d"), "m 2\n")
		letGo()
		for i, err := range <-outcomes {
			if err != nil {
				t.Errorf("push %d: %v", i, err)
			}
		}
		if lines := exposedLines(g.View(), "many"); len(lines) != 2 { // the pushes to a and d were replaced
			t.Errorf("exposed %q", lines)
		}
	}
}

// waiting is a journal that stores nothing and waits until a change's context
// ends.
type waiting struct {
	gateway.Memory
	leave func() // makes the client leave
	early error  // the context's error once the client has left
	late  error  // its error once it has ended
}

func (j *waiting) Commit(ctx context.Context, changes []gateway.Change) []gateway.Outcome {
	j.leave()
	j.early = ctx.Err()
	<-ctx.Done()
	j.late = ctx.Err()
	return []gateway.Outcome{{Verdict: gateway.Failed, Err: j.late}}
}

func TestChangeInJournalOutlastsItsClient(t *testing.T) {
	client, leave := context.WithCancel(context.Background())
	j := &waiting{leave: leave}
	gw, err := gateway.Open(context.Background(), gateway.Config{Journal: j, Wait: 20 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer gw.Close()
	key, err := grouping.NewKey("a")
	if err != nil {
		t.Fatal(err)
	}
	err = gw.Push(client, gateway.Push{Key: key})
	if !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("the push returned %v, want that it is unavailable", err)
	}
	if j.early != nil {
		t.Errorf("the change ended with its client: %v", j.early)
	}
	if !errors.Is(j.late, context.DeadlineExceeded) {
		t.Errorf("the change ended with %v, want its deadline", j.late)
	}
}
