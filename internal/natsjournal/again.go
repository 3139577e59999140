package natsjournal

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

// nats returns the connection, or nil before there was one.
func (j *Journal) nats() *nats.Conn { return j.conn.Load() }

// gaveUp notes that the client has closed the connection for good. It does so after
// errors of a server that it does not expect, such as a message that is larger than
// the server takes since somebody has lowered max_payload.
func (j *Journal) gaveUp(c *nats.Conn) {
	if err := c.LastError(); err != nil {
		j.noteProblem(err)
	}
	select {
	case j.lost <- struct{}{}:
	default:
	}
}

// keepConnected is the goroutine that connects anew when the client has given up.
func (j *Journal) keepConnected() {
	for {
		select {
		case <-j.lost:
		case <-j.stop:
			return
		}
		for !j.connectAnew() {
			select {
			case <-time.After(retryStart):
			case <-j.stop:
				return
			}
		}
	}
}

// connectAnew makes another connection in the place of one that is closed, and
// reports whether there is one. What was on its way is sent again.
func (j *Journal) connectAnew() bool {
	c, err := nats.Connect(strings.Join(j.config.URLs, ","), j.options()...)
	if err != nil {
		j.noteProblem(err)
		return false
	}
	if err := j.subscribe(c); err != nil {
		j.noteProblem(err)
		leave(c)
		return false
	}
	j.conn.Store(c)
	j.reconnected(c)
	return true
}

// explainClosed says what to look for if a server has closed a connection before it
// said why, or before that could be read.
func explainClosed(err error) error {
	for _, closed := range []error{io.EOF, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, closed) {
			return fmt.Errorf("the server has closed the connection; its log says why, for example that max_connections is reached: %w", err)
		}
	}
	return err
}
