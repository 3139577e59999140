package natsjournal

import (
	"errors"
	"time"
)

// A server that has lost the others, or was started with the name of another cluster,
// keeps its connections, but acknowledges nothing. The others may be well. So a member
// that hears nothing looks for another server.

// seekAfter is for how long a server may acknowledge nothing. An election of a leader
// takes up to 6.5 s.
const seekAfter = silence

// unheard is since when a connection has acknowledged nothing. Only one goroutine uses
// it: the one that opens the journal, and then the one that gives signs of life.
type unheard struct {
	since time.Time // zero while something is acknowledged
	told  bool
}

// heardServer notes that a server has acknowledged something, or refused it for good.
func (j *Journal) heardServer() {
	if j.unheard.told {
		j.link.relieved()
		j.config.Logger.Info("A NATS server answers again", "server", j.nats().ConnectedUrlRedacted())
	}
	j.unheard = unheard{}
}

// seek is told that a message has got no acknowledgement. It lets the client connect to
// another server if this has gone on for long. If the client knows no other one, it
// keeps the connection.
func (j *Journal) seek(why error, now time.Time) {
	u := &j.unheard
	switch {
	case !j.isSilence(why):
		j.heardServer()
	case u.since.IsZero() || !j.link.connected.Load():
		u.since = now // without a connection, the client seeks by itself
	case now.Sub(u.since) >= seekAfter && len(j.nats().Servers()) > 1:
		u.since = now
		if !u.told {
			j.config.Logger.Warn("This NATS server acknowledges nothing; trying another one", "server", j.nats().ConnectedUrlRedacted(), "err", why)
		}
		j.link.sought.Store(u.told)
		u.told = true
		_ = j.nats().ForceReconnect() // fails only if the client has given up the connection
	}
}

// isSilence reports whether a message has got no acknowledgement because its server
// does not reach those that decide, as far as this member can see.
func (j *Journal) isSilence(why error) bool {
	refusal := (*apiError)(nil)
	return j.foreign.Load() == nil && (!errors.As(why, &refusal) || refusal.isTemporary())
}
