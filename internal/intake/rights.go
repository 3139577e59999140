package intake

import (
	"fmt"
	"slices"

	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// may returns why the client may not push to a group, or nil. Nothing happens to
// a group before.
func (r *Request) may(key grouping.Key) error {
	if r.May == nil {
		return nil
	}
	return r.May(key)
}

// mayBring returns why the client may not push series to a group, or nil. A series
// can have labels of its own that make it look like one of another group. So if
// the rights of the client depend on a label that the key lacks, that label of the
// series counts.
func (r *Request) mayBring(key grouping.Key, blocks []*exposition.Block) (err error) {
	if r.May == nil {
		return nil
	}
	inKey := func(name string) bool { _, has := key.Value(name); return has }
	open := slices.DeleteFunc(slices.Clone(r.Guarded), inKey)
	if len(open) == 0 {
		return nil
	}
	look := look{key: key, open: open, may: r.May, allowed: key}
	for _, b := range blocks {
		b.EachLabels(func(labels []metric.Label) bool {
			if err = look.check(labels); err != nil {
				err = fmt.Errorf("the series %s looks like one of another group, by a label that the grouping key lacks: %w", exposition.FormatSeries(b.Name, labels), err)
			}
			return err == nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// look tells which groups series look like.
type look struct {
	key     grouping.Key // of their group
	open    []string     // names of labels that count if a series has them, sorted
	may     func(grouping.Key) error
	allowed grouping.Key // the last key that was allowed
}

// check returns why the client may not push a series with these labels, or nil. A label
// also counts under the names that it has in scrapes with escaped names.
func (k *look) check(labels []metric.Label) error {
	var own []metric.Label
	for _, l := range labels {
		if k.counts(l.Name, l.Value) {
			own = append(own, l)
		}
		for _, name := range metric.OtherLabels(l.Name) {
			if !k.counts(name, l.Value) {
				continue
			}
			if err := k.may(k.key.With(metric.Label{Name: name, Value: l.Value})); err != nil {
				return err
			}
		}
	}
	like := k.key
	if len(own) > 0 {
		like = k.key.With(own...)
	}
	if like == k.allowed {
		return nil
	}
	if err := k.may(like); err != nil {
		return err
	}
	k.allowed = like
	return nil
}

func (k *look) counts(name, value string) bool {
	_, open := slices.BinarySearch(k.open, name)
	return open && value != ""
}
