package otlp

import (
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"unsafe"

	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

// place puts the series of a point into the present family. Of several points of
// one series the latest counts, unless they add up. gone means that the point has
// no value.
func (t *translator) place(s metric.Series, at uint64, gone bool) error {
	f := t.to
	t.valued = t.valued || !gone
	i, free := f.placeOf(t.hash(s.Labels), s.Labels)
	if i < 0 {
		var err error
		if i, err = t.newPlace(free, s.Labels); err != nil {
			return err
		}
	}
	l := &f.latest[i]
	isLatest := at >= l.at
	if isLatest {
		l.at, l.gone = at, gone
	}
	switch {
	case gone:
		return nil
	case f.Delta && l.points > 0 && f.Type == metric.Counter:
		grow(&f.Series[i], s)
	case f.Delta && l.points > 0:
		return t.again(s, &l.points)
	case f.Delta || isLatest:
		l.points = 1
		f.Series[i] = s
	}
	return nil
}

// grow adds a further point of a counter.
func grow(c *metric.Series, by metric.Series) {
	c.Value += by.Value
	if by.Exemplar != nil {
		c.Exemplar = by.Exemplar
	}
}

// places are those of the series of a family, by hashes of their labels. Labels whose
// hash others have are at the next one that is free.
type places map[uint64]int32

// hash returns the hash of labels.
func (t *translator) hash(labels []metric.Label) uint64 {
	t.key = appendKey(t.key[:0], labels)
	return maphash.Bytes(t.seed, t.key)
}

// placeOf returns the place of a series. If it has none, that is negative, and free
// is the hash that it can have.
func (f *Family) placeOf(hash uint64, labels []metric.Label) (place int, free uint64) {
	for ; ; hash++ {
		i, taken := f.places[hash]
		switch {
		case !taken:
			return -1, hash
		case slices.Equal(f.Series[i].Labels, labels):
			return int(i), hash
		}
	}
}

// reserve makes room in the present family for as many more series. It takes memory
// only for what grows, since many metrics may have the same name.
func (t *translator) reserve(series int) error {
	f := t.to
	const place = 48
	if need := len(f.Series) + series; need > cap(f.Series) {
		room := max(need, 2*cap(f.Series))
		if err := t.pay(room * (int(unsafe.Sizeof(metric.Series{})+unsafe.Sizeof(latest{})) + place)); err != nil {
			return err
		}
		f.Series = append(make([]metric.Series, 0, room), f.Series...)
		f.latest = append(make([]latest, 0, room), f.latest...)
	}
	if f.places == nil {
		f.places = make(places, series)
	}
	return nil
}

// newPlace makes a place for a series. hash is free.
func (t *translator) newPlace(hash uint64, labels []metric.Label) (int, error) {
	f := t.to
	if t.series++; t.Limits.Series > 0 && t.series > t.Limits.Series {
		return 0, t.tooMany(guard.LimitSeriesPerPush, "series", t.Limits.Series, f.Name)
	}
	i := len(f.Series)
	if i == cap(f.Series) {
		if err := t.reserve(max(i, 1)); err != nil {
			return 0, err
		}
	}
	f.places[hash] = int32(i)
	f.latest = append(f.latest, latest{})
	f.Series = append(f.Series, metric.Series{Labels: labels})
	return i, nil
}

// again adds a further point of a series that adds up. points counts those of the
// series.
func (t *translator) again(s metric.Series, points *int) error {
	f := t.to
	const family, most = 200, 100
	if *points >= most {
		return fmt.Errorf("a histogram has more than %d points with the same attributes; export it more often, or with one point", most)
	}
	if err := t.Take(2*int(unsafe.Sizeof(metric.Series{})) + family); err != nil {
		return err
	}
	if *points > len(f.Again) {
		f.Again = append(f.Again, &metric.Family{Name: f.Name, Type: f.Type})
	}
	to := f.Again[*points-1]
	to.Series = append(to.Series, s)
	*points++
	return nil
}

// part divides the series into those that have a value and those that have none.
func (f *Family) part() {
	kept := f.Series[:0]
	for i, s := range f.Series {
		if f.latest[i].gone {
			f.Gone = append(f.Gone, valueless(f.Type, s.Labels))
			continue
		}
		kept = append(kept, s)
	}
	f.Series = kept
	f.dropAgain()
}

// dropAgain removes the further points of series that have no value in the end.
func (f *Family) dropAgain() {
	if len(f.Again) == 0 || len(f.Gone) == 0 {
		return
	}
	gone := make(map[string]bool, len(f.Gone))
	var key []byte
	for _, s := range f.Gone {
		key = appendKey(key[:0], s.Labels)
		gone[string(key)] = true
	}
	for _, again := range f.Again {
		again.Series = slices.DeleteFunc(again.Series, func(s metric.Series) bool {
			key = appendKey(key[:0], s.Labels)
			return gone[string(key)]
		})
	}
	f.Again = slices.DeleteFunc(f.Again, func(again *metric.Family) bool { return len(again.Series) == 0 })
}

// valueless returns a series of a type.
func valueless(t metric.Type, labels []metric.Label) metric.Series {
	s := metric.Series{Labels: labels}
	switch t {
	case metric.Histogram:
		s.Histogram = &metric.Buckets{Classic: []metric.Bucket{{UpperBound: math.Inf(+1)}}}
	case metric.Summary:
		s.Summary = new(metric.Quantiles)
	}
	return s
}

// appendKey appends a text that only equal label sets have. They are sorted. Text
// in UTF-8 never has the separator.
func appendKey(b []byte, labels []metric.Label) []byte {
	const separator = 0xff
	for _, l := range labels {
		b = append(append(b, l.Name...), separator)
		b = append(append(b, l.Value...), separator)
	}
	return b
}
