package natsjournal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// consumerConfig describes a consumer that pushes the stream, in order, to one
// subscription. It needs no acknowledgements, and ends soon after the
// subscription.
type consumerConfig struct {
	DeliverSubject string        `json:"deliver_subject"`
	DeliverPolicy  string        `json:"deliver_policy"`
	StartSeq       uint64        `json:"opt_start_seq"`
	AckPolicy      string        `json:"ack_policy"`
	MaxDeliver     int           `json:"max_deliver"`
	FlowControl    bool          `json:"flow_control"`
	Heartbeat      time.Duration `json:"idle_heartbeat"`
	Threshold      time.Duration `json:"inactive_threshold"`
	Replicas       int           `json:"num_replicas"`
	Memory         bool          `json:"mem_storage"`
}

// chunkMessages is how many messages of a consumer are replayed at once.
const chunkMessages = 2_000

var errSilent = errors.New("the consumer sends nothing")

// consume sends the messages from a sequence on to ahead, in chunks, as a
// consumer pushes them. It ends with the last one that is wanted, or with an
// error, and returns which sequence comes next. A consumer costs the servers
// less than pages, for each of which they count what is left, but it lives on a
// single server. So the caller goes on with pages after an error.
func (j *Journal) consume(ctx context.Context, from, last uint64, ahead chan<- fetched) (next uint64, err error) {
	inbox := j.nats().NewInbox()
	sub, err := j.nats().SubscribeSync(inbox)
	if err != nil {
		return from, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := sub.SetPendingLimits(-1, -1); err != nil { // flow control bounds them
		return from, err
	}
	if err := j.createConsumer(ctx, inbox, from); err != nil {
		return from, err
	}
	c := consumption{Journal: j, sub: sub, last: time.Now()}
	for from <= last {
		chunk, err := c.chunk(last)
		if n := len(chunk.page); n > 0 {
			select {
			case ahead <- chunk:
				from = chunk.page[n-1].seq + 1
			case <-ctx.Done():
				return from, ctx.Err()
			}
		}
		if err != nil {
			return from, err
		}
	}
	return from, nil
}

func (j *Journal) createConsumer(ctx context.Context, inbox string, from uint64) error {
	name := "start-" + j.pulses.process
	request, err := json.Marshal(map[string]any{"stream_name": j.config.Stream, "config": consumerConfig{
		DeliverSubject: inbox, DeliverPolicy: "by_start_sequence", StartSeq: from, AckPolicy: "none", MaxDeliver: 1,
		FlowControl: true, Heartbeat: fetchWithin / 4, Threshold: 5 * time.Second, Replicas: 1, Memory: true,
	}})
	if err != nil {
		return err
	}
	ctx, end := context.WithTimeout(ctx, askWithin)
	defer end()
	m, err := j.nats().RequestWithContext(ctx, j.api("CONSUMER.CREATE."+j.config.Stream+"."+name), request)
	if err != nil {
		return fmt.Errorf("making a consumer: %w", err)
	}
	r, err := readReply(m)
	if err == nil && r.Error != nil {
		err = r.Error
	}
	return err
}

// consumption is what a consumer has sent so far.
type consumption struct {
	*Journal
	sub  *nats.Subscription
	sent uint64    // messages
	last time.Time // when the last one came
}

// chunk waits for messages, and returns those that have come, up to the last one
// that is wanted. With an error it returns what came before.
func (c *consumption) chunk(last uint64) (got fetched, err error) {
	for len(got.page) < chunkMessages {
		if waiting, _, _ := c.sub.Pending(); waiting == 0 && len(got.page) > 0 {
			return got, nil
		}
		m, err := c.sub.NextMsg(fetchWithin)
		if err != nil {
			return got, err
		}
		if m.Header.Get(headerStatus) != "" {
			if err := c.control(m); err != nil {
				return got, err
			}
			continue
		}
		one, left, err := c.read(m)
		if errors.Is(err, errSubject) {
			continue
		}
		if err != nil {
			return got, err
		}
		got.page, got.left = append(got.page, one), left
		if one.seq >= last {
			return got, nil
		}
	}
	return got, nil
}

// control answers what is no message: a question whether all has arrived, or a
// sign of life.
func (c *consumption) control(m *nats.Msg) error {
	if m.Header.Get(headerStatus) != "100" {
		return fmt.Errorf("reading the stream: %s %s", m.Header.Get(headerStatus), m.Header.Get("Description"))
	}
	if time.Since(c.last) > fetchWithin {
		return errSilent
	}
	answer := m.Reply
	if answer == "" {
		answer = m.Header.Get("Nats-Consumer-Stalled")
	}
	if answer == "" {
		return nil
	}
	return c.nats().Publish(answer, nil)
}

// read reads a message, which must follow the one before.
func (c *consumption) read(m *nats.Msg) (one message, left uint64, err error) {
	about, err := m.Metadata()
	if err != nil {
		return message{}, 0, err
	}
	c.last = time.Now()
	if c.sent++; about.Sequence.Consumer != c.sent {
		return message{}, 0, fmt.Errorf("reading the stream: message %d of the consumer follows %d", about.Sequence.Consumer, c.sent-1)
	}
	one, err = c.names.readAs(m, m.Subject, about.Sequence.Stream, about.Timestamp)
	return one, about.NumPending, err
}
