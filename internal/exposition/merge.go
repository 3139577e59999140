package exposition

import "pushgateway/internal/metric"

// Merge gives a family with the series of two blocks of the same name; where
// both have one, that of pushed counts. Help is that of pushed unless it is
// empty. Neither block is changed. MaxBytes bounds the result; 0 is no bound.
func Merge(stored, pushed *Block, maxBytes int) (*Block, error) {
	if stored.Type != pushed.Type {
		return nil, invalid(pushed.Name, "its type is %s in the group, and %s in this push, so their series cannot be merged; push the same type, or without merge=series to replace the family", stored.Type, pushed.Type)
	}
	f := &metric.Family{Name: pushed.Name, Help: pushed.Help, Type: pushed.Type}
	if f.Help == "" {
		f.Help, f.EmptyHelp = stored.Help, stored.EmptyHelp || pushed.EmptyHelp && stored.Help == ""
	}
	f.Series = make([]metric.Series, 0, stored.series+pushed.series)
	at := make(map[string]int, pushed.series)
	var set []byte
	add := func(s metric.Series) bool {
		set = appendSet(set[:0], s.Labels)
		if i, has := at[string(set)]; has {
			f.Series[i] = s
			return true
		}
		at[string(set)] = len(f.Series)
		f.Series = append(f.Series, s)
		return true
	}
	stored.EachSeries(add)
	pushed.EachSeries(add)
	blocks, err := Render([]*metric.Family{f}, Options{Bare: true, Valid: true, MaxBytes: maxBytes})
	if err != nil {
		return nil, err
	}
	return blocks[0], nil
}
