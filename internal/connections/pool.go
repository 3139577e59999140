// Package connections bounds connections before their requests are known: how many
// there are, and what a request may look like on the wire.
package connections

import (
	"cmp"
	"net"
	"sync"
	"time"

	"pushgateway/internal/guard"
)

const (
	// rested is how long a connection must have been idle to be closed before all
	// others. Its client has to connect again, and loses nothing.
	rested = 10 * time.Second
	// patience is how long a new connection waits if all others are pushes that
	// are being answered.
	patience = time.Second
)

// Pool knows all connections and bounds their number: a new one beyond it
// closes another one. Connections that have been idle for long go first. Then
// the address with the most connections loses one, if it has at least as many
// as that of the new connection: preferably an idle one, else one with a
// request in progress, but never one with a push that is being answered. Pool
// is safe for concurrent use.
type Pool struct {
	limits   guard.ConnectionLimits
	requests *guard.Shares // of HTTP/2

	mu      sync.Mutex
	conns   map[*conn]struct{}
	clients map[string]int // connections by client
	changed chan struct{}  // closed when a connection is closed or becomes closable; nil while nobody waits for that
}

// New returns a pool for connections within limits.
func New(l guard.ConnectionLimits) *Pool {
	l = l.WithDefaults()
	return &Pool{limits: l, requests: guard.NewShares(int64(l.Connections)), conns: make(map[*conn]struct{}), clients: make(map[string]int)}
}

// Listen returns a listener whose connections belong to the pool. Its server needs
// the hooks of the pool.
func (p *Pool) Listen(l net.Listener) net.Listener { return &listener{l, p} }

type listener struct {
	net.Listener
	pool *Pool
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.pool.admit(c), nil
}

// conn is one connection.
type conn struct {
	net.Conn
	pool   *Pool
	client string
	framing

	// The fields below belong to the pool.
	idle   bool      // has no request in progress
	since  time.Time // when idle last changed
	pushes int       // has a push that is being answered
}

// Close may be called several times.
func (c *conn) Close() error {
	c.pool.forget(c)
	return c.Conn.Close()
}

// RemoteAddr is the same for all clients of unix sockets: they choose the names
// of their ends, which could look like addresses of others.
func (c *conn) RemoteAddr() net.Addr {
	if c.client == guard.Sockets {
		return &net.UnixAddr{Name: guard.Sockets, Net: guard.Sockets}
	}
	return c.Conn.RemoteAddr()
}

// CloseWrite lets a server finish an answer to a request that it has not read:
// if it closed at once, the answer might not arrive.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// admit admits a connection, and closes another one if there are too many. If
// none can be closed, it closes the new one.
func (p *Pool) admit(inner net.Conn) *conn {
	c := &conn{Conn: inner, pool: p, client: clientOf(inner), framing: framing{limits: &p.limits}, idle: true, since: time.Now()}
	p.mu.Lock()
	p.conns[c] = struct{}{}
	p.clients[c.client]++
	p.mu.Unlock()
	for end := time.Now().Add(patience); ; {
		victim, changed := p.tooMany(c, !time.Now().Before(end))
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

// tooMany returns the connection to close for c, if any. If only c itself could
// be closed, it returns a channel to wait for, unless c has waited long enough.
func (p *Pool) tooMany(c *conn, late bool) (victim *conn, changed chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.conns) <= p.limits.Connections {
		return nil, nil
	}
	victim = p.worst(c)
	if victim != c || late {
		return victim, nil
	}
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return nil, p.changed
}

// worst is the connection to close for the new one, which may be the new one
// itself.
func (p *Pool) worst(latest *conn) *conn {
	worst := latest
	now := time.Now()
	for c := range p.conns {
		isRested := c.idle && now.Sub(c.since) >= rested
		if c.pushes > 0 || !isRested && p.clients[c.client] < p.clients[latest.client] {
			continue
		}
		if worst == latest || c != latest && p.compare(c, worst, now) < 0 {
			worst = c
		}
	}
	return worst
}

// compare orders connections by which is closed first.
func (p *Pool) compare(a, b *conn, now time.Time) int {
	aRested, bRested := a.idle && now.Sub(a.since) >= rested, b.idle && now.Sub(b.since) >= rested
	if aRested || bRested {
		return cmp.Or(first(aRested, bRested), a.since.Compare(b.since))
	}
	return cmp.Or(cmp.Compare(p.clients[b.client], p.clients[a.client]), first(a.idle, b.idle), a.since.Compare(b.since))
}

// first orders true before false.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func (p *Pool) forget(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.conns[c]; !ok {
		return
	}
	delete(p.conns, c)
	if p.clients[c.client]--; p.clients[c.client] == 0 {
		delete(p.clients, c.client)
	}
	p.wake()
}

// wake makes waiting connections check again. It costs nothing if there are
// none, since it runs at the end of each push.
func (p *Pool) wake() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// clientOf returns the client that a connection counts for.
func clientOf(c net.Conn) string {
	switch addr := c.RemoteAddr().(type) {
	case *net.TCPAddr:
		return guard.Key(addr.AddrPort().Addr().Unmap().WithZone("").String())
	case *net.UnixAddr, nil:
		return guard.Sockets
	default:
		return addr.Network()
	}
}
