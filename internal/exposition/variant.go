package exposition

import (
	"hash/maphash"
	"slices"
	"sync"

	"pushgateway/internal/metric"
)

// variant is a block as one format and escaping has it, where that differs
// from what the block itself holds.
type variant struct {
	content []byte   // lines, or protobuf
	hashes  []uint64 // of the escaped label sets
	dropped int      // labels and series that were equal to others when escaped
}

// size is what keeping it takes, in bytes, with its block, which may be no
// longer in use but for this.
func (v *variant) size(b *Block) int { return len(v.content) + 8*len(v.hashes) + b.Size() + 256 }

// Cache keeps variants of blocks within a bound. It is safe for concurrent
// use; nil keeps nothing.
type Cache struct {
	max     int // bytes
	mu      sync.Mutex
	bytes   int
	entries map[cacheKey]*variant
}

type cacheKey struct {
	block  *Block
	format Format
}

// NewCache makes a cache that takes at most about max bytes.
func NewCache(max int) *Cache {
	return &Cache{max: max, entries: make(map[cacheKey]*variant)}
}

func (c *Cache) get(b *Block, f Format) *variant {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[cacheKey{b, f}]
}

// put keeps a variant. Where the bound is reached, any others go: which ones
// does not matter much, since a scrape asks for all of them in turn.
func (c *Cache) put(b *Block, f Format, v *variant) {
	if c == nil || v.size(b) > c.max/2 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[cacheKey{b, f}] != nil {
		return
	}
	for key, old := range c.entries {
		if c.bytes+v.size(b) <= c.max {
			break
		}
		c.bytes -= old.size(key.block)
		delete(c.entries, key)
	}
	c.entries[cacheKey{b, f}] = v
	c.bytes += v.size(b)
}

// makeVariant renders a block anew for a format, under the name that the
// family has there. Label sets in seen are left out, as are those that come
// twice once they are escaped.
func makeVariant(b *Block, f Format, name string, seen map[uint64]struct{}) *variant {
	v := new(variant)
	own := make(map[uint64]struct{}, b.series)
	r := renderers.Get().(*renderer)
	defer r.release()
	r.opts, r.size, r.text, r.proto = Options{}, 0, r.text[:0], r.proto[:0]
	r.legacyName = metric.IsLegacyName(name)
	family := &metric.Family{Name: name, Type: b.Type}
	b.EachSeries(func(s metric.Series) bool {
		if f.Syntax == Protobuf && contradicts(b.Type, s.Histogram) {
			v.dropped++
			return true
		}
		v.dropped += escapeSeries(f, &s)
		hash := hashUnsorted(s.Labels)
		if _, twice := own[hash]; twice {
			v.dropped++
			return true
		}
		if _, twice := seen[hash]; twice {
			v.dropped++
			return true
		}
		own[hash] = struct{}{}
		v.hashes = append(v.hashes, hash)
		r.labelText = appendLabels(r.labelText[:0], s.Labels)
		r.labels.text = r.labelText
		r.msg = appendLabelPairs(r.msg[:0], 1, s.Labels)
		r.appendVariant(f, family, &s)
		return true
	})
	v.content = slices.Concat(r.text, r.proto) // one of them is empty
	return v
}

func (r *renderer) appendVariant(f Format, family *metric.Family, s *metric.Series) {
	switch {
	case f.isOpenMetrics():
		r.text = r.appendOpenMetrics(r.text, family, s)
	case f.Syntax == Text:
		r.text, _ = r.appendText(r.text, family, s) // only a bound makes it fail
	default:
		r.proto = r.appendProto(r.proto, family, s)
	}
}

// escapeSeries escapes the names of a series' labels, and of its exemplars'
// where the format has lines of them. The number of labels left out is given
// back.
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

// escapeLabels escapes the names of labels in their place. Of labels that
// become equal the one that was so from the start stays, or else the first;
// none may become __name__. The number of those left out is given back.
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
