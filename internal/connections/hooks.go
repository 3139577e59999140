package connections

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"pushgateway/internal/guard"
)

// connOf returns the conn behind a server's connection.
func connOf(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	mine, _ := c.(*conn)
	return mine
}

// State is for http.Server.ConnState.
func (p *Pool) State(c net.Conn, state http.ConnState) {
	mine := connOf(c)
	if mine == nil || state == http.StateNew || state == http.StateClosed {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	mine.idle, mine.since = state == http.StateIdle, time.Now()
	if mine.idle {
		p.settle(mine, -mine.pushes)
	}
}

// settle counts the pushes that are being answered.
func (p *Pool) settle(c *conn, n int) {
	before := c.pushes
	c.pushes += n
	if before > 0 && c.pushes == 0 {
		p.wake()
	}
}

type connKey struct{}

// Context is for http.Server.ConnContext.
func (p *Pool) Context(ctx context.Context, c net.Conn) context.Context {
	if mine := connOf(c); mine != nil {
		return context.WithValue(ctx, connKey{}, mine)
	}
	return ctx
}

// Answer marks a push as being answered once its body is complete, or if it has
// none, once its body's method Admitted is called. Passwords must be checked
// before: a connection with such a push is not closed.
func (p *Pool) Answer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connKey{}).(*conn)
		if !ok || r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		p := &push{ReadCloser: r.Body, conn: c, empty: r.ContentLength == 0}
		if r.ProtoMajor > 1 {
			defer p.isAnswered() // otherwise the answer may still be being sent
		}
		r.Body = p
		next.ServeHTTP(w, r)
	})
}

// push is the body of a push.
type push struct {
	io.ReadCloser
	conn  *conn
	empty bool
	there bool
}

// Admitted says that the sender of the push may send it. It may be called by
// whoever has the request.
func (p *push) Admitted() {
	if p.empty {
		p.isThere()
	}
}

func (p *push) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if err == io.EOF {
		p.isThere()
	}
	return n, err
}

func (p *push) isThere() {
	p.count(!p.there, 1)
}

func (p *push) isAnswered() {
	p.count(p.there, -1)
}

func (p *push) count(changes bool, n int) {
	if !changes {
		return
	}
	p.there = !p.there
	p.conn.pool.mu.Lock()
	defer p.conn.pool.mu.Unlock()
	p.conn.pool.settle(p.conn, n)
}

// Limit refuses HTTP/2 requests beyond the maximum number of connections, since
// each connection may carry many. It believes X-Forwarded-For from trusted
// proxies. With HTTP/1 over TLS, where the pool does not see what is sent, it
// closes the connection after a chunked body, so that nothing hidden behind the
// body is read as a request.
func (p *Pool) Limit(proxies guard.Proxies, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 {
			if r.TLS != nil && slices.Contains(r.TransferEncoding, "chunked") {
				w.Header().Set("Connection", "close")
			}
			next.ServeHTTP(w, r)
			return
		}
		lease := p.requests.Open(proxies.Client(r))
		defer lease.Close()
		if lease.Take(1) != nil {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests are in progress; send fewer at once", http.StatusServiceUnavailable)
			return
		}
		control := http.NewResponseController(w)
		lease.Endable(func() {
			_ = control.SetReadDeadline(time.Unix(1, 0))
			_ = control.SetWriteDeadline(time.Unix(1, 0))
		})
		next.ServeHTTP(w, r)
	})
}
