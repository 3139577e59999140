package main

import (
	"io"
	"net"
	"net/http"

	"github.com/nats-io/nats.go"
)

// relay is the least that a cluster can do for a push: a bare net/http server that
// reads the body, sends a message of the usual size, and answers when it is
// acknowledged. Two readers get all messages, as two members do. It runs in this
// process.
type relay struct {
	*target
	engine  *engine
	writers chan int // those that are free
	sent    [manyClients]int
	server  *http.Server
	readers []*nats.Conn
}

func startRelay(e *engine, l *load) (r *relay, err error) {
	r = &relay{engine: e, writers: make(chan int, manyClients)}
	for w := range manyClients {
		r.writers <- w
	}
	for range 2 {
		if err := r.read(); err != nil {
			r.stop()
			return nil, err
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.stop()
		return nil, err
	}
	r.server = &http.Server{Handler: r}
	go func() { _ = r.server.Serve(listener) }() // stop ends it
	r.target = &target{process: &process{addr: listener.Addr().String()}, load: l}
	return r, nil
}

// read adds a reader.
func (r *relay) read() error {
	c, err := nats.Connect(r.engine.conn.ConnectedUrl())
	if err != nil {
		return err
	}
	r.readers = append(r.readers, c)
	_, err = c.Subscribe("read.>", func(*nats.Msg) {})
	return err
}

func (r *relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_, _ = io.Copy(io.Discard, req.Body)
	writer := <-r.writers
	defer func() { r.writers <- writer }()
	r.sent[writer]++
	if err := r.engine.write(writer, r.sent[writer]); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

func (r *relay) stop() {
	for _, c := range r.readers {
		c.Close()
	}
	if r.server != nil {
		_ = r.server.Close()
	}
}
