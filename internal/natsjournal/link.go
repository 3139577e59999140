package natsjournal

import (
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// link is what was last known of the connection. The client itself answers no
// questions while it dials, which takes seconds if a server is paused or cut off,
// and scrapes must not wait for that. It is safe for concurrent use.
type link struct {
	connected  atomic.Bool
	maxPayload atomic.Int64 // of the server, in bytes
	unanswered atomic.Int64 // bytes of writes that were sent since the last answer to one
}

// up notes that there is a connection.
func (l *link) up(c *nats.Conn) {
	l.maxPayload.Store(c.MaxPayload())
	l.connected.Store(true)
}
