package exposition

import (
	"math/bits"
	"slices"
)

// seriesTable finds series of a family by a hash of their label sets. It takes
// 8 bytes per series, and as much for free slots. The zero value is empty.
type seriesTable struct {
	slots []uint64 // half of a hash above the number of the series + 1, or 0
	used  int
}

const hashHalf = 0xffffffff << 32

// find returns the series with this hash for which is returns true, or -1.
func (t *seriesTable) find(hash uint64, is func(series int) bool) int {
	if len(t.slots) == 0 {
		return -1
	}
	for at := t.first(hash); ; at = t.next(at) {
		slot := t.slots[at]
		if slot == 0 {
			return -1
		}
		if series := int(uint32(slot)) - 1; slot&hashHalf == hash&hashHalf && is(series) {
			return series
		}
	}
}

// add adds a series that is not in the table. The caller has made room.
func (t *seriesTable) add(hash uint64, series int) {
	t.put(hash&hashHalf | uint64(series+1))
	t.used++
}

func (t *seriesTable) put(slot uint64) {
	at := t.first(slot)
	for t.slots[at] != 0 {
		at = t.next(at)
	}
	t.slots[at] = slot
}

// first is where the search for a hash begins. It only uses the half that slots
// keep.
func (t *seriesTable) first(hash uint64) int { return int(hash>>32) & (len(t.slots) - 1) }

func (t *seriesTable) next(at int) int { return (at + 1) & (len(t.slots) - 1) }

// grow makes room for one more series. It calls take for the memory.
func (t *seriesTable) grow(take func(bytes int) error) error {
	if 4*(t.used+1) <= 3*len(t.slots) {
		return nil
	}
	old := t.slots
	n := max(16, 2*len(old))
	if err := take(8 * (n - len(old))); err != nil {
		return err
	}
	t.slots = make([]uint64, n)
	for _, slot := range old {
		if slot != 0 {
			t.put(slot)
		}
	}
	return nil
}

// hashSet is a set of hashes. The zero value is empty.
type hashSet struct {
	slots []uint64 // 0 means empty
	used  int
}

// add adds a hash, and reports whether it is new. It calls take for the memory
// to grow.
func (s *hashSet) add(hash uint64, take func(bytes int) error) (added bool, err error) {
	if err := s.room(s.used+1, take); err != nil {
		return false, err
	}
	if hash == 0 {
		hash = 1 // as good as any other
	}
	at := s.find(hash)
	if s.slots[at] == hash {
		return false, nil
	}
	s.slots[at] = hash
	s.used++
	return true, nil
}

// find returns where a hash is or would be.
func (s *hashSet) find(hash uint64) int {
	first, _ := bits.Mul64(hash, uint64(len(s.slots)))
	at := int(first)
	for s.slots[at] != 0 && s.slots[at] != hash {
		if at++; at == len(s.slots) {
			at = 0
		}
	}
	return at
}

// room makes room for this many hashes in total.
func (s *hashSet) room(hashes int, take func(bytes int) error) error {
	if 4*hashes <= 3*len(s.slots) {
		return nil
	}
	old := s.slots
	n := max(64, 2*len(old), hashes*4/3+1)
	if err := take(8 * (n - len(old))); err != nil {
		return err
	}
	s.slots = make([]uint64, n)
	for _, hash := range old {
		if hash != 0 {
			s.slots[s.find(hash)] = hash
		}
	}
	return nil
}

// reset empties the set. It keeps the memory unless it is large.
func (s *hashSet) reset() {
	const keep = 1 << 14
	if len(s.slots) > keep {
		s.slots = nil
	}
	if s.used > 0 {
		clear(s.slots)
	}
	s.used = 0
}

// labelSets are the label sets of a family, by hash. The zero value is empty.
type labelSets struct {
	few  []uint64 // the first ones
	many hashSet  // all of them, if there are more
}

// add adds a label set of a family with this many series, and reports whether it
// is new. It calls take for the memory that it needs.
func (s *labelSets) add(hash uint64, series int, take func(bytes int) error) (added bool, err error) {
	const few = 32 // up to which looking through a list is cheaper than a set
	if len(s.few) < few {
		if slices.Contains(s.few, hash) {
			return false, nil
		}
		s.few = append(s.few, hash)
		return true, nil
	}
	if s.many.used == 0 {
		if err := s.many.room(series, take); err != nil {
			return false, err
		}
		for _, h := range s.few {
			if _, err := s.many.add(h, take); err != nil {
				return false, err
			}
		}
	}
	return s.many.add(hash, take)
}

func (s *labelSets) reset() {
	s.few = s.few[:0]
	s.many.reset()
}

// reset empties the table. It keeps the memory unless it is large, and returns
// how many bytes it released.
func (t *seriesTable) reset() (freed int) {
	const keep = 1 << 10
	if len(t.slots) > keep {
		freed, t.slots = 8*len(t.slots), nil
	}
	clear(t.slots)
	t.used = 0
	return freed
}
