// Package natsjournal implements a journal that several members share: a stream
// of NATS JetStream. It holds the latest record of each group under a subject of
// its own.
//
// A change is a message that the servers take only if the latest message of its
// subject is still the one that the change was made from. Members learn about
// the changes of others from the messages that the servers republish, and fetch
// what they missed from any replica.
//
// The package assumes that the servers keep what they have acknowledged, which
// needs replicas, and "sync_interval: always" in case all of them lose power.
// It never empties the memory because of what it cannot find in the stream.
package natsjournal

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/record"
)

// Config describes a journal. URLs and Stream are required.
type Config struct {
	// URLs are those of the NATS servers, like nats://127.0.0.1:4222.
	URLs []string
	// Stream is the name of the stream. It is made if it does not exist.
	Stream string
	// Replicas is on how many servers the stream is. 0 means 1.
	Replicas int
	// MaxBytes bounds the stream when it is made. 0 means no bound.
	MaxBytes int64
	// Credentials is a file with the credentials for the servers, or "".
	Credentials string
	// SystemCredentials is a file with credentials for the servers' system account, or
	// "". With it the journal checks what clients do not see.
	SystemCredentials string
	// TLS configures the connection. Nil means that the URLs decide.
	TLS *tls.Config
	// Authorities is a file with the certificates of the authorities that sign those of
	// the servers, or "". Each connection reads it, and trusts no others.
	Authorities string
	// AllowOld accepts servers older than Oldest.
	AllowOld bool
	// Member is the address of this member, which it shows to others. Others do not
	// show a member without one, such as a command that only copies groups.
	Member string
	// Version is that of the program, which it shows to others.
	Version string
	// MustExist means that Open fails if the stream does not exist. Then Replicas
	// and MaxBytes have no meaning.
	MustExist bool
	// First is the sequence of the first message if the stream is made. 0 means 1.
	First uint64
	// Newest is the newest format that this member reads and writes. 0 means
	// gateway.NewestFormat. With another one it acts as an older version.
	Newest gateway.Format
	// Now is the clock of this machine. Nil means time.Now.
	Now func() time.Time
	// Page is how many messages are fetched at once. 0 means 10,000.
	Page int
	// Ends is how long the stream remembers that a group has ended. 0 means an hour.
	// All members must agree on it.
	Ends time.Duration
	// Audit is how often the member compares its groups with the stream. 0 means 5
	// minutes.
	Audit time.Duration
	// Logger receives what operators should know. Nil means no logging.
	Logger *slog.Logger
	// Observe is called after each answered change. It must not block.
	Observe func(Written)
	// Progress is called with the number of messages replayed and their total.
	Progress func(done, all int)
	// Waiting is called with what the start waits for, and with nil once it waits
	// for nothing.
	Waiting func(error)
}

// Written describes an attempt to store changes.
type Written struct {
	Changes int
	Bytes   int // of their messages
	Took    time.Duration
	Err     error
}

// Wait is how long a change may wait for the servers. An election of a leader
// takes up to 6.5 s.
const Wait = 8 * time.Second

// Journal is a gateway.Journal in a stream. It is safe for concurrent use once
// it is open.
type Journal struct {
	config  Config
	names   names
	apply   func([]gateway.Applied)           // called with mu held
	stored  func(grouping.Key) *gateway.Group // called without mu
	conn    atomic.Pointer[nats.Conn]         // nil before the first one
	lost    chan struct{}                     // has an element if the client has given up the connection
	answers string                            // subject prefix of the answers to writes
	link    link
	outbox  *outbox
	posting sync.Mutex    // held while sending what is in outbox; taken before mu
	fetch   chan struct{} // has an element if messages are missing
	look    chan struct{} // has an element if groups may be gone, or missing
	pulses  pulses
	reads   health // of fetching
	acks    health // of acknowledgements
	unheard unheard
	peers   peers
	numbers atomic.Uint64 // for ids
	skew    atomic.Int64  // a time.Duration
	usage   atomic.Pointer[usage]
	counts  counts
	denied  atomic.Pointer[error] // what the servers last did not allow, or nil
	differs string                // what is wrong with the stream's configuration; only inspect uses it
	changed atomic.Int64          // settings of the stream that are wrong
	foreign atomic.Pointer[error] // why the stream is not the one that was read, or nil

	stop    chan struct{}
	running sync.WaitGroup // goroutines
	calls   sync.WaitGroup // of Commit and Sync

	mu sync.Mutex
	state
	early     []message // of the feed, before everything is loaded
	held      map[string]decoded
	times     map[string]times
	loaded    bool
	closed    bool
	inFlight  int                   // writes that were sent and not answered
	forgotten int                   // bytes of writes that nobody waits for
	stamping  map[string]*sentStamp // stamps without an answer, by id
	newest    uint64                // the last message that is known to be in the stream
	unread    int                   // messages that this version cannot read
	audits    audits
	created   time.Time // when the stream was made
	breaks    breaks
	back      time.Time // since when it has ended before the position; zero if it does not
}

