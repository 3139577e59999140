// Package intake passes pushes from requests to the gateway, in any format, for
// one group or many. It knows the parameters and headers of a push, how bodies
// are compressed, and which hint helps if a body cannot be read. It returns
// errors, and its callers translate them to HTTP.
package intake

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/live"
	"pushgateway/internal/otlp"
)

// Config configures an intake. The zero value of each field is useful.
type Config struct {
	// UTF8Names accepts UTF-8 names of metrics and labels in text, and of labels
	// in keys. Protobuf accepts them always.
	UTF8Names bool
	// Limits bound bodies and their content where a request has no Settings, and
	// the memory of all.
	Limits guard.Limits
	// Inflight counts the bytes of all pushes in progress. It may be nil.
	Inflight *atomic.Int64
	// Grown is called for each further 16 MiB of these. It may be nil.
	Grown func()

	// TTL says how long groups live without a push.
	TTL TTL
	// StripTimestamps accepts pushes with timestamps and removes these. Otherwise
	// such pushes are refused.
	StripTimestamps bool
	// ReservedNames matches the names that pushes must not use. Nil matches none.
	ReservedNames *labels.FastRegexMatcher
	// LenientNewlines accepts text with CRLF, or without a newline at the end.
	LenientNewlines bool
	// OpenMetrics means that scrapes may ask for OpenMetrics, in which counters
	// have other names.
	OpenMetrics bool

	// OTLP says how metrics in the OpenTelemetry protocol are translated. Its
	// limits and its memory are those of each request.
	OTLP otlp.Options

	// Warn logs a message that a client has caused, but not too often.
	Warn func(message string, args ...any)
	// Duplicate is called for each series that a push had twice, if the check is
	// off.
	Duplicate func()
	// NotOpenMetrics is called for each push whose Content-Type says OpenMetrics,
	// but that is read as text, since it has no # EOF or is of another version.
	NotOpenMetrics func()
}

// Intake accepts pushes. It is safe for concurrent use.
type Intake struct {
	gateway *gateway.Gateway
	config  Config
	usual   *live.Settings // of requests without any
	bodies  bodies
	rates   guard.Rates // of jobs
}

// New returns an intake that passes pushes to a gateway.
func New(g *gateway.Gateway, c Config) *Intake {
	if c.Warn == nil {
		c.Warn = func(string, ...any) {}
	}
	if c.Duplicate == nil {
		c.Duplicate = func() {}
	}
	if c.NotOpenMetrics == nil {
		c.NotOpenMetrics = func() {}
	}
	c.Limits = c.Limits.WithDefaults()
	return &Intake{
		gateway: g, config: c, usual: &live.Settings{Limits: c.Limits},
		bodies: bodies{memory: guard.NewMemory(c.Limits.Body, c.Inflight, c.Grown), unpacking: guard.NewShares(int64(runtime.GOMAXPROCS(0)))},
	}
}

// Busy reports whether pushes are in progress.
func (in *Intake) Busy() bool { return in.bodies.memory.InUse() }

// Request is a push as a client sends it.
type Request struct {
	// Settings are those that the request goes by. Nil means those of the Config.
	Settings *live.Settings
	// Key is the grouping key as in a path, like job/a/instance/b. It is unused if
	// the body determines the groups.
	Key string
	// Replace is for PUT: it replaces the whole of each group.
	Replace bool
	// Query holds the parameters, as in a URL.
	Query  string
	Header http.Header
	// Client is the address of the client.
	Client string
	Body   io.Reader
	// Length is the size of the body in bytes, or -1 if it is unknown.
	Length int64
	// May returns why the client may not push to a group. Nil means that it may push
	// to all groups.
	May func(grouping.Key) error
	// Guarded are the names of the labels that May looks at.
	Guarded []string
	// Cut makes reads of the body fail soon. It is called to end a body that
	// arrives slowly while others wait, possibly more than once and from any
	// goroutine. It may be nil.
	Cut func()
	// Replayed is called if all that the request pushes had counted before. It may
	// be nil.
	Replayed func()

	once   once
	export bool // it is in the OpenTelemetry protocol
}

// notRead is the size of a body that was not read to its end.
const notRead = -1

// Push passes a push of one group to the gateway. received is the size of the
// body as it arrived, or negative if the body was not read to its end. err is an
// error of Gateway.Push or of Request.May, a KeyError, a ParameterError, or an
// error about the body.
func (in *Intake) Push(ctx context.Context, r Request) (received int64, err error) {
	r.Settings = cmp.Or(r.Settings, in.usual)
	key, err := in.Key(r.Key, r.Settings)
	if err != nil {
		return notRead, err
	}
	if err := r.may(key); err != nil {
		return notRead, err
	}
	p, life, err := in.newPush(&r)
	if err != nil {
		return notRead, err
	}
	if key, err = r.cutMode(key, &p); err != nil {
		return notRead, err
	}
	if err := in.admit(&r, &p, life, key); err != nil {
		return notRead, err
	}
	arrived := time.Now()
	body, err := in.bodies.read(ctx, &r)
	if err != nil {
		return notRead, err
	}
	defer body.Close()
	if err := gone(ctx, arrived); err != nil {
		return body.received, err
	}
	p.Budget = body
	r.once.hash(body.bytes)
	p.Once = r.once.of(key)
	p.Blocks, p.Named, err = in.readOne(&r, body, key)
	if denied := r.mayBring(key, p.Blocks); denied != nil {
		return body.received, denied
	}
	if err == nil {
		err = in.gateway.Push(ctx, p)
		r.tellReplayed(p)
		return body.received, err
	}
	if isVerdict(err) {
		in.gateway.Refuse(key, p.Client, err)
	}
	return body.received, err
}

// readOne makes the blocks of a group from the body of its push.
func (in *Intake) readOne(r *Request, b *body, key grouping.Key) (blocks []*exposition.Block, named bool, err error) {
	c, err := in.content(r, b)
	if err != nil {
		return nil, false, hinted(r, c, err)
	}
	blocks, named, err = in.parse(c, key)
	if err != nil {
		return nil, false, hinted(r, c, err)
	}
	return blocks, named, nil
}

// Key decodes a grouping key from a path. Its error is a KeyError.
func (in *Intake) Key(path string, s *live.Settings) (grouping.Key, error) {
	key, err := in.keys(s).Decode(path)
	if err != nil {
		return "", &KeyError{err}
	}
	return key, nil
}

// keys returns the decoder of grouping keys.
func (in *Intake) keys(s *live.Settings) grouping.Decoder {
	return grouping.Decoder{UTF8Names: in.config.UTF8Names, Limits: s.Limits.Key}
}
