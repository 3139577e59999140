// Package intake takes pushes in: from a request, in any format and for one group
// or many, to the gateway. It knows what requests may say beside the body, how
// bodies are packed, and what to tell whose body cannot be read. It answers with
// errors, and leaves it to others what these mean in HTTP.
package intake

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
)

// Config says what is taken and how. The zero value of each field is useful.
type Config struct {
	// UTF8Names takes UTF-8 names: of metrics and labels in text, and of labels in
	// keys. Protobuf has them always.
	UTF8Names bool
	// Limits bound bodies and what is in them.
	Limits guard.Limits
	// Inflight counts what all pushes being worked on take.
	Inflight *atomic.Int64
	// Grown is called each time that they take 16 MiB more.
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
	// OpenMetrics says that scrapes may ask for OpenMetrics, which has names of
	// its own for counters.
	OpenMetrics bool

	// Warn logs what a client has caused, not too often.
	Warn func(message string, args ...any)
	// Duplicate is called for each series that a push had twice, if the check is
	// off.
	Duplicate func()
}

// Intake takes pushes. Shares is safe for concurrent use.
type Intake struct {
	gateway *gateway.Gateway
	config  Config
	keys    grouping.Decoder
	limits  exposition.Limits // of what is read
	bodies  bodies
}

// New takes pushes for a gateway.
func New(g *gateway.Gateway, c Config) *Intake {
	if c.Warn == nil {
		c.Warn = func(string, ...any) {}
	}
	if c.Duplicate == nil {
		c.Duplicate = func() {}
	}
	c.Limits = c.Limits.WithDefaults()
	body := c.Limits.Body
	return &Intake{
		gateway: g, config: c, keys: grouping.Decoder{UTF8Names: c.UTF8Names, Limits: c.Limits.Key}, limits: exposition.Limits(c.Limits.Push),
		bodies: bodies{max: body.Bytes, codings: body.Codings, memory: guard.NewMemory(body.Inflight, c.Inflight, c.Grown)},
	}
}

// Request is a push as a client sends it.
type Request struct {
	// Key is the grouping key as paths have it, like job/a/instance/b. It is unused
	// where the body says which groups there are.
	Key string
	// Replace is for PUT: groups have nothing afterwards but what the push brings.
	Replace bool
	// Query has the parameters, as a URL has them.
	Query  string
	Header http.Header
	// Client is the address that it comes from.
	Client string
	Body   io.Reader
	// Length is that of the body in bytes, -1 if that is not known.
	Length int64
	// Cut makes reads of the body fail soon. It is called, maybe more than once
	// and by any goroutine, to end a body that arrives slowly while others wait;
	// never if it is nil.
	Cut func()
}

// notRead is the size of a body that was not read to its end.
const notRead = -1

// Push takes a push of one group. Received is the size of the body as it came, or
// negative if it was not read to its end. Err is what Gateway.Push gives, a
// KeyError, a ParameterError, or says what is wrong with the body.
func (in *Intake) Push(ctx context.Context, r Request) (received int64, err error) {
	key, err := in.Key(r.Key)
	if err != nil {
		return notRead, err
	}
	p, err := in.newPush(&r)
	if err != nil {
		return notRead, err
	}
	body, err := in.bodies.read(&r)
	if err != nil {
		return notRead, err
	}
	defer body.Close()
	p.Key, p.Budget = key, body
	if p.Blocks, err = in.readOne(&r, body, key); err == nil {
		return body.received, in.gateway.Push(ctx, p)
	}
	if isVerdict(err) {
		in.gateway.Refuse(key, p.Client, err)
	}
	return body.received, err
}

// readOne makes the blocks of a group of the body of its push.
func (in *Intake) readOne(r *Request, b *body, key grouping.Key) ([]*exposition.Block, error) {
	c, err := in.content(r, b)
	if err != nil {
		return nil, hinted(r, c, err)
	}
	blocks, err := in.parse(c, key)
	if err != nil {
		return nil, hinted(r, c, err)
	}
	return blocks, nil
}

// Key reads a grouping key as paths have it. Its error is a KeyError.
func (in *Intake) Key(path string) (grouping.Key, error) {
	key, err := in.keys.Decode(path)
	if err != nil {
		return "", &KeyError{err}
	}
	return key, nil
}
