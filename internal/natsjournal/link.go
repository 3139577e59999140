package natsjournal

import (
	"errors"
	"fmt"
	"sync"
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

	// sought is set while the member looks for a server that acknowledges something, and
	// has told so: without a majority of servers, it looks every 10 s.
	sought atomic.Bool

	problem atomic.Pointer[error] // why there is no connection, as far as it is known, or nil

	mu   sync.Mutex
	told map[string]bool // problems since there was a connection, or sought is set
}

// mostTold bounds how many problems are told until there is a connection again.
// Each server has its own, and some name a port that differs each time.
const mostTold = 10

// up notes that there is a connection.
func (l *link) up(c *nats.Conn) {
	l.maxPayload.Store(c.MaxPayload())
	l.problem.Store(nil)
	if !l.sought.Load() {
		l.forget()
	}
	l.connected.Store(true)
}

// relieved notes that a server acknowledges something again.
func (l *link) relieved() {
	l.sought.Store(false)
	l.forget()
}

// forget lets problems be told again.
func (l *link) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = nil
}

// note notes why there is no connection, and reports whether to tell it.
func (l *link) note(problem error) (tell bool) {
	l.problem.Store(&problem)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told == nil {
		l.told = make(map[string]bool)
	}
	if tell = !l.told[problem.Error()] && len(l.told) < mostTold; tell {
		l.told[problem.Error()] = true
	}
	return tell
}

// err returns that there is no connection, and why, or nil if there is one.
func (l *link) err() error {
	if l.connected.Load() {
		return nil
	}
	if why := l.problem.Load(); why != nil {
		return fmt.Errorf("there is no connection to a NATS server: %w", *why)
	}
	return errors.New("there is no connection to a NATS server")
}
