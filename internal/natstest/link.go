package natstest

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Link is the way of one member to one server: a proxy that can lose and delay
// what passes.
type Link struct {
	target   string
	listener net.Listener
	lossy    [2]atomic.Bool // to the server, and back
	delay    atomic.Int64   // a time.Duration, to the server
	done     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	shut  bool
}

// NewLinks makes a link to each server.
func NewLinks(t testing.TB, servers interface{ URLs() []string }) (links []*Link, urls []string) {
	t.Helper()
	for _, url := range servers.URLs() {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l := &Link{target: strings.TrimPrefix(url, "nats://"), listener: listener, conns: make(map[net.Conn]bool)}
		l.done.Go(l.accept)
		t.Cleanup(l.close)
		links, urls = append(links, l), append(urls, "nats://"+listener.Addr().String())
	}
	return links, urls
}

// Lose loses what passes from now on, without a word: to the server, back, or
// both.
func (l *Link) Lose(to, back bool) {
	l.lossy[0].Store(to)
	l.lossy[1].Store(back)
}

// Delay delays what passes to the server.
func (l *Link) Delay(d time.Duration) { l.delay.Store(int64(d)) }

// Mend undoes Lose and Delay. Connections that may have lost something end, as
// they would in time.
func (l *Link) Mend() {
	l.Delay(0)
	if to, back := l.lossy[0].Load(), l.lossy[1].Load(); !to && !back {
		return
	}
	l.endAll()
	l.Lose(false, false)
}

func (l *Link) accept() {
	for {
		in, err := l.listener.Accept()
		if err != nil {
			return
		}
		if l.lossy[0].Load() || l.lossy[1].Load() {
			l.keep(in) // it gets no answer
			continue
		}
		out, err := net.DialTimeout("tcp", l.target, time.Second)
		if err != nil {
			_ = in.Close()
			continue
		}
		l.keep(in)
		l.keep(out)
		l.done.Go(func() { l.pass(out, in, 0) })
		l.done.Go(func() { l.pass(in, out, 1) })
	}
}

func (l *Link) keep(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns[c] = true; l.shut {
		_ = c.Close()
	}
}

// pass copies what comes in one direction.
func (l *Link) pass(to io.WriteCloser, from io.ReadCloser, direction int) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if d := l.delay.Load(); d > 0 && direction == 0 {
			time.Sleep(time.Duration(d))
		}
		if l.lossy[direction].Load() {
			n = 0
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (l *Link) endAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Close()
		delete(l.conns, c)
	}
}

func (l *Link) close() {
	_ = l.listener.Close()
	l.mu.Lock()
	l.shut = true
	l.mu.Unlock()
	l.endAll()
	l.done.Wait()
}
