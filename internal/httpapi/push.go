package httpapi

import (
	"errors"
	"fmt"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

// push serves PUT, which replaces the group, and POST, which replaces the
// families that it names.
func (a *api) push(replace bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		size, err := a.takePush(w, r, replace)
		a.Pushed(strings.ToLower(r.Method), size, time.Since(start))
		a.activity.note(time.Now(), err == nil)
		switch {
		case err != nil:
			a.refuse(w, r, err)
		case a.Gateway.Unchecked:
			w.WriteHeader(http.StatusAccepted)
		}
	}
}

// notRead is the size of a body that was not read to its end.
const notRead = -1

func (a *api) takePush(w http.ResponseWriter, r *http.Request, replace bool) (size int64, err error) {
	key, err := a.key(r)
	if err != nil {
		return notRead, err
	}
	p, err := a.newPush(r, replace)
	if err != nil {
		return notRead, err
	}
	body, err := a.bodies.read(w, r, a.Proxies.Client(r))
	if err != nil {
		return notRead, err
	}
	defer body.Close()
	p.Key, p.Budget = key, body
	var c content
	if c, err = a.content(r, body); err == nil {
		p.Blocks, err = a.parse(c, key)
	}
	if err == nil {
		err = a.Gateway.Push(r.Context(), p)
	} else if err = hinted(r, c, err); a.isVerdict(err) {
		a.Gateway.Refuse(key, p.Client, err)
	}
	if a.Gateway.Unchecked && errors.Is(err, exposition.ErrTimestamps) {
		a.noteRefused(r, err)
		err = nil // 1.11 answers before it checks them
	}
	return body.received, err
}

// newPush makes a push from everything in a request except its body.
func (a *api) newPush(r *http.Request, replace bool) (p gateway.Push, err error) {
	p = gateway.Push{Replace: replace, MaxBytes: a.maxBlocks(), Client: guard.Key(a.Proxies.Client(r))}
	query, err := pushQuery(r)
	if err != nil {
		return p, err
	}
	switch merge := query.Get("merge"); {
	case merge == "series" && !replace:
		p.MergeSeries = true
	case merge == "series":
		return p, &parameterError{errors.New("merge=series needs POST; PUT replaces the whole group")}
	case merge != "":
		return p, &parameterError{fmt.Errorf("merge=%q must be merge=series", excerpt.Of(merge))}
	}
	p.TTL, err = a.TTL.of(r.Header.Get(ttlHeader), query.Get("ttl"))
	return p, err
}

// pushQuery returns the parameters of a push. It ignores unknown parameters, as
// 1.11 does.
func pushQuery(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	pairs := strings.FieldsFunc(r.URL.RawQuery, func(c rune) bool { return c == '&' || c == ';' })
	for _, name := range []string{"ttl", "merge"} {
		named := func(pair string) bool { return strings.HasPrefix(pair, name+"=") }
		if err != nil && slices.ContainsFunc(pairs, named) {
			return nil, &parameterError{fmt.Errorf("reading the query %q: %w", excerpt.Of(r.URL.RawQuery), err)}
		}
		if values := slices.Compact(query[name]); len(values) > 1 {
			return nil, &parameterError{fmt.Errorf("the query has several values of %s, among them %q and %q; give one", name, excerpt.Of(values[0]), excerpt.Of(values[1]))}
		}
	}
	return query, nil
}

// maxBlocks bounds the size of a push in scrapes, in bytes.
func (a *api) maxBlocks() int { return 4 * int(min(a.MaxBodyBytes, math.MaxInt/4)) }

// content is the decompressed body of a push.
type content struct {
	bytes  []byte
	text   bool // and not protobuf
	budget exposition.Budget
}

func (a *api) content(r *http.Request, b *body) (content, error) {
	c := content{b.bytes, !isProtobuf(r.Header.Get("Content-Type")), b}
	if !c.text || !a.LenientNewlines || exposition.HasRightNewlines(b.bytes) {
		return c, nil
	}
	const copies = 2
	if err := b.Take(copies * len(b.bytes)); err != nil {
		return c, err
	}
	c.bytes = exposition.MendNewlines(b.bytes)
	return c, nil
}

// parse makes finished blocks from a body. They do not use its memory.
func (a *api) parse(c content, key grouping.Key) ([]*exposition.Block, error) {
	o := a.rendering(key, c, a.maxBlocks())
	var old *gateway.Group
	if c.text {
		old = a.Gateway.Group(key)
	}
	if blocks, ok := exposition.Refill(c.bytes, old.Blocks(), o); ok {
		return blocks, nil
	}
	p := exposition.GetParser().Within(a.Limits, c.budget)
	defer p.Release()
	families, err := a.families(p, c)
	if err != nil {
		return nil, err
	}
	blocks, err := a.render(families, o)
	if err == nil && old != nil { // it may go on like this
		p.Imprint(c.bytes, blocks)
	}
	return blocks, err
}

// families parses a body. The result belongs to the parser and uses the memory
// of the body.
func (a *api) families(p *exposition.Parser, c content) (families []*metric.Family, err error) {
	p.LegacyNames = !a.Keys.UTF8Names
	if c.text {
		families, err = p.ParseText(c.bytes)
	} else {
		families, err = p.ParseProto(c.bytes)
	}
	if a.StripTimestamps {
		strip(families)
	}
	return slices.DeleteFunc(families, isIgnored), err
}

// strip removes the timestamps.
func strip(families []*metric.Family) {
	for _, f := range families {
		for i := range f.Series {
			f.Series[i].Timed = false
		}
	}
}

// rendering returns how to render the families of a push to a group. The parser
// of text has already checked that label values are UTF-8.
func (a *api) rendering(key grouping.Key, c content, maxBytes int) exposition.Options {
	o := exposition.Options{Grouping: key.Labels(), MaxBytes: maxBytes, Valid: c.text, LegacyNames: !a.Keys.UTF8Names, Limits: a.Limits, Budget: c.budget}
	o.HelpCut = func(family string) { a.warnOfHelp(key, family) }
	if a.Gateway.Unchecked {
		o.Duplicate = a.Duplicate
	}
	return o
}

// warnOfHelp logs that a help text was shortened. It logs few warnings, like
// those about refused pushes.
func (a *api) warnOfHelp(key grouping.Key, family string) {
	if a.refusals.log.Allow() {
		a.Logger.Warn("Shortened a help text that is too long; shorten it in the job", "group", key.Excerpt(), "family", excerpt.Line(family, excerpt.Most))
	}
}

// isIgnored reports whether a pushed family is one that the gateway makes
// itself. Its content is ignored, as in 1.11, but timestamps are still refused.
func isIgnored(f *metric.Family) bool {
	timed := slices.ContainsFunc(f.Series, func(s metric.Series) bool { return s.Timed })
	return metric.IsTime(f.Name) && !timed
}

// isProtobuf takes every other content type for text, as 1.11 does.
func isProtobuf(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/vnd.google.protobuf") {
		return false // without parsing it, since most pushes are text
	}
	_, params, err := mime.ParseMediaType(contentType)
	return err == nil && params["encoding"] == "delimited" && params["proto"] == "io.prometheus.client.MetricFamily"
}

// isVerdict reports whether a well-formed body was refused for its content,
// which the group's failure time shows.
func (a *api) isVerdict(err error) bool {
	var invalid *exposition.InvalidError
	return errors.Is(err, exposition.ErrTimestamps) || errors.As(err, &invalid)
}
