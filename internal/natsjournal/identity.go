package natsjournal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/gateway"
)

// checkIdentity finds out whether the stream was made anew or set back. Then
// the memory is all there is, and the journal refuses changes.
func (j *Journal) checkIdentity(info streamInfo) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.created.IsZero() {
		j.created = info.Created
	}
	var err error
	switch {
	case !info.Created.Equal(j.created):
		err = fmt.Errorf("the stream was made anew at %s; %w", info.Created.Format(time.RFC3339), errForeign)
	case info.State.LastSeq >= info.before:
		j.back = time.Time{}
	case j.back.IsZero():
		j.back = time.Now()
	case time.Since(j.back) > staleLeader:
		err = fmt.Errorf("the stream ends at %d, and this member has read up to %d; %w", info.State.LastSeq, info.before, errForeign)
	}
	if err != nil {
		j.disown(err)
	}
}

// isSame asks whether the stream is the one that was read. It returns false also
// if that is not certain. Then what the stream lacks shows nothing.
func (j *Journal) isSame(ctx context.Context) bool {
	info, err := j.ask(ctx, "STREAM.INFO.", nil)
	if err != nil {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.foreign.Load() == nil && info.Created.Equal(j.created) && info.State.LastSeq >= info.before
}

// breaks counts how often the stream was out of sight: the connection was lost, or
// nobody answered for the stream. It may be another one afterwards, so nothing of it
// is applied until it has taken a sign of life. Journal.mu guards it.
type breaks struct{ seen, over uint64 }

func (b breaks) isUnsure() bool { return b.seen != b.over }

// noteBreak notes that the stream is out of sight.
func (j *Journal) noteBreak() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.breaks.seen++
}

// checkLast finds out from a sign of life whether the stream was set back while this
// member did not look, and has since passed its position. A sign of life is taken
// only if the latest one of this process is the expected one. So if the servers have
// taken one that expected less than they had acknowledged, they have lost that. They
// also forget it after a long silence; and recognize knows if somebody has removed
// it. The caller holds mu.
func (j *Journal) checkLast(expected uint64) {
	last := j.pulses.last
	if expected >= last || expected == 0 && j.pulses.silence(time.Now()) > j.config.Ends/2 {
		return
	}
	j.disown(fmt.Errorf("the stream lacks the message %d, which the servers had acknowledged: it was set back, and has gone on since, or messages were removed; %w", last, errForeign))
}

// recognizeTries is how often the journal asks for the latest change, which another
// one may have replaced meanwhile.
const recognizeTries = 3

// recognize looks for the latest change of a group if the stream has no sign of life
// of this process. If the stream has that change, it was not set back to before it:
// somebody has removed signs of life, and what this member has is in the stream. The
// caller holds turn.
func (j *Journal) recognize(ctx context.Context) {
	for range recognizeTries {
		j.mu.Lock()
		latest := j.latest
		j.mu.Unlock()
		if there, err := j.has(ctx, latest); err == nil && there {
			j.config.Logger.Warn("Somebody has removed the signs of life of this member from the stream. The stream has the latest change of a group, so it is the same", "sequence", latest.seq)
			j.pulses.last = 0
			return
		}
	}
}

// has asks the leader whether the stream has a change. If it has not, that may also
// be an error.
func (j *Journal) has(ctx context.Context, w witness) (bool, error) {
	if w.seq == 0 {
		return false, errNotFound
	}
	info, err := j.ask(ctx, "STREAM.MSG.GET.", map[string]uint64{"seq": w.seq})
	if err != nil {
		return false, err
	}
	header, err := nats.DecodeHeadersMsg(info.Message.Header)
	return err == nil && header.Get(headerID) == w.id, err
}

// staleLeader is for how long the leader may say that the stream ends early. It may
// be one that has not noticed that there is another, which takes it some 10 s.
const staleLeader = 30 * time.Second

// isBack reports whether a message got a sequence that the stream had passed
// before it was sent. Then it is another stream. The caller holds mu.
func (j *Journal) isBack(seq, before uint64) bool {
	if seq > before {
		return false
	}
	j.disown(fmt.Errorf("the stream is at %d, and this member has read up to %d; %w", seq, before, errForeign))
	return true
}

// disown refuses changes from now on, and ignores the stream. It ends the changes on
// their way. The caller holds mu.
func (j *Journal) disown(err error) {
	if !j.foreign.CompareAndSwap(nil, &err) {
		return
	}
	j.config.Logger.Error("Refusing pushes: the stream is not the one that was read. Scrapes go on from memory", "err", err)
	for _, w := range j.writes {
		if w.copies == 0 {
			j.finish(w, gateway.Failed, err)
		} else {
			j.voided(w, err)
		}
	}
}

var errForeign = errors.New("groups that only this member has would be lost with it. Copy them with `pushgateway backup`, merge them into the stream with `pushgateway import --cluster.url --merge`, then restart this member; see docs/cluster.md")
