package natsjournal

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// namedWithin is how long a server may take to accept a connection and say its
// name.
const namedWithin = 300 * time.Millisecond

// moveToLeader connects to the server that leads the stream, if that is one of
// those in the configuration. Any other server passes writes on to it, and the
// answers back, which costs both of them. The journal must not have subscribed yet.
// A connection that cannot be made, or to a server that is too old, changes nothing.
func (j *Journal) moveToLeader(ctx context.Context) {
	if len(j.config.URLs) < 2 {
		return
	}
	info, err := j.ask(ctx, "STREAM.INFO.", nil)
	leader := info.Cluster.Leader
	if err != nil || leader == "" || leader == j.nats().ConnectedServerName() {
		return
	}
	i := slices.IndexFunc(j.config.URLs, func(url string) bool { return j.nameOf(url) == leader })
	if i < 0 {
		return
	}
	first := slices.Concat(j.config.URLs[i:], j.config.URLs[:i])
	c, err := nats.Connect(strings.Join(first, ","), append(j.options(), nats.DontRandomize())...)
	if err != nil {
		return
	}
	if c.ConnectedServerName() != leader || j.checkVersion(c) != nil {
		leave(c)
		return
	}
	leave(j.conn.Swap(c))
}

// nameOf returns the name of a server, or "" if it does not answer at once.
func (j *Journal) nameOf(url string) string {
	c, err := nats.Connect(url, append(j.access(), nats.Timeout(namedWithin), nats.NoReconnect())...)
	if err != nil {
		return ""
	}
	defer c.Close()
	return c.ConnectedServerName()
}

// leave closes a connection that the journal does not use any more, so that it does
// not count as lost.
func leave(c *nats.Conn) {
	c.SetDisconnectErrHandler(nil)
	c.SetReconnectHandler(nil)
	c.SetClosedHandler(nil)
	c.Close()
}
