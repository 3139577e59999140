package natsjournal

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// advanceStep is how many messages Advance sends before it waits for an answer.
const advanceStep = 256

// advancePatience is how long Advance goes on without an answer. An election of a
// leader takes up to 6.5 s.
const advancePatience = 30 * time.Second

// Advance makes every message that any member stores from now on have a higher
// sequence than seq, and so a revision that is younger. It writes messages without
// content, of which the stream keeps the last one.
func (j *Journal) Advance(ctx context.Context, seq uint64) error {
	if err := j.enter(); err != nil {
		return err
	}
	defer j.calls.Done()
	at, answered := j.reached(), time.Now()
	for at < seq {
		for range min(seq-at, advanceStep) - 1 {
			_ = j.nats().PublishMsg(j.empty())
		}
		last, err := j.tryPulse(ctx, opLeft) // some of the others may be lost
		switch {
		case err == nil:
			at, answered = last, time.Now()
		case ctx.Err() != nil || time.Since(answered) > advancePatience:
			return err
		default:
			time.Sleep(retryPulse)
		}
	}
	return j.reach(ctx, at)
}

// empty returns a message of this member without content.
func (j *Journal) empty() *nats.Msg {
	return &nats.Msg{Subject: j.names.of(members, j.pulses.process), Header: nats.Header{
		headerOp: {opLeft}, headerEncoding: {encoding}, headerTTL: {j.config.Ends.String()},
	}}
}
