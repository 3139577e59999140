package guard

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"math"
)

// Limits bound what one client can send and ask for, and what all clients can do
// at once. Each consumer gets its part. Zero fields have their defaults.
type Limits struct {
	Body        BodyLimits
	Key         KeyLimits
	Push        PushLimits
	Group       GroupLimits
	Stored      StoredLimits
	Selector    SelectorLimits
	Query       QueryLimits
	Turns       TurnLimits
	Connections ConnectionLimits
	Remember    RememberLimits
	// Sources says where a configuration sets limits. WithDefaults hands it to all
	// parts.
	Sources Sources
}

// WithDefaults returns the limits with the default in each zero field.
func (l Limits) WithDefaults() Limits {
	l = Limits{
		Body:        l.Body.WithDefaults(),
		Key:         l.Key.WithDefaults(),
		Push:        l.Push.WithDefaults(),
		Group:       l.Group.WithDefaults(),
		Stored:      l.Stored.WithDefaults(),
		Selector:    l.Selector.WithDefaults(),
		Query:       l.Query.WithDefaults(),
		Turns:       l.Turns.WithDefaults(),
		Connections: l.Connections.WithDefaults(),
		Remember:    l.Remember.WithDefaults(),
		Sources:     l.Sources,
	}
	l.Body.Sources, l.Key.Sources, l.Push.Sources, l.Group.Sources, l.Stored.Sources = l.Sources, l.Sources, l.Sources, l.Sources, l.Sources
	l.Push.Era = l.Push.era()
	return l
}

// BodyLimits bound the bodies of pushes.
type BodyLimits struct {
	// Bytes bounds one body, as it arrives and after each decompression.
	Bytes int64
	// Inflight bounds, in bytes, the memory of all pushes in progress together.
	Inflight int64
	// Codings bounds how often one body is decompressed.
	Codings int
	// Groups bounds the groups in one body.
	Groups int

	Sources Sources
}

// WithDefaults returns the limits with the default in each zero field.
func (l BodyLimits) WithDefaults() BodyLimits {
	return BodyLimits{
		Bytes:    cmp.Or(l.Bytes, 64<<20),
		Inflight: cmp.Or(l.Inflight, 512<<20),
		Codings:  cmp.Or(l.Codings, 3),
		Groups:   cmp.Or(l.Groups, 10_000),
		Sources:  l.Sources,
	}
}

// KeyLimits bound grouping keys in paths. The journal bounds the bytes of all
// keys.
type KeyLimits struct {
	// Labels bounds the labels of one key. Prometheus itself has no use for more
	// than a few dozen.
	Labels int

	Sources Sources
}

// WithDefaults returns the limits with the default in each zero field.
func (l KeyLimits) WithDefaults() KeyLimits {
	return KeyLimits{Labels: cmp.Or(l.Labels, 1000), Sources: l.Sources}
}

// PushLimits bound what is read of one body, so that a small body cannot become a
// large structure, and its names, labels and help texts. They are far above what
// a job needs. Far above the bounds of names and labels, Prometheus 3 panics: it
// cannot hold a label or a name of 16 MiB, and crashes at the scrape that
// contains one.
type PushLimits struct {
	// Families bounds the families of a push.
	Families int
	// Series bounds the series of all families together.
	Series int
	// Parts bounds the labels, buckets, quantiles and spans of all series
	// together.
	Parts int
	// LabelCount bounds the labels of one series or exemplar. If Sources has it,
	// the grouping labels count too.
	LabelCount int
	// Name bounds, in bytes, the name of a family as it appears in its lines, with
	// a suffix like _bucket.
	Name int
	// LabelName bounds, in bytes, the name of a label.
	LabelName int
	// Value bounds, in bytes, the value of a label.
	Value int
	// Labels bounds, in bytes, the names and values of all labels of a series
	// together, including the grouping labels.
	Labels int
	// Help is the length, in bytes, to which help texts are cut.
	Help int
	// Buckets bounds the classic buckets of one histogram. A Prometheus that
	// converts classic histograms to native ones takes time quadratic in their
	// number at each scrape.
	Buckets int

	Sources Sources
	// Era differs for limits with different values. Limits.WithDefaults sets it.
	Era uint32
}

