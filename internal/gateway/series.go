package gateway

import (
	"context"
	"slices"
	"sync"

	"pushgateway/internal/grouping"
)

// seriesIndex finds the groups that may have a series of one name, by a hash of
// the label set. It contains the groups of those shapes that are not walked;
// see shapeSet. Its answers are hints, which the caller verifies, so a group
// that is gone may stay in it for a moment. It is safe for concurrent use.
type seriesIndex struct {
	mu   sync.Mutex
	one  map[uint64]*seriesEntry
	more map[uint64][]*seriesEntry // further entries of hashes that several groups have
	most int                       // the largest size of the map one since it was made
}

// seriesEntry is the label sets that a group has of a name, except those in
// base. It is immutable.
type seriesEntry struct {
	index  *seriesIndex
	key    grouping.Key
	hashes []uint64 // sorted
	base   *seriesEntry
	depth  int  // length of the chain of bases
	gone   bool // discarded; for holders of Gateway.mu
}

// maxDepth bounds the chain of bases. A merge beyond it adds all label sets
// again.
const maxDepth = 100

// isIn reports whether e is other or one of its bases.
func (e *seriesEntry) isIn(other *seriesEntry) bool {
	for other != nil && other != e {
		other = other.base
	}
	return other != nil
}

// seriesChunk is how many hashes are added or removed under one lock, so that
// others get their turn.
const seriesChunk = 1000

func newSeriesIndex() *seriesIndex {
	return &seriesIndex{one: make(map[uint64]*seriesEntry), more: make(map[uint64][]*seriesEntry)}
}

// add adds an entry. It stops with an error if ctx ends.
func (s *seriesIndex) add(ctx context.Context, e *seriesEntry) error {
	for chunk := range slices.Chunk(e.hashes, seriesChunk) {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.mu.Lock()
		for _, hash := range chunk {
			if _, taken := s.one[hash]; taken {
				s.more[hash] = append(s.more[hash], e)
			} else {
				s.one[hash] = e
			}
		}
		s.most = max(s.most, len(s.one))
		s.mu.Unlock()
	}
	return nil
}

// remove removes an entry, which may be there only in part.
func (s *seriesIndex) remove(e *seriesEntry) {
	for chunk := range slices.Chunk(e.hashes, seriesChunk) {
		s.mu.Lock()
		for _, hash := range chunk {
			s.removeHash(hash, e)
		}
		s.mu.Unlock()
	}
	s.shrink()
}

func (s *seriesIndex) removeHash(hash uint64, e *seriesEntry) {
	more := s.more[hash]
	if s.one[hash] != e {
		if i := slices.Index(more, e); i >= 0 {
			last := len(more) - 1
			more[i], more[last] = more[last], nil
			s.setMore(hash, more[:last])
		}
		return
	}
	if len(more) == 0 {
		delete(s.one, hash)
		return
	}
	s.one[hash] = more[len(more)-1]
	s.setMore(hash, more[:len(more)-1])
}

func (s *seriesIndex) setMore(hash uint64, more []*seriesEntry) {
	if len(more) == 0 {
		delete(s.more, hash)
		return
	}
	s.more[hash] = more
}

// shrink makes new maps once most entries are gone, since maps do not release
// memory.
func (s *seriesIndex) shrink() {
	const little = 10_000
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most < little || len(s.one) > s.most/8 {
		return
	}
	one := make(map[uint64]*seriesEntry, len(s.one))
	for hash, e := range s.one {
		one[hash] = e
	}
	s.one, s.most = one, len(one)
}

// others appends the groups other than key that may have a series. It stops
// after about most groups.
func (s *seriesIndex) others(found []grouping.Key, hash uint64, key grouping.Key, most int) []grouping.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.one[hash]
	if e == nil {
		return found
	}
	if e.key != key {
		found = append(found, e.key)
	}
	for _, e := range s.more[hash] {
		if len(found) >= most {
			break
		}
		if e.key != key {
			found = append(found, e.key)
		}
	}
	return found
}

// note adds a change to the indexes that must contain it, before the change is
// compared with others. Stored label sets that stay the same are already there.
func (g *Gateway) note(ctx context.Context, p *pending, old *Group) error {
	for i, b := range p.brings {
		index := p.indexes[i]
		if index == nil {
			continue
		}
		was := old.entryOf(b.Name)
		if was != nil && was.index != index {
			was = nil
		}
		e := &seriesEntry{index: index, key: p.group.Key}
		if fresh := p.fresh[i]; fresh != b && was != nil && was.depth < maxDepth {
			e.hashes, e.base, e.depth = missing(fresh.Hashes(), old.Find(b.Name).Block.Hashes()), was, was.depth+1
		} else {
			e.hashes = b.Hashes()
		}
		h := p.group.Find(b.Name)
		if e.addsNothingTo(was) {
			h.entry = was
			continue
		}
		h.entry = e
		if err := index.add(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// missing returns the hashes that are not in others, which is sorted.
func missing(hashes, others []uint64) (missing []uint64) {
	for _, hash := range hashes {
		if _, found := slices.BinarySearch(others, hash); !found {
			missing = append(missing, hash)
		}
	}
	return missing
}

// addsNothingTo reports whether e has no label sets beyond those of was, the
// group's entry before, which may be nil.
func (e *seriesEntry) addsNothingTo(was *seriesEntry) bool {
	switch {
	case was == nil:
		return false
	case e.base != nil:
		return len(e.hashes) == 0
	}
	return was.base == nil && slices.Equal(was.hashes, e.hashes)
}

// discard records that an entry is not needed any more, except for what kept
// has of it. The caller holds Gateway.mu; sweep removes the entry later.
func (x *index) discard(e, kept *seriesEntry) {
	for e != nil && !e.isIn(kept) {
		e.gone = true
		x.discarded = append(x.discarded, e)
		x.hasDiscarded.Store(true)
		e = e.base
	}
}

// sweep removes discarded entries. The caller does not hold mu.
func (g *Gateway) sweep() {
	if !g.index.hasDiscarded.Load() {
		return
	}
	g.mu.Lock()
	discarded := g.index.discarded
	g.index.discarded = nil
	g.index.hasDiscarded.Store(false)
	g.mu.Unlock()
	for _, e := range discarded {
		e.index.remove(e)
	}
}
