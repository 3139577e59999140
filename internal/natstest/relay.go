package natstest

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Relay is a server without a stream of its own. It passes on what clients ask
// another server, and the answers, and can change or lose both.
type Relay struct {
	*Cluster
	tamper atomic.Pointer[func(*nats.Msg) bool]
}

// relayed are the subjects that a relay passes on: those of gateways whose stream
// is S.
var relayed = []string{"$JS.API.>", "pg.S.>"}

// NewRelay starts a relay for the first server of a cluster.
func NewRelay(t testing.TB, behind *Cluster) *Relay {
	t.Helper()
	r := &Relay{Cluster: start(t, 1, func(o *server.Options) { o.JetStream = false })}
	r.Tamper(func(*nats.Msg) bool { return true })
	front, back := dial(t, r.URLs()[0]), dial(t, behind.URLs()[0])
	inbox := nats.NewInbox() + "."
	for _, subject := range relayed {
		pass(t, front, back, subject, func(m *nats.Msg) bool {
			if m.Reply != "" {
				m.Reply = inbox + m.Reply
			}
			return (*r.tamper.Load())(m)
		})
	}
	pass(t, back, front, "pgf.S.>", func(*nats.Msg) bool { return true })
	pass(t, back, front, inbox+">", func(m *nats.Msg) bool {
		m.Subject = strings.TrimPrefix(m.Subject, inbox)
		return (*r.tamper.Load())(m)
	})
	return r
}

// Tamper sets what sees all requests, and then all answers, before they pass. It may
// change them, and returns false for what gets lost.
func (r *Relay) Tamper(with func(*nats.Msg) bool) { r.tamper.Store(&with) }

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
func pass(t testing.TB, from, to *nats.Conn, subject string, allow func(*nats.Msg) bool) {
	t.Helper()
	sub, err := from.Subscribe(subject, func(m *nats.Msg) {
		copied := &nats.Msg{Subject: m.Subject, Reply: m.Reply, Header: m.Header, Data: m.Data}
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
