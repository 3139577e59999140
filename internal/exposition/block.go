package exposition

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"pushgateway/internal/metric"
)

// A Block is what one group has of one family, finished: the lines of its
// text exposition, and its metrics in protobuf where text does not say all of
// them. It never changes and is safe for concurrent use.
type Block struct {
	Name   string
	Help   string
	text   []byte
	more   *more // what text does not say, nil if it says all there is
	proto  int   // length of the protobuf
	series int
	// tooLong counts the series that were left out for their length.
	tooLong int32
	// pattern is that of the push which brought the block, and part its place
	// there.
	pattern *pattern
	part    int32
	order   order
	Type    metric.Type
	// EmptyHelp is as in a metric.Family.
	EmptyHelp bool
	// Legacy is true if all names in the block are legacy names, so that one
	// text serves every escaping.
	Legacy bool
	// open tells of histograms that none of them was pushed with a bucket +Inf,
	// which the text has all the same. It says so only where text is all there
	// is.
	open bool
	// made is the protobuf if it is made of the text, and hashes are those of
	// the label sets. Both are made when first asked for.
	made   atomic.Pointer[madeProto]
	hashes atomic.Pointer[[]uint64]
}

// HasHelp tells whether there is a help text, be it empty.
func (b *Block) HasHelp() bool { return b.Help != "" || b.EmptyHelp }

// Series is the number of label sets; a histogram counts as one.
func (b *Block) Series() int { return b.series }

// Text has the lines of the block without HELP and TYPE, names as pushed.
// The caller must not change it.
func (b *Block) Text() []byte { return b.text[:len(b.text):len(b.text)] }

// Proto has the series as the repeated field "metric" of a
// io.prometheus.client.MetricFamily. The caller must not change it. Where it is
// made of the text it is made once, whoever asks for it meanwhile, and kept for
// the next time.
func (b *Block) Proto() []byte {
	if b.more != nil {
		return b.more.proto
	}
	m := b.made.Load()
	for m == nil {
		b.made.CompareAndSwap(nil, new(madeProto))
		m = b.made.Load()
	}
	m.once.Do(func() { m.proto = b.appendPlain(make([]byte, 0, b.proto)) })
	return m.proto
}

// madeProto is protobuf that is made of the text of a block.
type madeProto struct {
	once  sync.Once
	proto []byte
}

// AppendProto appends what Proto gives, and keeps nothing.
func (b *Block) AppendProto(dst []byte) []byte {
	if b.onlyText() && b.made.Load() == nil {
		return b.appendPlain(dst)
	}
	return append(dst, b.Proto()...)
}

// more is what the text of a block does not say.
type more struct {
	proto   []byte
	orderly []byte // without the series that contradict themselves, if there are any
	leftOut int    // how many those are
}

// Delimited is Proto for scrapes in delimited protobuf: without histograms
// that could end them, see contradicts.
func (b *Block) Delimited() []byte {
	if b.more != nil && b.more.leftOut > 0 {
		return b.more.orderly
	}
	return b.Proto()
}

// LeftOut is how many series Delimited lacks.
func (b *Block) LeftOut() int {
	if b.more == nil {
		return 0
	}
	return b.more.leftOut
}

// TooLong is how many series the block was stored with and does not have,
// because a name or a label of theirs would end a Prometheus.
func (b *Block) TooLong() int { return int(b.tooLong) }

// DelimitedSize is the length of Delimited.
func (b *Block) DelimitedSize() int {
	if b.LeftOut() > 0 {
		return len(b.more.orderly)
	}
	return b.proto
}

// Size is the memory of the block's content in bytes, protobuf included that
// may be made yet.
func (b *Block) Size() int {
	if b.more != nil {
		return len(b.text) + b.proto + len(b.more.orderly)
	}
	return len(b.text) + b.proto
}

// seed makes the hashes of label sets unforgeable.
var seed = maphash.MakeSeed()

// Hashes gives a hash for each label set, sorted. Two equal label sets, be
// they in different blocks, have equal hashes.
func (b *Block) Hashes() []uint64 {
	if h := b.hashes.Load(); h != nil {
		return *h
	}
	hashes := make([]uint64, 0, b.series)
	var scratch []byte
	b.EachLabels(func(labels []metric.Label) bool {
		var hash uint64
		hash, scratch = HashLabels(scratch, labels)
		hashes = append(hashes, hash)
		return true
	})
	slices.Sort(hashes)
	b.hashes.Store(&hashes)
	return hashes
}

// HashLabels gives the hash that Hashes has of a label set, sorted by name, and
// the memory that it was written in, to be used again.
func HashLabels(scratch []byte, labels []metric.Label) (hash uint64, _ []byte) {
	scratch = appendLabels(scratch[:0], labels)
	return maphash.Bytes(seed, scratch), scratch
}

// Has tells whether the block has a series with exactly these labels, sorted
// by name, of which the hash is that of HashLabels.
func (b *Block) Has(hash uint64, labels []metric.Label) bool {
	return b.MayHave(hash) && b.hasLine(labels)
}

// MayHave tells whether the block has a series of which the hash is that of
// HashLabels. It is wrong about one in 2^64.
func (b *Block) MayHave(hash uint64) bool {
	_, found := slices.BinarySearch(b.Hashes(), hash)
	return found
}

// EachLabels calls f with the labels of each series, sorted by name, until it
// returns false. The slice is f's only for the call.
func (b *Block) EachLabels(f func([]metric.Label) bool) {
	switch {
	case b.onlyText() && specialLabel(b.Type) != "":
		b.eachReread(func(s metric.Series) bool { return f(s.Labels) })
		return
	case b.onlyText():
		b.eachLine(func(labels []metric.Label, _ float64) bool { return f(labels) })
		return
	}
	var labels []metric.Label
	for rest := b.Proto(); len(rest) > 0; {
		var msg []byte
		msg, rest = nextMetric(rest)
		labels = readLabels(labels[:0], msg)
		if !f(labels) {
			return
		}
	}
}

// EachSeries calls f with each series until it returns false.
func (b *Block) EachSeries(f func(metric.Series) bool) {
	switch {
	case b.onlyText() && specialLabel(b.Type) != "":
		b.eachReread(func(s metric.Series) bool {
			s.Labels = slices.Clone(s.Labels)
			return f(s)
		})
		return
	case b.onlyText():
		b.eachLine(func(labels []metric.Label, value float64) bool {
			return f(metric.Series{Labels: slices.Clone(labels), Value: value})
		})
		return
	}
	for rest := b.Proto(); len(rest) > 0; {
		var msg []byte
		msg, rest = nextMetric(rest)
		if !f(b.readSeries(msg)) {
			return
		}
	}
}

// view gives bytes as a string without a copy. The bytes must not change.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
