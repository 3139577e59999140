package exposition

import (
	"hash/maphash"
	"slices"
	"sync"

	"pushgateway/internal/metric"
)

// variant is a block in one format and escaping, if that differs from the
// block's own content.
type variant struct {
	content []byte   // lines, or protobuf
	hashes  []uint64 // of the escaped label sets
	dropped int      // labels and series that were equal to others when escaped
}

// size is what keeping it takes, in bytes.
func (v *variant) size() int { return len(v.content) + 8*len(v.hashes) + 256 }

// Cache keeps variants of blocks within a bound. It is safe for concurrent use.
// A nil cache keeps nothing.
type Cache struct {
	max     int // bytes
	mu      sync.Mutex
	bytes   int
	entries map[cacheKey]*variant
}

// cacheKey has the identity of a block, so that the cache keeps no block that was
// replaced.
type cacheKey struct {
	block uint64
	shape shape
}

// shape is how the series of a block are rendered for a scrape.
type shape struct {
	Format
	untimed bool // without start times
}

// NewCache returns a cache that takes at most about max bytes.
func NewCache(max int) *Cache {
	return &Cache{max: max, entries: make(map[cacheKey]*variant)}
}

func (c *Cache) get(b *Block, s shape) *variant {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[cacheKey{b.identity(), s}]
}

// put keeps a variant. At the bound it removes arbitrary others: since a scrape
// needs all of them in turn, it hardly matters which.
func (c *Cache) put(b *Block, s shape, v *variant) {
	if c == nil || v.size() > c.max/2 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[cacheKey{b.identity(), s}] != nil {
		return
	}
	for key, old := range c.entries {
		if c.bytes+v.size() <= c.max {
			break
		}
		c.bytes -= old.size()
		delete(c.entries, key)
	}
	c.entries[cacheKey{b.identity(), s}] = v
	c.bytes += v.size()
}

// makeVariant renders a block for a format, under the name that the family has
// there. It leaves out label sets in seen, and repeated ones once they are
// escaped.
func makeVariant(b *Block, f shape, name string, seen map[uint64]struct{}) *variant {
	v := new(variant)
	m := newVariantMaker(b, f, name, seen, make(map[uint64]struct{}, b.series))
	defer m.r.release()
	b.EachSeries(func(s metric.Series) bool {
		if hash, ok := m.add(&s); ok {
			v.hashes = append(v.hashes, hash)
		}
		return true
	})
	v.content, v.dropped = slices.Clone(m.made()), m.dropped
	return v
}

// variantPiece is how many bytes of a large block are rendered at a time.
const variantPiece = 1 << 20

// eachVariantPiece is makeVariant for a block that is too large to be kept, or
// to be held by many scrapes at once: it yields what it renders in pieces,
// which are valid until the next one, and adds the label sets to seen.
func eachVariantPiece(b *Block, f shape, name string, seen map[uint64]struct{}, yield func([]byte) bool) (dropped int, more bool) {
	own := seen
	if own == nil {
		own = make(map[uint64]struct{}, b.series)
	}
	m := newVariantMaker(b, f, name, nil, own)
	defer m.r.release()
	more = true
	b.EachSeries(func(s metric.Series) bool {
		m.add(&s)
		if len(m.made()) >= variantPiece {
			more = yield(m.made())
			m.forget()
		}
		return more
	})
	if more && len(m.made()) > 0 {
		more = yield(m.made())
	}
	return m.dropped, more
}

// variantMaker renders series for a format.
type variantMaker struct {
	r         *renderer
	format    shape
	family    *metric.Family
	seen, own map[uint64]struct{} // label sets of other blocks, and of this one
	dropped   int
}

func newVariantMaker(b *Block, f shape, name string, seen, own map[uint64]struct{}) *variantMaker {
	m := &variantMaker{r: renderers.Get().(*renderer), format: f, family: &metric.Family{Name: name, Type: b.Type}, seen: seen, own: own}
	m.r.opts, m.r.size = Options{}, 0
	m.r.legacyName = metric.IsLegacyName(name)
	m.forget()
	return m
}

