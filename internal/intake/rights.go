package intake

import (
	"cmp"
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
	allowed := key // the last key that was allowed
	for _, b := range blocks {
		b.EachLabels(func(labels []metric.Label) bool {
			like := keyLike(key, labels, open)
			if like == allowed {
				return true
			}
			if err = r.May(like); err != nil {
				err = fmt.Errorf("the series %s looks like one of another group, by a label that the grouping key lacks: %w", exposition.FormatSeries(b.Name, labels), err)
				return false
			}
			allowed = like
			return true
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keyLike returns a key with the labels of a series whose names are in open.
func keyLike(key grouping.Key, labels []metric.Label, open []string) grouping.Key {
	var own []metric.Label
	for _, l := range labels {
		if _, counts := slices.BinarySearch(open, l.Name); counts && l.Value != "" {
			own = append(own, l)
		}
	}
	if len(own) == 0 {
		return key
	}
	all := append(key.Labels(), own...)
	slices.SortFunc(all, func(a, b metric.Label) int { return cmp.Compare(a.Name, b.Name) })
	var like []byte
	for _, l := range all {
		like = grouping.AppendLabel(like, l.Name, l.Value)
	}
	return grouping.Key(like)
}
