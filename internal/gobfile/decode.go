package gobfile

import (
	"time"

	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// record is a group as it is in the file, unchecked.
type record struct {
	key      grouping.Key
	labels   []metric.Label
	families []familyRecord
}

type familyRecord struct {
	name   string // the key under which the file lists it
	pushed time.Time
	msg    []byte // io.prometheus.client.MetricFamily
}

// eachGroup reads the value of a file and calls f for each group, in the order
// of the file, which is random. An error of f ends it.
func (r *reader) eachGroup(f func(record) error) error {
	types, top, err := r.readTypes()
	if err != nil {
		return err
	}
	l, err := r.layout(types, top)
	if err != nil {
		return err
	}
	zero, err := r.uint() // precedes anything that is not a struct
	if err != nil {
		return err
	}
	if zero != 0 {
		return r.damaged("the value begins with %d instead of 0", zero)
	}
	err = r.eachEntry(func(key string) error {
		rec := record{key: grouping.Key(key)}
		if err := r.readGroup(l, &rec); err != nil {
			return err
		}
		return f(rec)
	})
	if err == nil && r.left > 0 {
		err = r.damaged("%d bytes follow the last group", r.left)
	}
	return err
}

func (r *reader) readGroup(l layout, rec *record) error {
	return r.eachField(func(number int) error {
		switch fieldName(l.group, number) {
		case fieldLabels:
			return r.readLabels(rec)
		case fieldMetrics:
			return r.readFamilies(l, rec)
		}
		return r.damaged("a group has a field %d", number)
	})
}

func (r *reader) readLabels(rec *record) error {
	return r.eachEntry(func(name string) error {
		value, err := r.string()
		rec.labels = append(rec.labels, metric.Label{Name: name, Value: value})
		return err
	})
}

func (r *reader) readFamilies(l layout, rec *record) error {
	return r.eachEntry(func(name string) error {
		f := familyRecord{name: name}
		err := r.readFamily(l, &f)
		rec.families = append(rec.families, f)
		return err
	})
}

func (r *reader) readFamily(l layout, f *familyRecord) error {
	return r.eachField(func(number int) (err error) {
		switch fieldName(l.family, number) {
		case fieldTimestamp:
			return r.readTime(&f.pushed)
		case fieldFamily:
			f.msg, err = r.bytes()
			return err
		}
		return r.damaged("a family has a field %d", number)
	})
}

func (r *reader) readTime(t *time.Time) error {
	b, err := r.bytes()
	if err != nil {
		return err
	}
	if err := t.GobDecode(b); err != nil {
		return r.damaged("%v", err)
	}
	return nil
}

func fieldName(names []string, number int) string {
	if number >= len(names) {
		return ""
	}
	return names[number]
}
