package natsjournal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// silence is how long the servers may acknowledge nothing before pushes are
	// refused at once.
	silence = 10 * time.Second
	// usageEvery is how often the journal asks how full the stream is.
	usageEvery = 5 * time.Second
	// retryEvery is how often the journal looks for writes to send again.
	retryEvery = 20 * time.Millisecond
)

// health remembers when something last worked. It is safe for concurrent use.
type health struct {
	worked atomic.Int64 // Unix time in ns
	err    atomic.Pointer[error]
}

// note records an attempt.
func (h *health) note(err error, now time.Time) {
	if err == nil {
		h.worked.Store(now.UnixNano())
		h.err.Store(nil)
		return
	}
	h.err.Store(&err)
}

// age returns for how long nothing has worked.
func (h *health) age(now time.Time) time.Duration {
	return now.Sub(time.Unix(0, h.worked.Load()))
}

func (h *health) last() error {
	if err := h.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Err returns why the journal refuses changes at present, or nil. It refuses
// them if the servers have acknowledged nothing for a while, so that clients
// need not wait, or if the stream is not the one that was read.
func (j *Journal) Err() error {
	if err := j.foreign.Load(); err != nil {
		return *err
	}
	age := j.acks.age(time.Now())
	if age < silence {
		return nil
	}
	err := j.acks.last()
	if err == nil {
		err = errors.New("no answer")
	}
	return fmt.Errorf("NATS has acknowledged nothing for %s: %w", age.Round(time.Second), err)
}

// usage is how full the stream is.
type usage struct{ bytes, most uint64 } // most is 0 if there is no bound

// noteUsage records what the leader says of the stream, and whether it is still
// the one that was read.
func (j *Journal) noteUsage(info streamInfo) {
	u := usage{bytes: info.State.Bytes}
	if info.Config.MaxBytes > 0 {
		u.most = uint64(info.Config.MaxBytes)
	}
	j.usage.Store(&u)
	j.checkIdentity(info)
}

// Size returns the size of the stream in bytes, as its leader last said.
func (j *Journal) Size() int64 {
	if u := j.usage.Load(); u != nil {
		return int64(u.bytes)
	}
	return 0
}

// Trouble returns why changes are refused, or nil.
func (j *Journal) Trouble() error { return j.Err() }

// tend does what must be done now and then.
func (j *Journal) tend() {
	again, look, clean := time.NewTicker(retryEvery), time.NewTicker(usageEvery), time.NewTicker(markerTTL/4)
	defer again.Stop()
	defer look.Stop()
	defer clean.Stop()
	ctx, end := context.WithCancel(context.Background())
	defer end()
	for {
		select {
		case now := <-again.C:
			j.mu.Lock()
			j.retry(now)
			j.mu.Unlock()
		case <-look.C:
			if info, err := j.ask(ctx, "STREAM.INFO.", nil); err == nil {
				j.noteUsage(info)
			}
			j.removeGhosts(ctx)
		case now := <-clean.C:
			j.mu.Lock()
			j.forget(now)
			j.mu.Unlock()
		case <-j.stop:
			return
		}
	}
}

// peers are the members that give signs of life. It is safe for concurrent use.
type peers struct {
	mu  sync.Mutex
	all map[string]Peer
}

// Peer is another member.
type Peer struct {
	Name     string
	Revision uint64
	Heard    time.Time
}

func newPeers() peers { return peers{all: make(map[string]Peer)} }

func (p *peers) heard(m message, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.marker {
		delete(p.all, m.token)
		return
	}
	p.all[m.token] = Peer{Name: m.token, Revision: m.seq, Heard: now}
}
