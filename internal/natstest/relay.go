package natstest

import (
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Relay is a server without a stream of its own. It passes on what clients ask
// another server, the answers, and the feed of the stream S. It can change and lose
// all of them.
type Relay struct {
	*Cluster

	mu     sync.Mutex
	tamper func(Passing) bool
	asked  map[string]*nats.Msg // requests, by where their answers go
}

// Passing is a message on its way.
type Passing struct {
	*nats.Msg           // may be changed
	Request   *nats.Msg // that it answers; nil if it is no answer
}

// NewRelay starts a relay for the first server of a cluster.
func NewRelay(t testing.TB, behind *Cluster) *Relay {
	t.Helper()
	r := &Relay{
		Cluster: start(t, 1, func(o *server.Options) { o.JetStream = false }),
		asked:   make(map[string]*nats.Msg), tamper: func(Passing) bool { return true },
	}
	front, back := dial(t, r.URLs()[0]), dial(t, behind.URLs()[0])
	inbox := nats.NewInbox() + "."
	for _, subject := range []string{"$JS.API.>", "pg.S.>"} {
		r.pass(t, front, back, subject, func(m *nats.Msg) bool {
			r.asked[m.Reply] = &nats.Msg{Subject: m.Subject, Data: m.Data}
			pass := r.tamper(Passing{Msg: m})
			if m.Reply != "" {
				m.Reply = inbox + m.Reply
			}
			return pass
		})
	}
	r.pass(t, back, front, "pgf.S.>", func(m *nats.Msg) bool { return r.tamper(Passing{Msg: m}) })
	r.pass(t, back, front, inbox+">", func(m *nats.Msg) bool {
		m.Subject = strings.TrimPrefix(m.Subject, inbox)
		return r.tamper(Passing{Msg: m, Request: r.asked[m.Subject]})
	})
	return r
}

// Tamper sets what sees all messages before they pass. It may change them, and
// returns false for what gets lost. It is called for one after the other.
func (r *Relay) Tamper(with func(Passing) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tamper = with
}

func dial(t testing.TB, url string) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(url, nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// pass publishes on one connection what comes on the other.
func (r *Relay) pass(t testing.TB, from, to *nats.Conn, subject string, allow func(*nats.Msg) bool) {
	t.Helper()
	sub, err := from.Subscribe(subject, func(m *nats.Msg) {
		copied := &nats.Msg{Subject: m.Subject, Reply: m.Reply, Header: m.Header, Data: m.Data}
		r.mu.Lock()
		defer r.mu.Unlock()
		if allow(copied) {
			_ = to.PublishMsg(copied) // a lost message is a fault that clients bear
		}
	})
	if err == nil {
		err = sub.SetPendingLimits(-1, -1)
	}
	if err == nil {
		err = from.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
}
