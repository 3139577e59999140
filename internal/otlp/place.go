package otlp

import (
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
	t.key = appendKey(t.key[:0], s.Labels)
	i, known := f.places[string(t.key)]
	if !known {
		var err error
		if i, err = t.newPlace(s.Labels); err != nil {
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
	case f.Delta && l.points > 0:
		return t.again(s, &l.points)
	case f.Delta || isLatest:
		l.points = 1
		f.Series[i] = s
	}
	return nil
}

// newPlace makes a place for a series.
func (t *translator) newPlace(labels []metric.Label) (int, error) {
	f := t.to
	if t.series++; t.Limits.Series > 0 && t.series > t.Limits.Series {
		return 0, t.tooMany(guard.LimitSeriesPerPush, "series", t.Limits.Series, f.Name)
	}
	const place = 100
	if err := t.Take(2*int(unsafe.Sizeof(metric.Series{})) + place + len(t.key)); err != nil {
		return 0, err
	}
	i := len(f.Series)
	f.places[string(t.key)] = i
	f.latest = append(f.latest, latest{})
	f.Series = append(f.Series, metric.Series{Labels: labels})
	return i, nil
}

// again adds a further point of a series that adds up. points counts those of the
// series.
func (t *translator) again(s metric.Series, points *int) error {
	f := t.to
	const family = 200
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
