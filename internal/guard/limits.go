package guard

import "cmp"

// Limits are the bounds on what a client can send and ask for, and on what all
// of them can do at once. Each consumer gets its part. A field that is zero has
// its default, so the zero value is what a gateway has that was told nothing.
type Limits struct {
	Body        BodyLimits
	Key         KeyLimits
	Push        PushLimits
	Group       GroupLimits
	Selector    SelectorLimits
	Query       QueryLimits
	Turns       TurnLimits
	Connections ConnectionLimits
}

// WithDefaults gives each field that is zero its default.
func (l Limits) WithDefaults() Limits {
	return Limits{
		Body:        l.Body.WithDefaults(),
		Key:         l.Key.WithDefaults(),
		Push:        l.Push.WithDefaults(),
		Group:       l.Group.WithDefaults(),
		Selector:    l.Selector.WithDefaults(),
		Query:       l.Query.WithDefaults(),
		Turns:       l.Turns.WithDefaults(),
		Connections: l.Connections.WithDefaults(),
	}
}

// BodyLimits bound the bodies of pushes.
type BodyLimits struct {
	// Bytes bounds one body, as it comes and after each unpacking.
	Bytes int64
	// Inflight bounds, in bytes, what all pushes being worked on take together.
	Inflight int64
	// Codings bounds how often one body is unpacked.
	Codings int
	// Groups bounds the groups that one body is sorted into.
	Groups int
}

// WithDefaults gives each field that is zero its default.
func (l BodyLimits) WithDefaults() BodyLimits {
	return BodyLimits{
		Bytes:    cmp.Or(l.Bytes, 64<<20),
		Inflight: cmp.Or(l.Inflight, 512<<20),
		Codings:  cmp.Or(l.Codings, 3),
		Groups:   cmp.Or(l.Groups, 10_000),
	}
}

// KeyLimits bound grouping keys in paths. How many bytes a key may have the
// journal decides, for all keys.
type KeyLimits struct {
	// Labels bounds the labels of one key. Prometheus itself has no use for more
	// than a few dozen.
	Labels int
}

// WithDefaults gives each field that is zero its default.
func (l KeyLimits) WithDefaults() KeyLimits {
	return KeyLimits{Labels: cmp.Or(l.Labels, 1000)}
}

// PushLimits bound what is read of one body, so that a small one cannot become
// a large structure, and the names, labels and help texts in it. They are far
// beyond what a job needs. Far above the bounds of names and labels Prometheus
// 3 panics: it cannot hold a label or a name of 16 MiB, and ends at the scrape
// that has one.
type PushLimits struct {
	// Families bounds the families of a push.
	Families int
	// Series bounds the series of all of them.
	Series int
	// Parts bounds the labels, buckets, quantiles and spans of all series
	// together.
	Parts int
	// LabelCount bounds the labels of one series or exemplar.
	LabelCount int
	// Name bounds, in bytes, the name of a label, and that of a family as it
	// stands in its lines, with a suffix like _bucket.
	Name int
	// Value bounds, in bytes, the value of a label.
	Value int
	// Labels bounds, in bytes, the names and values of all labels of a series
	// together, the grouping labels among them.
	Labels int
	// Help is where help texts are cut, in bytes.
	Help int
	// Buckets bounds the classic buckets of one histogram: a Prometheus that makes
	// native histograms of classic ones takes the square of it at each scrape.
	Buckets int
}

// WithDefaults gives each field that is zero its default.
func (l PushLimits) WithDefaults() PushLimits {
	return PushLimits{
		Families:   cmp.Or(l.Families, 100_000),
		Series:     cmp.Or(l.Series, 1_000_000),
		Parts:      cmp.Or(l.Parts, 4_000_000),
		LabelCount: cmp.Or(l.LabelCount, 1000),
		Name:       cmp.Or(l.Name, 64<<10),
		Value:      cmp.Or(l.Value, 1<<20),
		Labels:     cmp.Or(l.Labels, 1<<20),
		Help:       cmp.Or(l.Help, 64<<10),
		Buckets:    cmp.Or(l.Buckets, 10_000),
	}
}

