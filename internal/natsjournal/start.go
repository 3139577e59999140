package natsjournal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/record"
)

// Open connects, makes or checks the stream, and replays it. While no server
// answers it waits. The error says what to do.
func (j *Journal) Open(ctx context.Context, apply func([]gateway.Applied), stored func(grouping.Key) *gateway.Group) error {
	j.apply, j.stored = apply, stored
	if stored == nil {
		j.stored = func(grouping.Key) *gateway.Group { return nil }
	}
	if err := j.open(ctx); err != nil {
		_ = j.Close()
		return fmt.Errorf("the stream %s: %w", j.config.Stream, err)
	}
	return nil
}

func (j *Journal) open(ctx context.Context) error {
	if err := j.connect(ctx); err != nil {
		return err
	}
	if err := j.checkVersion(j.nats()); err != nil {
		return err
	}
	err := j.patiently(ctx, "making or checking the stream", func(ctx context.Context) error {
		if j.nats().IsClosed() { // the client has given it up
			if err := j.dial(); err != nil {
				return err
			}
		}
		err := j.ensureStream(ctx)
		if err != nil {
			j.seek(err, time.Now())
		}
		return err
	})
	if err != nil {
		return err
	}
	j.heardServer()
	j.moveToLeader(ctx)
	j.answers = j.nats().NewInbox() + "."
	if err := j.subscribe(j.nats()); err != nil {
		return err
	}
	j.running.Go(j.keepConnected)
	j.running.Go(j.beat)
	j.running.Add(1)
	go j.post()
	if err := j.load(ctx); err != nil {
		return err
	}
	j.running.Add(1)
	go j.catchUp()
	j.running.Go(j.tend)
	j.running.Go(j.inspect)
	if j.config.SystemCredentials != "" {
		j.running.Go(j.watchServers)
	}
	return nil
}

// retryStart is how long the start waits before it tries again.
const retryStart = 500 * time.Millisecond

