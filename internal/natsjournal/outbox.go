package natsjournal

import (
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// window is how many changes are sent without an answer. It keeps below what a
// server buffers for a stream.
const window = 512

// outbox queues what is to be sent, since sending blocks while a server reads
// nothing. It is safe for concurrent use.
type outbox struct {
	mu     sync.Mutex
	writes []*write
	bytes  int // of the bodies of writes
	others []*nats.Msg
	more   chan struct{}
}

func newOutbox() *outbox { return &outbox{more: make(chan struct{}, 1)} }

// put queues a write. It does not block. Somebody must send it, or signal.
func (o *outbox) put(w *write) {
	o.mu.Lock()
	o.writes = append(o.writes, w)
	o.bytes += w.size
	o.mu.Unlock()
}

// putOther queues another message. It does not block.
func (o *outbox) putOther(m *nats.Msg) {
	o.mu.Lock()
	o.others = append(o.others, m)
	o.mu.Unlock()
	o.signal()
}

// signal wakes the goroutine that sends.
func (o *outbox) signal() {
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// queued returns how many messages are queued, and the size of those that are writes.
func (o *outbox) queued() (n, bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.writes) + len(o.others), o.bytes
}

// signalIfAny wakes the goroutine that sends if there is anything to send.
func (o *outbox) signalIfAny() {
	if n, _ := o.queued(); n > 0 {
		o.signal()
	}
}

// take returns the other messages, and up to n writes.
func (o *outbox) take(n int) (others []*nats.Msg, writes []*write) {
	o.mu.Lock()
	defer o.mu.Unlock()
	others, o.others = o.others, nil
	n = min(max(n, 0), len(o.writes))
	writes, o.writes = o.writes[:n:n], o.writes[n:]
	for _, w := range writes {
		o.bytes -= w.size
	}
	if len(o.writes) == 0 {
		o.writes = nil
	}
	return others, writes
}

// post is the goroutine that sends.
func (j *Journal) post() {
	defer j.running.Done()
	for {
		select {
		case <-j.outbox.more:
		case <-j.stop:
			return
		}
		j.posting.Lock()
		for j.postSome(window) {
		}
		j.posting.Unlock()
	}
}

// unblocked is how many bytes a connection takes without an answer before sending
// may block, as while a server is paused.
const unblocked = 128 << 10

// busy is how many changes are in flight when those that come together are sent
// together.
const busy = 8

// postNow sends what is queued, unless another goroutine is sending, or has sent it.
// That takes one goroutine less than to wake post. It leaves the sending to post where
// that may block: without a connection, since the client may dial, and when much was
// sent without an answer.
//
// If many changes are in flight, other calls that can run queue theirs first. Then the
// client writes them to the connection at once, and the servers answer them so.
func (j *Journal) postNow(together bool) {
	if together {
		runtime.Gosched()
	}
	n, bytes := j.outbox.queued()
	if n == 0 {
		return
	}
	calm := j.link.connected.Load() && j.link.unanswered.Load()+int64(bytes) <= unblocked
	if calm && j.posting.TryLock() {
		sent := j.postSome(n)
		j.posting.Unlock()
		if !sent {
			return // until the window has room
		}
	}
	j.outbox.signalIfAny()
}

// postSome sends what is queued, up to n writes, as far as the window has room. It
// reports whether there was anything to send. The caller holds posting.
func (j *Journal) postSome(n int) bool {
	others, writes := j.outbox.take(min(n, j.canFly()))
	for _, m := range others {
		_ = j.nats().PublishMsg(m) // whoever needs an answer sends it again
	}
	for _, w := range writes {
		j.publish(w)
	}
	return len(others)+len(writes) > 0
}

// canFly returns how many more writes may be sent.
func (j *Journal) canFly() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return window - j.inFlight
}

// publish sends a write, unless it has been decided meanwhile.
func (j *Journal) publish(w *write) {
	msg := j.sending(w)
	if msg == nil {
		return
	}
	j.link.unanswered.Add(int64(len(msg.Data)))
	if err := j.nats().PublishMsg(msg); err != nil { // nothing was sent
		j.mu.Lock()
		defer j.mu.Unlock()
		j.landed(w)
		w.notReceived()
		if errors.Is(err, nats.ErrMaxPayload) {
			j.giveUp(w, w.copies, j.tooLarge(w.change.Key, int64(w.msg.Size())))
			return
		}
		w.deferred(err)
	}
}

// sending notes that a copy of a write is sent, and returns its message, which
// nobody changes. It returns nil if there is nothing to send.
func (j *Journal) sending(w *write) *nats.Msg {
	j.mu.Lock()
	defer j.mu.Unlock()
	w.queued = false
	if w.over || w.behind != 0 {
		return nil
	}
	w.flying = true
	j.inFlight++
	if w.sent++; w.sent > 1 {
		j.counts.retries.Add(1)
	}
	w.copies++
	w.due = time.Now().Add(answerWithin)
	return w.msg
}
