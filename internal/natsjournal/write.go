package natsjournal

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/gateway"
)

// write is a change on its way. Its bytes, its id and the sequence that it
// expects stay the same each time it is sent, so that the server takes it once.
type write struct {
	id, token string
	change    gateway.Change
	receipts  []gateway.Receipt // in the message
	msg       *nats.Msg         // not changed once it was queued, but replaced
	size      int               // of its body; it stays
	expected  uint64
	call      *call
	index     int // of its outcome in the call

	began   time.Time
	due     time.Time // when to send it (again)
	backoff time.Duration
	since   uint64 // the position when it was first sent
	sent    int
	// copies is how many a server may have received. While it is 0, the change has
	// not happened. A server that refuses a copy proves nothing: for a while there may
	// be two leaders, which both receive it.
	copies int
	behind uint64 // it waits until this message is applied; 0 if it does not
	hole   bool   // that message must be fetched: the position is behind it
	left   bool   // nobody waits for the outcome any more
	over   bool
	queued bool  // in the outbox
	flying bool  // sent, and neither answered nor overdue
	last   error // why it was last refused
}

// call is a call of Commit.
type call struct {
	outcomes []gateway.Outcome
	writes   []*write
	open     int // outcomes that are not known yet
	done     chan struct{}
}

const (
	// answerWithin is how long a write waits for an answer before it is sent
	// again.
	answerWithin = 2 * time.Second
	// leastBackoff and mostBackoff are how long a refused write waits.
	leastBackoff = 5 * time.Millisecond
	mostBackoff  = 250 * time.Millisecond
)

// begin starts a write. The caller holds mu.
func (j *Journal) begin(c *call, i int, change gateway.Change, token string, msg *nats.Msg) {
	e := j.entry(token)
	e.key = change.Key
	foreign := j.foreign.Load()
	switch {
	case foreign != nil:
		c.conclude(i, gateway.Failed, *foreign)
		return
	case e.unreadable != nil:
		c.conclude(i, gateway.Failed, fmt.Errorf("group %s cannot be read, so it cannot be changed: %w", change.Key.Excerpt(), e.unreadable))
		return
	case change.Against != e.revision():
		c.conclude(i, gateway.Stale, errStale)
		return
	}
	if err := j.room(e, change, len(msg.Data)); err != nil {
		c.conclude(i, gateway.Failed, err)
		return
	}
	w := &write{id: msg.Header.Get(headerID), token: token, change: change, msg: msg, size: len(msg.Data), expected: e.seq, call: c, index: i, since: j.position, began: time.Now()}
	if err := j.carry(w, e); err != nil {
		c.conclude(i, gateway.Failed, err)
		return
	}
	msg.Header.Set(headerExpected, strconv.FormatUint(w.expected, 10))
	msg.Reply = j.answers + w.id
	e.write = w
	j.writes[w.id] = w
	c.writes = append(c.writes, w)
	j.queue(w) // Commit sends it
}

// conclude sets an outcome.
func (c *call) conclude(i int, v gateway.Verdict, err error) {
	c.outcomes[i] = gateway.Outcome{Verdict: v, Err: err}
	if c.open--; c.open == 0 {
		close(c.done)
	}
}

// queue queues a write to be sent. The caller holds mu.
func (j *Journal) queue(w *write) {
	w.queued = true
	j.outbox.put(w)
}

// send lets another goroutine send a write. The caller holds mu.
func (j *Journal) send(w *write) {
	j.queue(w)
	j.outbox.signal()
}

// retry sends writes whose time has come. The caller holds mu.
func (j *Journal) retry(now time.Time) {
	for _, w := range j.writes {
		if w.behind == 0 && !w.queued && now.After(w.due) {
			j.landed(w)
			j.send(w)
		}
	}
}

// landed notes that no answer to a write is expected any more, so that others
// can be sent. The caller holds mu.
func (j *Journal) landed(w *write) {
	if w.flying {
		w.flying = false
		j.inFlight--
		j.outbox.signalIfAny()
	}
}