// WithDefaults returns the limits with the default in each zero field.
func (l PushLimits) WithDefaults() PushLimits {
	return PushLimits{
		Families:   cmp.Or(l.Families, 100_000),
		Series:     cmp.Or(l.Series, 1_000_000),
		Parts:      cmp.Or(l.Parts, 4_000_000),
		LabelCount: cmp.Or(l.LabelCount, 1000),
		Name:       cmp.Or(l.Name, 64<<10),
		LabelName:  cmp.Or(l.LabelName, 64<<10),
		Value:      cmp.Or(l.Value, 1<<20),
		Labels:     cmp.Or(l.Labels, 1<<20),
		Help:       cmp.Or(l.Help, 64<<10),
		Buckets:    cmp.Or(l.Buckets, 10_000),
		Sources:    l.Sources,
		Era:        l.Era,
	}
}

// era returns a hash of the values. What was checked in one era need not be
// checked again in it.
func (l PushLimits) era() uint32 {
	h := fnv.New32a()
	for _, n := range []int{l.Families, l.Series, l.Parts, l.LabelCount, l.Name, l.LabelName, l.Value, l.Labels, l.Help, l.Buckets, len(l.Sources)} {
		_ = binary.Write(h, binary.LittleEndian, int64(n))
	}
	return h.Sum32()
}

// GroupLimits bound the size of a group, since each change of a group stores and
// writes all of it. They also bound the groups without a successful push.
type GroupLimits struct {
	// Series bounds the series of a group.
	Series int
	// SumSeries bounds the series of a group that pushes add to. Each addition
	// reads and writes the families that it names.
	SumSeries int
	// Receipts bounds the idempotency keys of all groups that are remembered.
	Receipts int
	// SumBuckets bounds the buckets of a native histogram that pushes add to. Over
	// it, the histogram gets a lower resolution.
	SumBuckets int
	// Text bounds, in bytes, all lines of a group.
	Text int
	// Failed bounds the groups without a successful push.
	Failed int
	// FailedBytes bounds the bytes of these groups in a scrape and in reasons.
	// Each group counts as at least FailedBytes / Failed.
	FailedBytes int
	// FailedKey bounds, in bytes, the keys of such groups. A refused push to a
	// longer key leaves no group.
	FailedKey int
	// FreelyMerged is how many stored series a family may have to be merged with a
	// push without a turn.
	FreelyMerged int

	Sources Sources
}

// WithDefaults returns the limits with the default in each zero field.
func (l GroupLimits) WithDefaults() GroupLimits {
	failed := cmp.Or(l.Failed, 10_000)
	return GroupLimits{
		Series:      cmp.Or(l.Series, 1_000_000),
		SumSeries:   cmp.Or(l.SumSeries, 10_000),
		Receipts:    cmp.Or(l.Receipts, 1_000_000),
		SumBuckets:  cmp.Or(l.SumBuckets, 1000),
		Text:        cmp.Or(l.Text, 256<<20),
		Failed:      failed,
		FailedBytes: cmp.Or(l.FailedBytes, 420*failed),
		FailedKey:   cmp.Or(l.FailedKey, 1000),

		FreelyMerged: cmp.Or(l.FreelyMerged, 10_000),
		Sources:      l.Sources,
	}
}

// StoredLimits bound what all groups together may have that have had a good push.
type StoredLimits struct {
	// Groups bounds the groups.
	Groups int
	// Series bounds their series.
	Series int
	// LabelSets bounds the sets of their grouping label names.
	LabelSets int

	Sources Sources
}

// WithDefaults returns the limits with the default in each zero field, which is
// no limit.
func (l StoredLimits) WithDefaults() StoredLimits {
	return StoredLimits{
		Groups:    cmp.Or(l.Groups, math.MaxInt),
		Series:    cmp.Or(l.Series, math.MaxInt),
		LabelSets: cmp.Or(l.LabelSets, math.MaxInt),
		Sources:   l.Sources,
	}
}

