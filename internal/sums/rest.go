package sums

import (
	"pushgateway/internal/exposition"
	"pushgateway/internal/metric"
)

// Most pushes to a large family add to few of its series. Then the others are neither
// read nor rendered again.

// few is against how many stored series a pushed one counts for few.
const few = 4

// rest is what is stored of a family of which only those series are read that pushes
// add to. Nil means that all are. It is for one goroutine.
type rest struct {
	block   *exposition.Block
	ends    []int64 // of its series, as Of takes them
	finder  *exposition.Finder
	numbers []int // where the block has the series that were read; -1 for those that are new
	found   int   // how many are not new
}

func newRest(stored *exposition.Block, ends []int64) *rest { return &rest{block: stored, ends: ends} }

// number returns where the block has a series, or -1.
func (r *rest) number(labels []metric.Label) int {
	if r.finder == nil {
		r.finder = r.block.Finder()
	}
	return r.finder.Find(labels)
}

// find returns a series of the block, or nil.
func (r *rest) find(labels []metric.Label) *metric.Series {
	if r == nil {
		return nil
	}
	number := r.number(labels)
	if number < 0 {
		return nil
	}
	s := r.finder.Series(number)
	return &s
}

// take notes that the family has another series, which it has read or which is new.
func (r *rest) take(labels []metric.Label) {
	if r == nil {
		return
	}
	number := r.number(labels)
	if r.numbers = append(r.numbers, number); number >= 0 {
		r.found++
	}
}

// unread returns how many series were not read.
func (r *rest) unread() int {
	if r == nil {
		return 0
	}
	return r.block.Series() - r.found
}

// with returns the ends of all series, given those of the series that were read: the new
// ones follow the stored ones, as in exposition.Merge.
func (r *rest) with(read []int64) []int64 {
	if r == nil {
		return read
	}
	all := make([]int64, r.block.Series(), r.block.Series()+len(read))
	copy(all, r.ends)
	for i, number := range r.numbers {
		if number < 0 {
			all = append(all, read[i])
		} else {
			all[number] = read[i]
		}
	}
	return all
}

// readAll reads the series that were not read before.
func (f *Family) readAll() {
	r, series, ends := f.rest, f.series, f.ends
	if r == nil {
		return
	}
	f.rest, f.series, f.ends, f.places = nil, nil, nil, make(map[string]int, r.block.Series())
	all := make([]int64, r.block.Series())
	copy(all, r.ends)
	for s := range r.block.EachSeries {
		f.put(s, all[len(f.series)])
	}
	for i, s := range series {
		f.put(s, ends[i])
	}
}
