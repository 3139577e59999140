package gateway

import (
	"slices"

	"pushgateway/internal/exposition"
)

// shapeSet is the shapes of the groups that have a name. For the first few
// shapes the labels of a series say which group could have the same one, and
// that group is looked up: this costs nothing to keep. As long as these have
// groups, further ones have a seriesIndex. So a series costs a few steps at
// most, whatever shapes there are; and what an index costs is paid by those who
// bring the shapes.
type shapeSet struct {
	walked  []shapeCount
	indexed map[*shape]int // groups of each
	index   *seriesIndex   // of their series; nil if there are none
}

// shapeCount is how many groups of one shape have a name, counting those on
// their way to the journal.
type shapeCount struct {
	shape  *shape
	groups int
}

// maxWalked is how many shapes of a name are walked.
const maxWalked = 8

// add counts n groups of a shape more, or less. It gives the index that the
// series of these groups must be found in, nil if they need none. That does not
// change as long as there is one.
func (s *shapeSet) add(sh *shape, n int) *seriesIndex {
	if _, ok := s.indexed[sh]; ok {
		return s.addIndexed(sh, n)
	}
	i := slices.IndexFunc(s.walked, func(c shapeCount) bool { return c.shape == sh })
	switch {
	case i < 0 && len(s.walked) == maxWalked:
		return s.addIndexed(sh, n)
	case i < 0:
		s.walked = append(s.walked, shapeCount{sh, n})
		return nil
	}
	if s.walked[i].groups += n; s.walked[i].groups == 0 {
		s.walked = slices.Delete(s.walked, i, i+1)
	}
	return nil
}

func (s *shapeSet) addIndexed(sh *shape, n int) *seriesIndex {
	if s.index == nil {
		s.index, s.indexed = newSeriesIndex(), make(map[*shape]int)
	}
	if s.indexed[sh] += n; s.indexed[sh] > 0 {
		return s.index
	}
	if delete(s.indexed, sh); len(s.indexed) == 0 {
		s.index, s.indexed = nil, nil
	}
	return nil
}

// len is how many shapes there are.
func (s *shapeSet) len() int { return len(s.walked) + len(s.indexed) }

// rivals are the groups of other shapes that a block must be compared with:
// shapes to walk, and an index, either of which may be nil.
type rivals struct {
	block  *exposition.Block
	shapes []*shape
	index  *seriesIndex
}

// rivals gives those of a group of shape sh.
func (s *shapeSet) rivals(b *exposition.Block, sh *shape) (r rivals, ok bool) {
	r.block = b
	for _, c := range s.walked {
		if c.shape != sh {
			r.shapes = append(r.shapes, c.shape)
		}
	}
	if _, own := s.indexed[sh]; len(s.indexed) > 1 || len(s.indexed) == 1 && !own {
		r.index = s.index
	}
	return r, len(r.shapes) > 0 || r.index != nil
}