// GroupLimits bound what a group may grow to, since each change of a group stores
// and writes all of it, and the groups that failures alone make.
type GroupLimits struct {
	// Series bounds the series of a group.
	Series int
	// Text bounds, in bytes, all lines of a group.
	Text int
	// Failed bounds the groups of which no push was ever good.
	Failed int
	// FailedBytes bounds what these take in a scrape and for the reasons. Each
	// counts as FailedBytes / Failed at least.
	FailedBytes int
	// FailedKey bounds, in bytes, the keys of such groups. A refused push to a
	// longer key leaves no group.
	FailedKey int
}

// WithDefaults gives each field that is zero its default.
func (l GroupLimits) WithDefaults() GroupLimits {
	failed := cmp.Or(l.Failed, 10_000)
	return GroupLimits{
		Series:      cmp.Or(l.Series, 1_000_000),
		Text:        cmp.Or(l.Text, 256<<20),
		Failed:      failed,
		FailedBytes: cmp.Or(l.FailedBytes, 420*failed),
		FailedKey:   cmp.Or(l.FailedKey, 1000),
	}
}

// SelectorLimits bound the selectors of one request: each matcher is held against
// each group.
type SelectorLimits struct {
	// Selectors bounds how many there are.
	Selectors int
	// Length bounds one selector, in bytes.
	Length int
	// Lengths bounds all of them together, in bytes.
	Lengths int
	// Matchers bounds the matchers of all of them.
	Matchers int
	// Program bounds the instructions of all their regexps together. The time for a
	// character of a text grows with them.
	Program int
}

// WithDefaults gives each field that is zero its default.
func (l SelectorLimits) WithDefaults() SelectorLimits {
	return SelectorLimits{
		Selectors: cmp.Or(l.Selectors, 100),
		Length:    cmp.Or(l.Length, 8_192),
		Lengths:   cmp.Or(l.Lengths, 32_768),
		Matchers:  cmp.Or(l.Matchers, 200),
		Program:   cmp.Or(l.Program, 5_000),
	}
}

// QueryLimits bound what one request may ask for beside selectors.
type QueryLimits struct {
	// Page bounds the entries of one page of a list.
	Page int
	// Token bounds, in bytes, what says where a page begins: the longest key comes
	// to two thirds of the default.
	Token int
	// Search bounds, in bytes, a text that is looked for.
	Search int
	// Form bounds, in bytes, the parameters of a delete by selector.
	Form int64
}

// WithDefaults gives each field that is zero its default.
func (l QueryLimits) WithDefaults() QueryLimits {
	return QueryLimits{
		Page:   cmp.Or(l.Page, 10_000),
		Token:  cmp.Or(l.Token, 64<<10),
		Search: cmp.Or(l.Search, 1000),
		Form:   cmp.Or(l.Form, 1<<20),
	}
}

// TurnLimits bound the answers that are given at once. Others wait.
type TurnLimits struct {
	// Answers bounds the answers of each kind, like scrapes, or lists of all
	// groups. Each holds some MiB of buffers, and the view that it began with.
	Answers int
	// Copies bounds snapshots: each is a file.
	Copies int
}

// WithDefaults gives each field that is zero its default.
func (l TurnLimits) WithDefaults() TurnLimits {
	return TurnLimits{
		Answers: cmp.Or(l.Answers, 32),
		Copies:  cmp.Or(l.Copies, 2),
	}
}

// ConnectionLimits bound connections, and what may come over them before anybody
// knows what they want.
type ConnectionLimits struct {
	// Connections bounds all of them. A header takes up to about 200 kB while it
	// arrives.
	Connections int
	// Streams bounds the requests of HTTP/2 on one connection.
	Streams int
	// HeaderBytes bounds the header of a request.
	HeaderBytes int
	// HeaderLines bounds its lines: many short ones take more memory than a long
	// one. Browsers and proxies send a few dozen.
	HeaderLines int
}

// WithDefaults gives each field that is zero its default.
func (l ConnectionLimits) WithDefaults() ConnectionLimits {
	return ConnectionLimits{
		Connections: cmp.Or(l.Connections, 1024),
		Streams:     cmp.Or(l.Streams, 100),
		HeaderBytes: cmp.Or(l.HeaderBytes, 64<<10),
		HeaderLines: cmp.Or(l.HeaderLines, 500),
	}
}
