package natsjournal

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/gateway"
)

const (
	// pulseEvery is how often a member gives a sign of life.
	pulseEvery = 2 * time.Second
	// pulseWithin is how long the servers may take to acknowledge it.
	pulseWithin = 2 * time.Second
	// retryPulse is how long a member waits after a failure.
	retryPulse = 200 * time.Millisecond
)

// pulses are the signs of life of a member: small messages in the stream. One
// that is acknowledged proves that the servers accept writes, and its sequence
// is behind everything that was acknowledged before it was sent. It is safe for
// concurrent use.
type pulses struct {
	process string        // a name for this run of this member
	wanted  chan struct{} // has an element if somebody waits

	mu      sync.Mutex
	waiting []chan uint64 // for the sequence of the next pulse
	caught  time.Time     // everything that was acknowledged then is applied

	turn  sync.Mutex // guards last and acked, and is held while a sign of life is on its way
	last  uint64     // the sequence of the latest one that was acknowledged, or 0
	acked time.Time  // when it was
}

func newPulses() pulses {
	return pulses{process: rand.Text()[:12], wanted: make(chan struct{}, 1), caught: time.Now()}
}

// want asks for a pulse soon.
func (p *pulses) want() {
	select {
	case p.wanted <- struct{}{}:
	default:
	}
}

// next returns a channel that receives the sequence of a pulse that is sent
// from now on.
func (p *pulses) next() <-chan uint64 {
	c := make(chan uint64, 1)
	p.mu.Lock()
	p.waiting = append(p.waiting, c)
	p.mu.Unlock()
	p.want()
	return c
}

func (p *pulses) take() []chan uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.waiting
	p.waiting = nil
	return all
}

func (p *pulses) putBack(all []chan uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, all...)
}

// beat is the goroutine that gives signs of life.
func (j *Journal) beat() {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	go func() {
		<-j.stop
		end()
	}()
	ticker := time.NewTicker(pulseEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-j.pulses.wanted:
		case <-j.stop:
			return
		}
		waiting, sent := j.pulses.take(), time.Now()
		seq, err := j.pulse(ctx)
		if err != nil {
			j.pulses.putBack(waiting)
			j.seek(err, time.Now())
			select {
			case <-time.After(retryPulse):
				j.pulses.want()
			case <-j.stop:
			}
			continue
		}
		j.heardServer()
		for _, c := range waiting {
			c <- seq
		}
		j.noteCaught(seq, sent)
	}
}

// noteCaught notes, once everything up to seq is applied, since when nothing is
// missing.
func (j *Journal) noteCaught(seq uint64, sent time.Time) {
	j.mu.Lock()
	reached := j.wait(seq)
	j.mu.Unlock()
	go func() {
		select {
		case <-reached:
			j.pulses.mu.Lock()
			silent := sent.Sub(j.pulses.caught)
			j.pulses.caught = sent
			j.pulses.mu.Unlock()
			j.mu.Lock()
			defer j.mu.Unlock()
			j.silentFor(silent)
		case <-j.stop:
		}
	}()
}

// alive is the body of a sign of life.
type alive struct {
	Member string    `json:"member"`
	At     time.Time `json:"at"` // by the member's clock
	// Reads is the newest format that the member reads. Members of versions before
	// gateway.Format2 do not tell it.
	Reads gateway.Format `json:"reads,omitempty"`
	// Version is that of the program. Applied is up to where the member had
	// everything when it sent this, and Lag how old its last proof of that was.
	Version string        `json:"version,omitempty"`
	Applied uint64        `json:"applied,omitempty"`
	Lag     time.Duration `json:"lag,omitempty"`
}

// silence returns how long ago a sign of life was acknowledged. It counts also while
// the machine sleeps. The caller holds turn.
func (p *pulses) silence(now time.Time) time.Duration {
	return max(now.Sub(p.acked), now.Round(0).Sub(p.acked.Round(0)))
}

// pulseTries is how often a sign of life is sent again because an earlier one has
// arrived after all.
const pulseTries = 3