var (
	errStale    = errors.New("the group has changed meanwhile")
	errReplaced = errors.New("another change has replaced the group, and whether this one came before it is not known")
	errGone     = errors.New("the group is not in the stream any more")
	errClosed   = errors.New("the journal is closed")
	// errFull means that the stream has no room.
	errFull = errors.New("the stream is full; delete groups, or give the stream more room with `nats stream edit --max-bytes`")
)

// New returns a journal that is not yet open.
func New(c Config) *Journal {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = func(Written) {}
	}
	if c.Progress == nil {
		c.Progress = func(int, int) {}
	}
	if c.Waiting == nil {
		c.Waiting = func(error) {}
	}
	c.Page = cmp.Or(c.Page, pageMessages)
	c.Replicas, c.Ends = max(c.Replicas, 1), cmp.Or(c.Ends, markerTTL)
	c.Audit = cmp.Or(c.Audit, auditEvery)
	c.Newest = cmp.Or(c.Newest, gateway.NewestFormat)
	return &Journal{
		config: c, names: namesOf(c.Stream), state: newState(), outbox: newOutbox(),
		fetch: make(chan struct{}, 1), look: make(chan struct{}, 1), stop: make(chan struct{}), lost: make(chan struct{}, 1), pulses: newPulses(), peers: newPeers(),
		held: make(map[string]decoded), audits: newAudits(), times: make(map[string]times), stamping: make(map[string]*sentStamp),
	}
}

// nextID returns the id of a message. It is unique, and a part of a subject.
func (j *Journal) nextID() string {
	return j.pulses.process + "-" + strconv.FormatUint(j.numbers.Add(1), 36)
}

// Commit stores changes and waits until the servers have acknowledged them, or
// ctx ends.
func (j *Journal) Commit(ctx context.Context, changes []gateway.Change) []gateway.Outcome {
	start, bytes := time.Now(), 0
	c := &call{outcomes: make([]gateway.Outcome, len(changes)), open: len(changes), done: make(chan struct{})}
	msgs, err := j.prepare(ctx, changes)
	if err == nil {
		err = j.enter()
	}
	if err != nil {
		return all(len(changes), gateway.Failed, err)
	}
	defer j.calls.Done()
	j.mu.Lock()
	for i, change := range changes {
		bytes += len(msgs[i].Data)
		j.begin(c, i, change, tokenOf(change.Key), msgs[i])
	}
	together := j.inFlight >= busy
	j.mu.Unlock()
	j.postNow(together)
	select {
	case <-c.done:
	case <-ctx.Done():
		j.leave(c, fmt.Errorf("NATS did not acknowledge it in time: %w", ctx.Err()))
		<-c.done
	}
	j.observe(c, Written{Changes: len(changes), Bytes: bytes, Took: time.Since(start)})
	return c.outcomes
}

func (j *Journal) observe(c *call, w Written) {
	for _, o := range c.outcomes {
		switch o.Verdict {
		case gateway.Stale:
			j.counts.conflicts.Add(1)
			w.Changes--
		case gateway.Unknown:
			j.counts.unknown.Add(1)
			w.Err = o.Err
		case gateway.Failed:
			w.Err = o.Err
		}
	}
	j.config.Observe(w)
}