// deferred lets a write that the server has not taken wait for a while. The
// caller holds mu.
func (w *write) deferred(err error) {
	w.last = err
	w.backoff = min(max(2*w.backoff, leastBackoff), mostBackoff)
	w.due = time.Now().Add(w.backoff)
}

// answer is what the servers say to a write or a stamp. err means that no server has
// received it, or that the answer cannot be read.
type answer struct {
	id string
	reply
	err error
}

// answered handles answers.
func (j *Journal) answered(all []answer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, a := range all {
		if w := j.writes[a.id]; w != nil && !j.closed {
			j.decide(w, a)
		} else if j.stamping[a.id] != nil && a.err == nil && a.Error == nil {
			j.stampStored(a)
		} // else it has come back with the feed before
	}
}

// decide handles the answer to a write. The caller holds mu.
func (j *Journal) decide(w *write, a answer) {
	j.landed(w)
	switch {
	case errors.Is(a.err, errNobody):
		w.notReceived()
		w.deferred(a.err)
	case a.err != nil:
		w.last = a.err // it is sent again
	case a.Error != nil:
		j.refused(w, a.Error)
	default:
		j.succeeded(w, a.Seq)
		j.newest = max(j.newest, a.Seq)
		j.acknowledged(a.Seq)
	}
}

// notReceived notes that no server has received the copy that was sent last.
func (w *write) notReceived() { w.copies = max(0, w.copies-1) }

// succeeded applies a write that the stream has, unless a later change of the
// group is already applied. The caller holds mu.
func (j *Journal) succeeded(w *write, seq uint64) {
	e := j.entry(w.token)
	if j.isBack(seq, w.since) {
		return // that has ended w
	}
	if seq > e.seq {
		j.saw(seq, w.id)
		e.took(seq, w.change.Group != nil, w.size)
		e.receipts = w.receipts
		j.apply([]gateway.Applied{{Change: w.change, Revision: gateway.Revision(seq)}})
		if w.change.Group == nil {
			j.dropStamp(e)
		}
	}
	j.finish(w, gateway.Committed, nil)
}

// took notes the latest message of a group.
func (e *entry) took(seq uint64, live bool, size int) {
	e.seq, e.live, e.size, e.unreadable = seq, live, size, nil
	if !live {
		e.ended = time.Now()
	}
}

// refused handles an error of the server. The caller holds mu.
func (j *Journal) refused(w *write, err *apiError) {
	last, wrong := err.wrongLast()
	switch {
	case wrong:
		j.outrun(w, last)
	case err.ErrCode == codeInProgress, err.isTemporary():
		w.deferred(err)
	case err.isFull():
		j.giveUp(w, w.copies-1, fmt.Errorf("%w: %w", errFull, err))
	default:
		j.giveUp(w, w.copies-1, fmt.Errorf("NATS refused it: %w", err))
	}
}

// outrun handles a write that expected another sequence than the subject has.
// The caller holds mu.
func (j *Journal) outrun(w *write, last uint64) {
	e := j.entry(w.token)
	switch {
	case last != 0 && last < w.expected && time.Since(w.began) > staleLeader:
		j.voided(w, errStale) // the group's latest message was lost, and one before it is there
	case last == w.expected, last != 0 && last < w.expected:
		w.deferred(errStale) // a new leader has not caught up, or an old one lags behind
	case last == 0 && e.live && e.seq == w.expected:
		w.deferred(errGone) // until the group is gone here too
		j.audits.gone[w.token] = true
		j.lookSoon()
	case last != 0 && last <= j.position && last > e.seq:
		w.behind, w.hole = last, true // it was never received
		j.late[w] = true
		j.audits.holes[w.token] = max(j.audits.holes[w.token], last)
		j.lookSoon()
	case j.isKnown(w, last):
		j.compare(w, last)
	default:
		w.behind = max(last, e.seq)
		j.late[w] = true
		j.fetchSoon()
	}
}

// isRefuted reports whether a refusal that names the sequence last shows that a write
// has not happened: a server that has a later message refused its only copy.
func (w *write) isRefuted(last uint64) bool { return w.copies == 1 && last > w.expected }