// pulse sends a sign of life, and returns its sequence.
func (j *Journal) pulse(ctx context.Context) (seq uint64, err error) {
	j.pulses.turn.Lock()
	defer j.pulses.turn.Unlock()
	j.mu.Lock()
	before, seen, expected := j.position, j.breaks.seen, j.pulses.last
	j.mu.Unlock()
	for range pulseTries {
		seq, err = j.tryPulse(ctx, opAlive, headerExpected, strconv.FormatUint(expected, 10))
		wrong, last := (*apiError)(nil), uint64(0)
		if ok := errors.As(err, &wrong); !ok {
			break
		} else if last, ok = wrong.wrongLast(); !ok {
			break
		}
		expected = last
	}
	switch {
	case err == nil:
		if expected == 0 && j.pulses.last != 0 {
			j.recognize(ctx)
		}
		err = j.noteAlive(seq, before, expected, seen)
	case errors.Is(err, errNobody):
		j.noteBreak()
	}
	if ctx.Err() == nil {
		j.acks.note(err, time.Now())
	}
	return seq, err
}

// noteAlive notes a sign of life that the servers have taken because the one before
// was the expected one. It returns an error if the stream is not the one that was
// read up to before. Otherwise the breaks that were seen before are over.
func (j *Journal) noteAlive(seq, before, expected, seen uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.isBack(seq, before) {
		j.checkLast(expected)
	}
	j.pulses.last, j.pulses.acked = seq, time.Now()
	if foreign := j.foreign.Load(); foreign != nil {
		return *foreign
	}
	if j.breaks.isUnsure() {
		j.breaks.over = seen
		j.fetchSoon()
	}
	return nil
}

// tryPulse sends a message of this member, with a header beside the usual ones.
func (j *Journal) tryPulse(ctx context.Context, op string, header ...string) (uint64, error) {
	body, err := json.Marshal(alive{j.config.Member, j.config.Now(), j.config.Newest, j.config.Version, j.reached(), j.Lag()})
	if err != nil {
		return 0, err
	}
	ctx, end := context.WithTimeout(ctx, pulseWithin)
	defer end()
	msg := &nats.Msg{
		Subject: j.names.of(members, j.pulses.process), Data: body,
		Header: nats.Header{headerOp: {op}, headerEncoding: {encoding}, headerTTL: {j.config.Ends.String()}},
	}
	if len(header) == 2 {
		msg.Header.Set(header[0], header[1])
	}
	m, err := j.nats().RequestMsgWithContext(ctx, msg)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return 0, errNobody
	case err != nil && !j.link.connected.Load():
		j.askProblem()
		return 0, cmp.Or(j.link.err(), err)
	case err != nil:
		return 0, fmt.Errorf("the servers of the stream do not answer: %w", err)
	}
	r, err := readReply(m)
	if err == nil && r.Error != nil {
		err = r.Error
	}
	return r.Seq, err
}

// Sync waits until everything is applied that any member had acknowledged when
// it was called: everything before a message of this member's own.
func (j *Journal) Sync(ctx context.Context) error {
	if err := j.Err(); err != nil {
		return err
	}
	if err := j.enter(); err != nil {
		return err
	}
	defer j.calls.Done()
	select {
	case seq := <-j.pulses.next():
		return j.reach(ctx, seq)
	case <-ctx.Done():
		if err := j.acks.last(); err != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return ctx.Err()
	}
}

// reach waits until everything up to seq is applied.
func (j *Journal) reach(ctx context.Context, seq uint64) error {
	j.mu.Lock()
	reached := j.wait(seq)
	j.mu.Unlock()
	j.fetchSoon()
	select {
	case <-reached:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the messages up to %d have not arrived: %w", seq, ctx.Err())
	}
}

// overdue is when a sign of life should have come.
const overdue = pulseEvery + pulseWithin/2

// Lag returns for how long this member has not known that it has everything. It
// is 0 if it has.
func (j *Journal) Lag() time.Duration {
	j.pulses.mu.Lock()
	defer j.pulses.mu.Unlock()
	age := time.Since(j.pulses.caught)
	if age < overdue {
		return 0
	}
	return age
}
