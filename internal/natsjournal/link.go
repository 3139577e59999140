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

	problem atomic.Pointer[error] // why there is no connection, as far as it is known, or nil
}

// up notes that there is a connection.
func (l *link) up(c *nats.Conn) {
	l.maxPayload.Store(c.MaxPayload())
	l.problem.Store(nil)
	l.connected.Store(true)
}
