package gateway

import (
	"slices"

	"pushgateway/internal/exposition"
)

// shapeSet holds the shapes of the groups that have a name. For the first few
// shapes, the labels of a series determine which group could have the same one;
// looking that group up needs no memory. Further shapes have a seriesIndex as
// long as they have groups. So a series costs a few steps at most, whatever
// shapes there are, and those who bring the shapes pay for the index.
type shapeSet struct {
	walked  []shapeCount
	indexed map[*shape]int // number of groups of each
	index   *seriesIndex   // of their series; nil if there are none
}

// shapeCount is how many groups of one shape have a name, including pending
// ones.
type shapeCount struct {
	shape  *shape
	groups int
}

// maxWalked is how many shapes of a name are walked.
const maxWalked = 8

// add adds n, which may be negative, to the number of groups of a shape. It
// returns the index that must contain the series of these groups, or nil if
// they need none. That stays the same as long as the shape has groups.
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

// hasOnly reports whether there is no other shape than sh.
func (s *shapeSet) hasOnly(sh *shape) bool {
	return s.len() == 0 || s.len() == 1 && len(s.walked) == 1 && s.walked[0].shape == sh
}

// len returns the number of shapes.
func (s *shapeSet) len() int { return len(s.walked) + len(s.indexed) }

// rivals are the groups of other shapes that a block must be compared with:
// shapes to walk, and an index. Either may be nil.
type rivals struct {
	block  *exposition.Block
	shapes []*shape
	index  *seriesIndex
}

// rivals returns the rivals of a group of shape sh.
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