// isKnown reports whether everything is applied that decides about a write that was
// refused for the sequence last. Unless that refuted the write, it is everything up to
// the group's latest message: a copy may have been stored before that. The caller holds
// mu.
func (j *Journal) isKnown(w *write, last uint64) bool {
	seq := j.entry(w.token).seq
	if seq > j.position && !w.isRefuted(last) {
		return false
	}
	return last <= seq || last <= j.position && !w.hole
}

// compare decides about a write whose subject has the sequence last, which is
// applied. The caller holds mu.
func (j *Journal) compare(w *write, last uint64) {
	e := j.entry(w.token)
	switch {
	case e.live || w.change.Against != 0:
		j.outdated(w, last)
	case w.copies > 1 && last != 0:
		j.outdated(w, last)
	default: // only an end came between, or the stream has forgotten one
		w.msg = copyOf(w.msg) // an earlier copy may still be on its way to the connection
		if err := j.carry(w, e); err != nil {
			earlier := w.copies
			if w.isRefuted(last) {
				earlier = 0
			}
			j.giveUp(w, earlier, err)
			return
		}
		w.expected, w.behind = last, 0
		w.msg.Header.Set(headerExpected, strconv.FormatUint(last, 10))
		j.send(w)
	}
}

// copyOf returns a copy of a message whose headers can be set.
func copyOf(m *nats.Msg) *nats.Msg {
	return &nats.Msg{Subject: m.Subject, Reply: m.Reply, Data: m.Data, Header: maps.Clone(m.Header)}
}

// outdated finishes a write that cannot happen any more because its group has a
// later revision. If the refusal refuted it, or no message was missed since it was
// sent, it has not happened. Otherwise a copy of it may have, and the later revision
// has replaced it. The caller holds mu.
func (j *Journal) outdated(w *write, last uint64) {
	if w.isRefuted(last) || j.fetched <= w.since {
		j.finish(w, gateway.Stale, errStale)
		return
	}
	j.voided(w, errReplaced)
}

// giveUp finishes a write that no server takes any more, as when the stream is full or
// somebody has lowered max_payload. If there were earlier copies, one may have been
// stored; then it comes with the feed, like a change of another member. The caller
// holds mu.
func (j *Journal) giveUp(w *write, earlier int, err error) {
	if earlier == 0 {
		j.finish(w, gateway.Failed, err)
		return
	}
	j.voided(w, fmt.Errorf("%w; whether it was stored before that is not known", err))
}

// voided finishes a write that may have happened, but is not the state of its
// group. The caller holds mu.
func (j *Journal) voided(w *write, why error) {
	left := w.left
	j.finish(w, gateway.Unknown, why)
	if !left {
		j.apply([]gateway.Applied{{Change: w.change, Void: true}})
	}
}

// caughtUp decides about writes that waited for what is now applied. The caller
// holds mu.
func (j *Journal) caughtUp() {
	for w := range j.late {
		if last := w.behind; j.isKnown(w, last) {
			w.behind, w.hole = 0, false
			delete(j.late, w)
			j.compare(w, last)
		}
	}
}

// finish ends a write. The caller holds mu.
func (j *Journal) finish(w *write, v gateway.Verdict, err error) {
	j.landed(w)
	delete(j.writes, w.id)
	delete(j.late, w)
	w.over = true
	if e := j.entries[w.token]; e != nil && e.write == w {
		e.write = nil
	}
	if !w.left {
		w.call.conclude(w.index, v, err)
		return
	}
	j.forgotten -= w.size
	if v != gateway.Committed {
		j.apply([]gateway.Applied{{Change: w.change, Void: true}})
	}
}

// leave ends the wait of a call. A change that may still happen stays a write,
// and its outcome is unknown. The others have not happened.
func (j *Journal) leave(c *call, why error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, w := range c.writes {
		if w.over {
			continue
		}
		reason := why
		if last := cmp.Or(j.link.err(), w.last); last != nil {
			reason = fmt.Errorf("%w: %w", why, last)
		}
		if w.copies == 0 {
			j.finish(w, gateway.Failed, reason)
			continue
		}
		w.left = true
		j.forgotten += w.size
		c.conclude(w.index, gateway.Unknown, reason)
	}
}
