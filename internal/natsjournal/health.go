package natsjournal

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"pushgateway/internal/gateway"
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

// Kind says that groups are in a stream.
func (j *Journal) Kind() string { return "stream" }

// Name returns the name of the stream.
func (j *Journal) Name() string { return j.config.Stream }

// MaxSize returns the maximum size of the stream in bytes, or 0 if there is
// none.
func (j *Journal) MaxSize() int64 {
	if u := j.usage.Load(); u != nil {
		return int64(u.most)
	}
	return 0
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
	again, clean := time.NewTicker(retryEvery), time.NewTicker(markerTTL/4)
	defer again.Stop()
	defer clean.Stop()
	for {
		select {
		case now := <-again.C:
			j.mu.Lock()
			j.retry(now)
			j.retryStamps(now)
			j.mu.Unlock()
		case now := <-clean.C:
			j.mu.Lock()
			j.forget(now)
			j.mu.Unlock()
		case <-j.stop:
			return
		}
	}
}

// inspect asks about the stream now and then, and compares it with what is known.
func (j *Journal) inspect() {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	go func() {
		<-j.stop
		end()
	}()
	ticker := time.NewTicker(min(usageEvery, j.config.Audit))
	defer ticker.Stop()
	for ctx.Err() == nil {
		j.settleWrites(ctx)
		if info, err := j.ask(ctx, "STREAM.INFO.", nil); err == nil {
			j.noteUsage(info)
			j.watchSettings(info)
		}
		j.watchAddress()
		j.audit(ctx)
		select {
		case <-ticker.C:
		case <-j.look:
		case <-j.stop:
			return
		}
	}
}

// Revision returns up to where everything is applied. exact means that nothing
// behind it is applied: members with the same exact revision have the same
// groups.
func (j *Journal) Revision() (upTo gateway.Revision, exact bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return gateway.Revision(j.position), len(j.stamping) == 0 && j.ahead.to == 0 && j.newest <= j.position
}

// counts counts what happened since the start.
type counts struct{ retries, conflicts, unknown atomic.Uint64 }

// Status describes a member.
type Status struct {
	Connected  bool
	Revision   uint64 // up to which everything is applied
	Behind     uint64 // messages of the stream that are known and not applied
	Lag, Skew  time.Duration
	Retries    uint64 // changes that were sent again
	Conflicts  uint64 // changes that another member has outrun
	Unknown    uint64 // changes whose outcome was not known in time
	Unreadable int    // groups that this version cannot read
	Bytes      uint64 // of the stream
	MaxBytes   uint64 // 0 if there is no bound
	Peers      int    // members, this one included
	Diverging  int    // groups that were found to be missing somewhere
	Differing  int    // settings of the stream that somebody has changed
}

// Status returns the present state.
func (j *Journal) Status() Status {
	s := Status{
		Connected: j.link.connected.Load(), Lag: j.Lag(), Skew: j.Skew(), Peers: len(j.Peers()),
		Retries: j.counts.retries.Load(), Conflicts: j.counts.conflicts.Load(), Unknown: j.counts.unknown.Load(),
	}
	s.Differing = int(j.changed.Load())
	if u := j.usage.Load(); u != nil {
		s.Bytes, s.MaxBytes = u.bytes, u.most
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s.Revision, s.Unreadable, s.Diverging = j.position, j.unread, j.audits.found
	if last := max(j.newest, j.ahead.to); last > j.position {
		s.Behind = last - j.position
	}
	return s
}