// patiently tries until it succeeds, the error is permanent, or ctx ends.
func (j *Journal) patiently(ctx context.Context, what string, try func(context.Context) error) error {
	defer j.config.Waiting(nil)
	for told := false; ; told = true {
		err := try(ctx)
		if permanent := (*permanentError)(nil); err == nil || errors.As(err, &permanent) {
			return err
		}
		err = fmt.Errorf("%s: %w", what, err)
		if j.config.Waiting(err); !told {
			j.config.Logger.Warn("Waiting for NATS", "err", err)
		}
		select {
		case <-time.After(retryStart):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// permanentError is an error that waiting does not mend.
type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

// connect waits until a server accepts the connection.
func (j *Journal) connect(ctx context.Context) error {
	return j.patiently(ctx, "connecting to "+redacted(j.config.URLs), func(context.Context) error { return j.dial() })
}

// dial makes the connection, once.
func (j *Journal) dial() error {
	c, err := nats.Connect(strings.Join(j.config.URLs, ","), j.options()...)
	if err != nil {
		return explainClosed(err) // a server may start, or learn of us
	}
	j.link.maxPayload.Store(c.MaxPayload())
	j.conn.Store(c)
	return nil
}

// options are those of the connection.
func (j *Journal) options() []nats.Option {
	return append(j.access(),
		nats.MaxReconnects(-1), nats.ReconnectWait(250*time.Millisecond), nats.ReconnectBufSize(-1),
		nats.PingInterval(2*time.Second), nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(5*time.Second), nats.Timeout(2*time.Second),
		nats.IgnoreAuthErrorAbort(),
		nats.ConnectHandler(j.link.up), nats.DisconnectErrHandler(j.disconnected), nats.ReconnectHandler(j.reconnected), nats.ClosedHandler(j.gaveUp),
		nats.ErrorHandler(j.complained), nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { j.noteProblem(err) }),
	)
}

// access returns the options that let the servers know the member.
func (j *Journal) access() []nats.Option {
	options := append(j.encryption(), nats.Name("pushgateway "+j.config.Member))
	if j.config.Credentials != "" {
		options = append(options, nats.UserCredentials(j.config.Credentials))
	}
	return options
}

// encryption returns the options for TLS.
func (j *Journal) encryption() (options []nats.Option) {
	if j.config.TLS != nil {
		options = append(options, nats.Secure(j.config.TLS))
	}
	if j.config.Authorities != "" {
		options = append(options, nats.RootCAs(j.config.Authorities))
	}
	return options
}

// redacted returns URLs without their passwords.
func redacted(urls []string) string {
	shown := make([]string, len(urls))
	for i, one := range urls {
		if u, err := url.Parse(one); err == nil {
			shown[i] = u.Redacted()
		}
	}
	return strings.Join(shown, ",")
}

// complained notes an error that belongs to no request.
func (j *Journal) complained(_ *nats.Conn, _ *nats.Subscription, err error) {
	if isAboutUser(err) {
		j.noteProblem(err)
		return
	}
	if !errors.Is(err, nats.ErrPermissionViolation) {
		j.config.Logger.Debug("NATS", "err", err)
		return
	}
	j.denied.Store(&err)
	j.config.Logger.Warn("The NATS servers do not allow this user something", "err", err)
}

// isAboutUser reports whether servers refuse the credentials of the user.
func isAboutUser(err error) bool {
	for _, refusal := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// noteProblem notes why there is no connection, and tells it once.
func (j *Journal) noteProblem(err error) {
	err = explainClosed(err)
	if !j.link.note(err) {
		return
	}
	j.config.Logger.Warn("NATS takes no connection. The gateway goes on trying, and reads the files with credentials and certificates again each time", "err", err)
}

// askProblem notes why a server that was reached takes no connection, which the client
// tells only if it is asked. It may block while the client dials.
func (j *Journal) askProblem() {
	if err := j.nats().LastError(); err != nil && !j.link.connected.Load() {
		j.noteProblem(err)
	}
}

func (j *Journal) disconnected(_ *nats.Conn, err error) {
	j.link.connected.Store(false)
	j.noteBreak()
	if err != nil {
		j.config.Logger.Warn("Lost the connection to NATS; scrapes go on, and pushes wait", "err", err)
	}
}

func (j *Journal) reconnected(c *nats.Conn) {
	j.link.up(c)
	j.resume(c)
}

// resume goes on with another connection.
func (j *Journal) resume(c *nats.Conn) {
	level := slog.LevelInfo
	if j.link.sought.Load() {
		level = slog.LevelDebug
	}
	j.config.Logger.Log(context.Background(), level, "Connected to NATS again", "server", c.ConnectedUrlRedacted())
	if err := j.checkVersion(c); err != nil {
		j.config.Logger.Error("Connected to a NATS server that is too old", "err", err)
	}
	j.pulses.want()
	j.fetchSoon()
}

// subscribe begins to receive answers and the feed.
func (j *Journal) subscribe(c *nats.Conn) error {
	if _, err := c.Subscribe(j.answers+"*", together(j.answer)); err != nil {
		return err
	}
	feed, err := c.Subscribe(j.names.fed+">", together(j.heard))
	if err != nil {
		return err
	}
	return feed.SetPendingLimits(-1, feedBytes) // what is dropped is fetched
}

// feedBytes bounds the messages of the feed that wait to be applied.
const feedBytes = 64 << 20

// answer handles answers to writes and stamps.
func (j *Journal) answer(all []*nats.Msg) {
	j.link.unanswered.Store(0)
	got, worked := make([]answer, len(all)), false
	for i, m := range all {
		r, err := readReply(m)
		got[i] = answer{strings.TrimPrefix(m.Subject, j.answers), r, err}
		worked = worked || err == nil && r.Error == nil
	}
	if j.answered(got); worked {
		j.acks.note(nil, time.Now())
	}
}

// load replays everything that was acknowledged before it began.
func (j *Journal) load(ctx context.Context) error {
	var end uint64
	err := j.patiently(ctx, "waiting for a leader of the stream", func(ctx context.Context) (err error) {
		end, err = j.pulse(ctx)
		return err
	})
	if err != nil {
		return err
	}
	done := 0
	err = j.patiently(ctx, "reading the stream", func(ctx context.Context) error { return j.replayTo(ctx, end, &done) })
	if err != nil {
		return err
	}
	j.mu.Lock()
	j.settleStamps()
	j.mu.Unlock()
	j.joinFeed()
	return nil
}

// replayTo replays what follows up to a message. It adds to done how many
// messages that were.
func (j *Journal) replayTo(ctx context.Context, last uint64, done *int) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	for got := range j.messages(ctx, j.reached()+1, last) {
		if err := j.replay(got.page); err != nil {
			return err
		}
		*done += len(got.page)
		j.config.Progress(*done, *done+int(got.left))
		if got.err != nil {
			return got.err
		}
		if len(got.page) == 0 {
			return errBehind
		}
	}
	if err := ctx.Err(); err != nil {
		return &permanentError{err}
	}
	return nil
}

// fetched is a page of the stream, and how many messages follow it there. err
// says why the page is not whole.
type fetched struct {
	page []message
	left uint64
	err  error
}

// messages fetches the messages from one to another while those before are
// replayed. It stops after an error, or an empty page, or if ctx ends.
func (j *Journal) messages(ctx context.Context, from, to uint64) <-chan fetched {
	ahead := make(chan fetched)
	j.running.Go(func() {
		defer close(ahead)
		consumed := false
		for from <= to {
			page, left, err := j.page(from)
			select {
			case ahead <- fetched{page, left, err}:
			case <-ctx.Done():
				return
			}
			if err != nil || len(page) == 0 {
				return
			}
			from = page[len(page)-1].seq + 1
			if left > uint64(j.config.Page) && !consumed {
				consumed = true
				if from, err = j.consume(ctx, from, to, ahead); err != nil {
					j.config.Logger.Debug("Goes on reading the stream in pages", "from", from, "err", err)
				}
			}
		}
	})
	return ahead
}

var errBehind = errors.New("the replica that answers is behind")

// replay applies a page of the stream. What this version cannot read ends the
// start, since others would be misled by a part.
func (j *Journal) replay(page []message) error {
	for _, m := range page {
		if m.err != nil {
			return &permanentError{fmt.Errorf("message %d: %w. The stream was not changed. Start the version that wrote it", m.seq, m.err)}
		}
	}
	ready := j.decodeNew(page)
	j.mu.Lock()
	defer j.mu.Unlock()
	var applied []gateway.Applied
	for _, d := range ready {
		switch {
		case d.err != nil:
			return &permanentError{explain(d)}
		case d.kind == stamps:
			j.held[d.token] = d
		case d.kind == groups:
			if d.group != nil {
				j.times[d.token] = times{d.group.Since, d.group.Failed}
			}
			applied = j.takeGroup(d, applied)
		default:
			applied = j.take(d, applied)
		}
	}
	if len(applied) > 0 {
		j.apply(applied)
	}
	if n := len(page); n > 0 {
		j.fetchedTo(page[n-1].seq)
	}
	return nil
}

func explain(d decoded) error {
	err := fmt.Errorf("message %d: %w", d.seq, d.err)
	if errors.Is(d.err, record.ErrNewer) {
		return fmt.Errorf("%w. The stream was not changed. Start the version that wrote it", err)
	}
	return fmt.Errorf("%w. The stream was not changed. Remove the message with `nats stream rmm`, which loses its group, or name another stream", err)
}

// joinFeed applies what the feed has brought meanwhile, and everything that it
// brings from now on.
func (j *Journal) joinFeed() {
	for {
		j.mu.Lock()
		early := j.early
		j.early = nil
		j.loaded = len(early) == 0
		j.mu.Unlock()
		if len(early) == 0 {
			return
		}
		j.receive(early, false)
	}
}
