// Package doors bounds what connections take before anybody knows what they
// want: how many there are, and what a request may look like on the wire.
package doors

import (
	"cmp"
	"net"
	"sync"
	"time"

	"pushgateway/internal/guard"
)

const (
	// rested is how long a connection has been without a request that can be
	// closed before all others: its client has to connect anew, and loses nothing.
	rested = 10 * time.Second
	// patience is how long a new connection waits when all others are pushes
	// that are being answered.
	patience = time.Second
)

// Doors knows all connections. There are never more than so many: a new one has
// another one closed. First go those that have long been idle. Then the address
// with most connections gives one up, if it has no fewer than the new one's: one
// without a request, or else one with a request under way, but never with a push
// that is being answered. It is safe for concurrent use.
type Doors struct {
	limits   guard.ConnectionLimits
	requests *guard.Shares // of HTTP/2

	mu      sync.Mutex
	conns   map[*conn]struct{}
	clients map[string]int // connections of each
	changed chan struct{}  // closed when a connection goes or may be closed; nil while nobody waits for that
}

// New makes doors for connections within limits.
func New(l guard.ConnectionLimits) *Doors {
	l = l.WithDefaults()
	return &Doors{limits: l, requests: guard.NewShares(int64(l.Connections)), conns: make(map[*conn]struct{}), clients: make(map[string]int)}
}

// Listen gives a listener whose connections pass the doors. Its server needs
// the hooks of the doors.
func (d *Doors) Listen(l net.Listener) net.Listener { return &listener{l, d} }

type listener struct {
	net.Listener
	doors *Doors
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.doors.admit(c), nil
}

// conn is one connection.
type conn struct {
	net.Conn
	doors  *Doors
	client string
	framing

	// The rest is the doors'.
	idle   bool      // has no request under way
	since  time.Time // when it became so, or ceased to be
	pushes int       // being answered
}

// Close may be called several times.
func (c *conn) Close() error {
	c.doors.forget(c)
	return c.Conn.Close()
}

// CloseWrite lets a server end an answer whose request it has not read: what is
// closed at once may not arrive.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// admit lets a connection in, and closes another if there are too many. Where
// none can be closed it closes this one.
func (d *Doors) admit(inner net.Conn) *conn {
	c := &conn{Conn: inner, doors: d, client: clientOf(inner), framing: framing{limits: &d.limits}, idle: true, since: time.Now()}
	d.mu.Lock()
	d.conns[c] = struct{}{}
	d.clients[c.client]++
	d.mu.Unlock()
	for end := time.Now().Add(patience); ; {
		victim, changed := d.tooMany(c, !time.Now().Before(end))
		if victim != nil {
			_ = victim.Close()
		}
		if changed == nil {
			return c
		}
		select {
		case <-changed:
		case <-time.After(time.Until(end)):
		}
	}
}

// tooMany tells whom to close for c, if anybody. If nobody can be closed but c,
// it gives what to wait for, unless it is too late for that.
func (d *Doors) tooMany(c *conn, late bool) (victim *conn, changed chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.conns) <= d.limits.Connections {
		return nil, nil
	}
	victim = d.worst(c)
	if victim != c || late {
		return victim, nil
	}
	if d.changed == nil {
		d.changed = make(chan struct{})
	}
	return nil, d.changed
}

// worst is the connection to close for the new one, which may be that itself.
func (d *Doors) worst(latest *conn) *conn {
	worst := latest
	now := time.Now()
	for c := range d.conns {
		isRested := c.idle && now.Sub(c.since) >= rested
		if c.pushes > 0 || !isRested && d.clients[c.client] < d.clients[latest.client] {
			continue
		}
		if worst == latest || c != latest && d.compare(c, worst, now) < 0 {
			worst = c
		}
	}
	return worst
}

// compare orders connections by who is closed first.
func (d *Doors) compare(a, b *conn, now time.Time) int {
	aRested, bRested := a.idle && now.Sub(a.since) >= rested, b.idle && now.Sub(b.since) >= rested
	if aRested || bRested {
		return cmp.Or(first(aRested, bRested), a.since.Compare(b.since))
	}
	return cmp.Or(cmp.Compare(d.clients[b.client], d.clients[a.client]), first(a.idle, b.idle), a.since.Compare(b.since))
}

// first orders what is so before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func (d *Doors) forget(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.conns[c]; !ok {
		return
	}
	delete(d.conns, c)
	if d.clients[c.client]--; d.clients[c.client] == 0 {
		delete(d.clients, c.client)
	}
	d.wake()
}

// wake has those look again who wait to be let in. It costs nothing while nobody
// does, as it comes with the end of each push.
func (d *Doors) wake() {
	if d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
}

// clientOf gives what a connection is counted under.
func clientOf(c net.Conn) string {
	addr := c.RemoteAddr()
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return guard.Key(tcp.AddrPort().Addr().Unmap().WithZone("").String())
	}
	return addr.Network()
}