// made is what was rendered since forget: text or protobuf.
func (m *variantMaker) made() []byte {
	if len(m.r.proto) > 0 {
		return m.r.proto
	}
	return m.r.text
}

func (m *variantMaker) forget() { m.r.text, m.r.proto = m.r.text[:0], m.r.proto[:0] }

// add renders a series, unless the format already has it, and returns the hash
// of its labels there.
func (m *variantMaker) add(s *metric.Series) (hash uint64, added bool) {
	if m.format.Syntax == Protobuf && contradicts(m.family.Type, s.Histogram) {
		m.dropped++
		return 0, false
	}
	if m.format.untimed {
		s.Created = nil
	}
	m.dropped += escapeSeries(m.format.Format, s)
	hash = hashUnsorted(s.Labels)
	_, twice := m.own[hash]
	if _, elsewhere := m.seen[hash]; twice || elsewhere {
		m.dropped++
		return hash, false
	}
	m.own[hash] = struct{}{}
	r := m.r
	r.labelText = appendLabels(r.labelText[:0], s.Labels)
	r.labels.text = r.labelText
	r.msg = appendLabelPairs(r.msg[:0], 1, s.Labels)
	r.appendVariant(m.format.Format, m.family, s)
	return hash, true
}

func (r *renderer) appendVariant(f Format, family *metric.Family, s *metric.Series) {
	switch {
	case f.isOpenMetrics():
		r.text = r.appendOpenMetrics(r.text, family, s)
	case f.Syntax == Text:
		r.text, _ = r.appendText(r.text, family, s) // it can fail only because of a bound
	default:
		r.proto = r.appendProto(r.proto, family, s)
	}
}

// escapeSeries escapes the names of a series' labels, and of its exemplars'
// labels if the format shows them. It returns how many labels were left out.
func escapeSeries(f Format, s *metric.Series) (dropped int) {
	s.Labels, dropped = escapeLabels(s.Labels, f.Escaping)
	if !f.isOpenMetrics() {
		return dropped
	}
	dropped += escapeExemplar(s.Exemplar, f.Escaping)
	if s.Histogram != nil {
		for i := range s.Histogram.Classic {
			dropped += escapeExemplar(s.Histogram.Classic[i].Exemplar, f.Escaping)
		}
	}
	return dropped
}

func escapeExemplar(x *metric.Exemplar, e metric.Escaping) (dropped int) {
	if x != nil {
		x.Labels, dropped = escapeLabels(x.Labels, e)
	}
	return dropped
}

// escapeLabels escapes the names of labels in place. Of labels that become
// equal, one that did not change stays, or else the first. None may become
// __name__. It returns how many were left out.
func escapeLabels(labels []metric.Label, e metric.Escaping) (kept []metric.Label, dropped int) {
	kept = labels[:0:len(labels)]
	taken := make(map[string]bool, len(labels)+1)
	taken[metric.NameLabel] = true
	for _, l := range labels {
		if metric.EscapeLabel(l.Name, e) == l.Name {
			taken[l.Name] = true
		}
	}
	for _, l := range labels {
		name := metric.EscapeLabel(l.Name, e)
		if name != l.Name && taken[name] {
			dropped++
			continue
		}
		taken[name] = true
		kept = append(kept, metric.Label{Name: name, Value: l.Value})
	}
	return kept, dropped
}

// hashUnsorted is the hash of Block.Hashes for labels in any order.
func hashUnsorted(labels []metric.Label) uint64 {
	if !slices.IsSortedFunc(labels, compareLabels) {
		labels = slices.Clone(labels)
		slices.SortFunc(labels, compareLabels)
	}
	return maphash.Bytes(seed, appendLabels(nil, labels))
}
