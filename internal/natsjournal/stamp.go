package natsjournal

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/gateway"
)

// stampsWithin is how long Close waits for stamps.
const stampsWithin = time.Second

// Stamp applies a stamp at once and sends it. The stamp is lost if no server
// takes it.
func (j *Journal) Stamp(s gateway.Stamp) {
	token, id := tokenOf(s.Key), j.nextID()
	msg := newMessage(j.names.of(stamps, token), opStamp, id, s.Key, encodeStamp(s))
	msg.Reply = j.answers + id
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entry(token)
	if j.closed || !e.admits(s) {
		return
	}
	e.key, e.stamp = s.Key, stamped{at: s.At.UnixNano()}
	if len(j.stamping) < maxStamping {
		j.stamping[id] = &sentStamp{msg, time.Now()}
		j.outbox.putOther(msg)
	}
	j.apply([]gateway.Applied{{Change: gateway.Change{Key: s.Key}, Stamp: &s}})
}

// maxStamping bounds the stamps on their way.
const maxStamping = 10_000

// sentStamp is a stamp that was sent.
type sentStamp struct {
	msg *nats.Msg
	at  time.Time
}

// stampStored notes that the stream has a stamp. The caller holds mu.
func (j *Journal) stampStored(a answer) {
	delete(j.stamping, a.id)
	j.newest = max(j.newest, a.Seq)
}

// retryStamps sends stamps again that got no answer. The caller holds mu.
func (j *Journal) retryStamps(now time.Time) {
	for _, s := range j.stamping {
		if now.Sub(s.at) > answerWithin {
			s.at = now
			j.outbox.putOther(s.msg)
		}
	}
}

// flushStamps waits a moment until the stream has all stamps.
func (j *Journal) flushStamps() {
	for end := time.Now().Add(stampsWithin); time.Now().Before(end); time.Sleep(time.Millisecond) {
		j.mu.Lock()
		n := len(j.stamping)
		j.mu.Unlock()
		if n == 0 || !j.link.connected.Load() {
			return
		}
	}
}

// dropStamp forgets the stamp of a group that has ended, and removes it from
// the stream, where it would come back with the next replay. The caller holds
// mu.
func (j *Journal) dropStamp(e *entry) {
	if e.stamp.seq != 0 {
		j.removeMessage(e.stamp.seq)
	}
	e.stamp = stamped{}
}

// removeMessage removes a message from the stream. Several members may do so.
func (j *Journal) removeMessage(seq uint64) {
	request, _ := json.Marshal(map[string]any{"seq": seq, "no_erase": true}) // numbers always encode
	j.outbox.putOther(j.request("STREAM.MSG.DELETE."+j.config.Stream, request))
}

// settleStamps applies the stamps of a replay, after all groups. The caller
// holds mu.
func (j *Journal) settleStamps() {
	all := make([]decoded, 0, len(j.held))
	for _, d := range j.held {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b decoded) int { return cmp.Compare(a.seq, b.seq) })
	var applied []gateway.Applied
	for _, d := range all {
		e := j.entry(d.token)
		e.key, e.stamp = d.key, stamped{d.seq, d.refusal.At.UnixNano()}
		switch known := j.times[d.token]; {
		case !e.live && (d.seq < e.seq || !e.admits(d.refusal)), e.live && d.refusal.Against != 0 && d.refusal.Against < known.since:
			j.dropStamp(e) // of a group that has ended
		case e.live && d.seq < e.seq && !d.refusal.At.After(known.failed):
			// The record was made after it, and has it.
		default:
			applied = append(applied, gateway.Applied{Change: gateway.Change{Key: d.key}, Stamp: &d.refusal})
		}
	}
	j.held, j.times = nil, nil
	if len(applied) > 0 {
		j.apply(applied)
	}
}
