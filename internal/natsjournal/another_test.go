package natsjournal_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"pushgateway/internal/gateway"
	"pushgateway/internal/natsjournal"
	"pushgateway/internal/natstest"
)

// TestIsolatedServer has one of three servers start with the name of another cluster.
// The only way of two members leads there at first, one of which just starts. When they
// reach the other servers as well, they leave the one that acknowledges nothing.
func TestIsolatedServer(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 3)
	links, urls := natstest.NewLinks(t, c)
	a := open(t, urls, 3)
	mustPush(t, a, "a", "m 1\n")
	isolated := (c.Leader("S") + 1) % 3
	c.Stop(isolated)
	c.Isolate(isolated)
	for i, l := range links {
		l.Lose(i != isolated, i != isolated)
	}
	type opened struct {
		*gateway.Gateway
		err error
	}
	starts := make(chan opened, 1)
	go func() {
		g, err := gateway.Open(t.Context(), gateway.Config{Journal: natsjournal.New(natsjournal.Config{URLs: urls, Stream: "S", Replicas: 3}), Wait: natsjournal.Wait})
		starts <- opened{g, err}
	}()
	eventually(t, "both members at the isolated server", func() bool { return c.Clients(isolated, "pushgateway ") == 2 })
	for _, l := range links {
		l.Mend()
	}
	eventually(t, "a push is accepted", func() bool {
		return a.Push(context.Background(), pushOf(t, keyOf(t, "a"), "m 2\n")) == nil
	})
	b := <-starts
	if b.err != nil {
		t.Fatal(b.err)
	}
	defer b.Close()
	agree(t, []*gateway.Gateway{a, b.Gateway})
}

// TestSeekingInVain leaves one of three servers, which acknowledges nothing. The member
// looks for another one again and again, and tells it once. When another one is back,
// it tells that, too.
func TestSeekingInVain(t *testing.T) {
	t.Parallel()
	c, log := natstest.Start(t, 3), new(lines)
	openWith(t, natsjournal.Config{URLs: c.URLs(), Stream: "S", Replicas: 3,
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	left := c.Leader("S")
	c.Stop((left + 1) % 3)
	c.Stop((left + 2) % 3)
	told := func(level string) int {
		return strings.Count(log.String(), "level="+level+` msg="Connected to NATS again"`)
	}
	// It does after half a minute, and then every 10 s.
	eventually(t, "it looks for another server", func() bool { return strings.Contains(log.String(), "acknowledges nothing") })
	eventually(t, "it has looked twice more", func() bool { return told("DEBUG") > 1 })
	const refused = 2 * 2 // both servers that are gone, when it looks for the first and the second time
	if told("INFO") > 2 || strings.Count(log.String(), "acknowledges nothing; trying") != 1 || strings.Count(log.String(), "takes no connection") > refused {
		t.Errorf("it has told more than once that it looks for another server:\n%s", log)
	}
	c.Run((left + 1) % 3)
	eventually(t, "it tells that a server answers", func() bool { return strings.Contains(log.String(), `level=INFO msg="A NATS server answers again"`) })
}

// TestServerWithoutJetStream has one of three servers start without JetStream. Members
// go on, and start, also if it is the only one that they know.
func TestServerWithoutJetStream(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 3)
	a := open(t, c.URLs(), 3)
	mustPush(t, a, "a", "m 1\n")
	without := (c.Leader("S") + 1) % 3
	c.Stop(without)
	c.WithoutJetStream(without)
	mustPush(t, a, "a", "m 2\n")
	b := open(t, c.URLs()[without:without+1], 3)
	mustPush(t, b, "b", "m 3\n")
	agree(t, []*gateway.Gateway{a, b})
}
