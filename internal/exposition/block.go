package exposition

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"pushgateway/internal/metric"
)

// A Block is what one group has of one family, finished: the lines of its text
// exposition, and its metrics in protobuf if the text does not express
// everything. It is immutable and safe for concurrent use.
type Block struct {
	Name  string
	Help  string
	Unit  string // "" if unknown
	text  []byte
	more  *more // what the text does not express; nil if it expresses everything
	proto int   // length of the protobuf
	// id is not 0 once a scrape has asked for it; see Block.identity.
	id     atomic.Uint64
	series int32
	// tooLong counts the series that were left out because they are too long.
	tooLong int32
	// era is that of the limits that the labels were checked against, if there is a
	// pattern.
	era uint32
	// pattern is the pattern of the push that brought the block, and part its place
	// there. Blocks that nobody pushed as text have none.
	part    int32
	pattern *pattern
	order   order
	Type    metric.Type
	// EmptyHelp is as in metric.Family.
	EmptyHelp bool
	// Legacy is true if all names in the block are legacy names, so that one text
	// serves every escaping.
	Legacy bool
	// open means that none of the histograms was pushed with a +Inf bucket, which
	// the text contains anyway. It is only set if the block has nothing but text.
	open bool
	// mates is how many blocks share memory, and first the first of them; see
	// together.
	mates uint8
	first *Block
	// made is the protobuf if it is made from the text. hashes are those of the
	// label sets. Both are made on first use.
	made   atomic.Pointer[madeProto]
	hashes atomic.Pointer[[]uint64]
}

// HasHelp reports whether there is a help text, which may be empty.
func (b *Block) HasHelp() bool { return b.Help != "" || b.EmptyHelp }

// Series returns the number of label sets. A histogram counts as one.
func (b *Block) Series() int { return int(b.series) }

// Text returns the lines of the block without HELP and TYPE, with names as
// pushed. The caller must not change it.
func (b *Block) Text() []byte { return b.text[:len(b.text):len(b.text)] }

// Proto returns the series as the repeated field "metric" of an
// io.prometheus.client.MetricFamily. The caller must not change it. If it is
// made from the text, the block makes it once, for all who ask meanwhile, and
// keeps it.
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

// madeProto is the protobuf that is made from the text of a block.
type madeProto struct {
	once  sync.Once
	proto []byte
}

// AppendProto appends what Proto returns, and keeps nothing.
func (b *Block) AppendProto(dst []byte) []byte {
	if b.onlyText() && b.made.Load() == nil {
		return b.appendPlain(dst)
	}
	return append(dst, b.Proto()...)
}

// more is what the text of a block does not express.
type more struct {
	proto   []byte
	orderly []byte // without series with contradictory values, if there are any
	leftOut int    // the number of these
}

// delimited returns Proto for scrapes in delimited protobuf: without histograms
// that could make them fail, see contradicts.
func (b *Block) delimited() []byte {
	if b.more != nil && b.more.leftOut > 0 {
		return b.more.orderly
	}
	return b.Proto()
}

// leftOut returns how many series delimited lacks.
func (b *Block) leftOut() int {
	if b.more == nil {
		return 0
	}
	return b.more.leftOut
}

// TooLong returns how many series were left out when the block was stored,
// because their names or labels are too long for Prometheus.
func (b *Block) TooLong() int { return int(b.tooLong) }

// DelimitedSize returns the length of what delimited returns.
func (b *Block) DelimitedSize() int {
	if b.leftOut() > 0 {
		return len(b.more.orderly)
	}
	return b.proto
}

// Size returns the memory of the block's content in bytes, including protobuf
// that may be made later.
func (b *Block) Size() int {
	if b.more != nil {
		return len(b.text) + b.proto + len(b.more.orderly)
	}
	return len(b.text) + b.proto
}

// seed makes the hashes of label sets unpredictable.
var seed = maphash.MakeSeed()

// Hashes returns a sorted list with a hash for each label set. Equal label sets
// have equal hashes, also in different blocks.
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

// HashLabels returns the hash that Hashes has for a label set, sorted by name,
// and its scratch memory for reuse.
func HashLabels(scratch []byte, labels []metric.Label) (hash uint64, _ []byte) {
	scratch = appendLabels(scratch[:0], labels)
	return maphash.Bytes(seed, scratch), scratch
}

// Has reports whether the block has a series with exactly these labels, sorted
// by name, whose hash is that of HashLabels.
func (b *Block) Has(hash uint64, labels []metric.Label) bool {
	return b.MayHave(hash) && b.hasLine(labels)
}

// MayHave reports whether the block has a series whose hash is that of
// HashLabels. It is wrong for one in 2^64.
func (b *Block) MayHave(hash uint64) bool {
	_, found := slices.BinarySearch(b.Hashes(), hash)
	return found
}

// EachLabels calls f with the labels of each series, sorted by name, until it
// returns false. The slice is only valid during the call.
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

// view returns bytes as a string without a copy. The bytes must not change.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