// SelectorLimits bound the selectors of one request. Each matcher is compared
// with each group.
type SelectorLimits struct {
	// Selectors bounds the number of selectors.
	Selectors int
	// Length bounds one selector, in bytes.
	Length int
	// Lengths bounds all selectors together, in bytes.
	Lengths int
	// Matchers bounds the matchers of all selectors together.
	Matchers int
	// Program bounds the instructions of all regexps in a request together. The
	// time for a character of a text grows with them.
	Program int
}

// WithDefaults returns the limits with the default in each zero field.
func (l SelectorLimits) WithDefaults() SelectorLimits {
	return SelectorLimits{
		Selectors: cmp.Or(l.Selectors, 100),
		Length:    cmp.Or(l.Length, 8_192),
		Lengths:   cmp.Or(l.Lengths, 32_768),
		Matchers:  cmp.Or(l.Matchers, 200),
		Program:   cmp.Or(l.Program, 5_000),
	}
}

// QueryLimits bound what one request may ask for, apart from selectors.
type QueryLimits struct {
	// Page bounds the entries of one page of a list.
	Page int
	// Token bounds, in bytes, the token of a page. The longest key takes two
	// thirds of the default.
	Token int
	// Search bounds a search text, in bytes.
	Search int
	// Form bounds, in bytes, the parameters of a delete by selector.
	Form int64
}

// WithDefaults returns the limits with the default in each zero field.
func (l QueryLimits) WithDefaults() QueryLimits {
	return QueryLimits{
		Page:   cmp.Or(l.Page, 10_000),
		Token:  cmp.Or(l.Token, 64<<10),
		Search: cmp.Or(l.Search, 1000),
		Form:   cmp.Or(l.Form, 1<<20),
	}
}

// TurnLimits bound the concurrent answers. Other requests wait.
type TurnLimits struct {
	// Answers bounds the concurrent answers of each kind, like scrapes or lists of
	// all groups. Each holds some MiB of buffers, and the view that it began with.
	Answers int
	// Copies bounds the snapshots made at once. Each is a file.
	Copies int
	// Escaped bounds the scrapes of many series whose names have to be escaped. Each
	// remembers the label sets that it has written, in about 100 bytes a series.
	Escaped int
	// FreelyEscaped is how many series a scrape can escape without such a turn.
	FreelyEscaped int
}

// WithDefaults returns the limits with the default in each zero field.
func (l TurnLimits) WithDefaults() TurnLimits {
	return TurnLimits{
		Answers: cmp.Or(l.Answers, 32),
		Copies:  cmp.Or(l.Copies, 2),
		Escaped: cmp.Or(l.Escaped, 3),

		FreelyEscaped: cmp.Or(l.FreelyEscaped, 50_000),
	}
}

// ConnectionLimits bound connections, and what may arrive on them before a
// request is known.
type ConnectionLimits struct {
	// Connections bounds the number of connections. A header takes up to about 200
	// kB while it arrives.
	Connections int
	// Streams bounds the concurrent requests of one HTTP/2 connection.
	Streams int
	// HeaderBytes bounds the header of a request.
	HeaderBytes int
	// HeaderLines bounds the lines of a header: many short lines take more memory
	// than a long one. Browsers and proxies send a few dozen.
	HeaderLines int
}

// WithDefaults returns the limits with the default in each zero field.
func (l ConnectionLimits) WithDefaults() ConnectionLimits {
	return ConnectionLimits{
		Connections: cmp.Or(l.Connections, 1024),
		Streams:     cmp.Or(l.Streams, 100),
		HeaderBytes: cmp.Or(l.HeaderBytes, 64<<10),
		HeaderLines: cmp.Or(l.HeaderLines, 500),
	}
}

// RememberLimits bound what is remembered of clients, for those who look for the
// cause of a trouble.
type RememberLimits struct {
	// Refusals bounds the refused requests.
	Refusals int
	// Scrapers bounds the clients that have scraped.
	Scrapers int
}

// WithDefaults returns the limits with the default in each zero field.
func (l RememberLimits) WithDefaults() RememberLimits {
	return RememberLimits{Refusals: cmp.Or(l.Refusals, 500), Scrapers: cmp.Or(l.Scrapers, 10)}
}