// prepare makes the messages of changes.
func (j *Journal) prepare(ctx context.Context, changes []gateway.Change) ([]*nats.Msg, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := j.Err(); err != nil {
		return nil, err
	}
	msgs := make([]*nats.Msg, len(changes))
	for i, c := range changes {
		msg, err := j.messageOf(c)
		if err != nil {
			return nil, err
		}
		msgs[i] = msg
	}
	return msgs, nil
}

func (j *Journal) messageOf(c gateway.Change) (*nats.Msg, error) {
	subject := j.names.of(groups, tokenOf(c.Key))
	if c.Group == nil {
		msg := newMessage(subject, opEnd, j.nextID(), c.Key, nil)
		msg.Header.Set(headerTTL, j.config.Ends.String())
		return msg, nil
	}
	newest, member := j.Writes()
	rec, err := record.EncodeWithin(c.Group, newest, c.Budget)
	if errors.Is(err, record.ErrOlder) {
		return nil, gateway.OlderMember(member)
	}
	if err != nil {
		return nil, err
	}
	record.Seal(rec, c.Key, 0) // the stream has the revision
	msg := newMessage(subject, opPut, j.nextID(), c.Key, rec)
	if !c.Group.Expires.IsZero() {
		msg.Header.Set(headerTTL, ttlOf(c.Group.Expires, j.Now()))
	}
	if size, most := int64(msg.Size())+headerRoom, j.link.maxPayload.Load(); size > most {
		return nil, j.tooLarge(c.Key, size)
	}
	return msg, nil
}

// tooLarge returns that the servers accept no message of a size.
func (j *Journal) tooLarge(key grouping.Key, size int64) error {
	return fmt.Errorf("%w: group %s takes %d bytes compressed, and the NATS servers accept messages of %d bytes; push less, or raise max_payload of the servers", exposition.ErrTooLarge, key.Excerpt(), size, j.link.maxPayload.Load())
}

// headerRoom is what the expected sequence adds to a message, in bytes.
const headerRoom = 64

// enter begins a call, unless the journal is closed.
func (j *Journal) enter() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return errClosed
	}
	if j.forgotten > maxForgotten {
		return errors.New("too many changes are waiting for NATS")
	}
	j.calls.Add(1)
	return nil
}

// maxForgotten bounds the changes whose callers have left, in bytes.
const maxForgotten = 64 << 20

// all returns n outcomes with the same verdict.
func all(n int, v gateway.Verdict, err error) []gateway.Outcome {
	outcomes := make([]gateway.Outcome, n)
	for i := range outcomes {
		outcomes[i] = gateway.Outcome{Verdict: v, Err: err}
	}
	return outcomes
}

// EndsGroups returns true: the servers end groups when their time has come.
func (j *Journal) EndsGroups() bool { return true }

// KeepsRecords returns true.
func (j *Journal) KeepsRecords() bool { return true }

// Close stops applying changes and closes the connection. It waits a moment for
// stamps on their way.
func (j *Journal) Close() error {
	j.mu.Lock()
	first := !j.closed
	j.closed = true
	j.mu.Unlock()
	if !first {
		j.running.Wait()
		return nil
	}
	j.calls.Wait()
	if j.nats() != nil {
		j.flushStamps()
	}
	close(j.stop)
	j.running.Wait()
	if c := j.nats(); c != nil {
		j.takeLeave()
		leave(c)
	}
	return nil
}

// takeLeave tells the others that this member has left, if that takes no time.
func (j *Journal) takeLeave() {
	if !j.link.connected.Load() || j.Err() != nil {
		return
	}
	ctx, end := context.WithTimeout(context.Background(), stampsWithin)
	defer end()
	_, _ = j.tryPulse(ctx, opLeft) // otherwise they notice
}

var _ gateway.Journal = (*Journal)(nil)

// times are what a replay must know of a group to place its stamp.
type times struct {
	since  gateway.Revision
	failed time.Time
}
