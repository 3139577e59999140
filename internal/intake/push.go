package intake

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
	"pushgateway/internal/sniff"
)

// newPush makes a push from everything in a request except its key and its body.
// life is what the request says of the time to live.
func (in *Intake) newPush(r *Request) (p gateway.Push, life lifetime, err error) {
	p = gateway.Push{Limits: (*gateway.Limits)(&r.Settings.Limits.Group), MaxBytes: maxBlocks(r.Settings.Limits.Body), Client: guard.Key(r.Client)}
	query, err := pushQuery(r.Query)
	if err != nil {
		return p, life, err
	}
	if p.Mode, p.Gauges, err = modeOf(r, query.Get("merge")); err != nil {
		return p, life, err
	}
	mayBe := p.Mode
	if r.export {
		p.Mode, mayBe = gateway.MergeSeries, gateway.Sum // which of both, the body says
	}
	if r.once.key, err = onceKey(r.Header, mayBe); err != nil {
		return p, life, err
	}
	if p.SeriesTTL, err = seriesTTL(r.Header, mayBe); err != nil {
		return p, life, err
	}
	asked, err := headerOf(r.Header, ttlField)
	if err != nil {
		return p, life, err
	}
	life, err = in.config.TTL.of(asked, query.Get("ttl"))
	return p, life, err
}

// address gives a push the key of its group, and what the rule for that key says.
func (r *Request) address(p *gateway.Push, part part, life lifetime) {
	p.Key, p.Rule = part.key, part.rule
	p.TTL, p.Quotas = life.under(p.Rule), r.Settings.Quotas(p.Rule)
}

// pushQuery returns the parameters of a push. It ignores unknown parameters, as
// 1.11 does.
func pushQuery(raw string) (url.Values, error) {
	query, err := url.ParseQuery(raw)
	pairs := strings.FieldsFunc(raw, func(c rune) bool { return c == '&' || c == ';' })
	for _, name := range []string{"ttl", "merge"} {
		named := func(pair string) bool { return strings.HasPrefix(pair, name+"=") }
		if err != nil && slices.ContainsFunc(pairs, named) {
			return nil, &ParameterError{fmt.Errorf("reading the query %q: %w", excerpt.Of(raw), err)}
		}
		if values := slices.Compact(query[name]); len(values) > 1 {
			return nil, &ParameterError{fmt.Errorf("the query has several values of %s, among them %q and %q; give one", name, excerpt.Of(values[0]), excerpt.Of(values[1]))}
		}
	}
	return query, nil
}

// maxBlocks bounds the size of a push in scrapes, in bytes.
func maxBlocks(l guard.BodyLimits) int { return 4 * int(min(l.Bytes, math.MaxInt/4)) }

// content is the decompressed body of a push.
type content struct {
	format
	bytes  []byte
	budget exposition.Budget
	limits *guard.Limits
}

func (in *Intake) content(r *Request, b *body) (content, error) {
	contentType := r.Header.Get("Content-Type")
	c := content{formatOf(contentType, b.bytes), b.bytes, b, &r.Settings.Limits}
	if c.refills { // it is read as text
		in.tellOfText(r, contentType, b.bytes)
	}
	if c.Binary || !in.config.LenientNewlines || exposition.HasRightNewlines(b.bytes) {
		return c, nil
	}
	const copies = 2
	if err := b.Take(copies * len(b.bytes)); err != nil {
		return c, err
	}
	c.bytes = exposition.MendNewlines(b.bytes)
	return c, nil
}

// tellOfText counts a body that says that it is OpenMetrics, but is read as text,
// and warns of the reverse.
func (in *Intake) tellOfText(r *Request, contentType string, text []byte) {
	switch {
	case saysOpenMetrics(contentType):
		in.config.NotOpenMetrics()
	case sniff.EndsLikeOpenMetrics(text):
		in.config.Warn("Read as text what ends like OpenMetrics; if it is that, push it with Content-Type: "+sniff.OpenMetricsType,
			"client", r.Client, "group", excerpt.Line(r.Key, excerpt.Most), "content_type", excerpt.Line(contentType, excerpt.Most))
	}
}

// parse makes finished blocks from a body. They do not use its memory. named is as
// in gateway.Push.
func (in *Intake) parse(c content, key grouping.Key) (blocks []*exposition.Block, named bool, err error) {
	o := in.rendering(key, c, maxBlocks(c.limits.Body))
	var old *gateway.Group
	if c.refills {
		old = in.gateway.Group(key)
	}
	if blocks, ok := exposition.Refill(c.bytes, old.Blocks(), o); ok {
		return blocks, true, nil
	}
	p := exposition.GetParser().Within(exposition.Limits(c.limits.Push), c.budget)
	defer p.Release()
	families, err := in.families(p, c)
	if err != nil {
		return nil, false, err
	}
	if c.refills && p.LooksLikeOpenMetrics() {
		in.config.Warn("Read as text what has names like those of OpenMetrics; if it is that, end it with # EOF, and push it with Content-Type: "+sniff.OpenMetricsType, "group", key.Excerpt())
	}
	blocks, err = in.render(families, o)
	if err == nil && c.refills { // it may go on like this
		p.Imprint(c.bytes, blocks)
	}
	return blocks, false, err
}

// families parses a body. The result belongs to the parser and uses the memory
// of the body.
func (in *Intake) families(p *exposition.Parser, c content) ([]*metric.Family, error) {
	p.LegacyNames = !in.config.UTF8Names
	families, err := c.read(p, c.bytes)
	if in.config.StripTimestamps {
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

// rendering returns how to render the families of a push to a group.
func (in *Intake) rendering(key grouping.Key, c content, maxBytes int) exposition.Options {
	o := exposition.Options{Grouping: key.Labels(), MaxBytes: maxBytes, Valid: c.valid, LegacyNames: !in.config.UTF8Names, Limits: exposition.Limits(c.limits.Push), Budget: c.budget}
	o.HelpCut = func(family string) { in.warnOfHelp(key, family) }
	if in.gateway.Unchecked() {
		o.Duplicate = in.config.Duplicate
	}
	return o
}

// warnOfHelp logs that a help text was shortened. It logs few warnings, like
// those about refused pushes.
func (in *Intake) warnOfHelp(key grouping.Key, family string) {
	in.config.Warn("Shortened a help text that is too long; shorten it in the job", "group", key.Excerpt(), "family", excerpt.Line(family, excerpt.Most))
}

// isIgnored reports whether a pushed family is one that the gateway makes
// itself. Its content is ignored, as in 1.11, but timestamps are still refused.
func isIgnored(f *metric.Family) bool {
	timed := slices.ContainsFunc(f.Series, func(s metric.Series) bool { return s.Timed })
	return metric.IsTime(f.Name) && !timed
}

// isVerdict reports whether a well-formed body was refused for its content,
// which the group's failure time shows.
func isVerdict(err error) bool {
	var invalid *exposition.InvalidError
	return errors.Is(err, exposition.ErrTimestamps) || errors.As(err, &invalid)
}
