package exposition

import (
	"bytes"
	"hash/maphash"

	"pushgateway/internal/metric"
)

// Merge returns a family with the series of two blocks of the same name. If
// both have a series, that of pushed wins. The help text is that of pushed
// unless it is empty. Neither block changes. maxBytes bounds the result; 0
// means no bound. Merge takes its memory from the budget, and returns all of it
// except that of the result.
func Merge(stored, pushed *Block, maxBytes int, budget Budget) (*Block, error) {
	if stored.Type != pushed.Type {
		return nil, invalid(pushed.Name, "its type is %s in the group, but %s in this push, so their series cannot be merged; push the same type, or replace the family without merge=series", stored.Type, pushed.Type)
	}
	f := &metric.Family{Name: pushed.Name, Help: pushed.Help, Type: pushed.Type}
	if f.Help == "" {
		f.Help, f.EmptyHelp = stored.Help, stored.EmptyHelp || pushed.EmptyHelp && stored.Help == ""
	}
	m := merger{family: f}
	m.memory.budget = budget
	defer m.memory.giveBack()
	if err := m.addAll(stored, pushed); err != nil {
		return nil, err
	}
	blocks, err := Render([]*metric.Family{f}, Options{Bare: true, Valid: true, MaxBytes: maxBytes, Limits: StoredLimits(), Budget: budget})
	if err != nil {
		return nil, err
	}
	return blocks[0], nil
}

// merger collects series of a family. The last one with the same labels wins.
type merger struct {
	family     *metric.Family
	memory     tab
	at         seriesTable
	set, other []byte
}

func (m *merger) addAll(blocks ...*Block) (err error) {
	n := 0
	text := 0
	for _, b := range blocks {
		n, text = n+b.series, text+len(b.text)
	}
	if err := m.memory.take(n*seriesSize + text); err != nil {
		return err
	}
	m.family.Series = make([]metric.Series, 0, n)
	for _, b := range blocks {
		b.EachSeries(func(s metric.Series) bool {
			err = m.add(s)
			return err == nil
		})
	}
	return err
}

func (m *merger) add(s metric.Series) error {
	if err := m.memory.take(sizeOf(&s)); err != nil {
		return err
	}
	if err := m.at.grow(m.memory.take); err != nil {
		return err
	}
	m.set = appendSet(m.set[:0], s.Labels)
	hash := maphash.Bytes(seed, m.set)
	if i := m.at.find(hash, m.isSet); i >= 0 {
		m.family.Series[i] = s
		return nil
	}
	m.at.add(hash, len(m.family.Series))
	m.family.Series = append(m.family.Series, s)
	return nil
}

// isSet reports whether a series has the labels in set.
func (m *merger) isSet(series int) bool {
	m.other = appendSet(m.other[:0], m.family.Series[series].Labels)
	return bytes.Equal(m.other, m.set)
}

// sizeOf returns what a series holds in addition to itself, in bytes.
func sizeOf(s *metric.Series) int {
	n := labelSize * len(s.Labels)
	if s.Summary != nil {
		n += summarySize + 2*quantileSize*len(s.Summary.Quantiles)
	}
	if s.Exemplar != nil {
		n += exemplarSize + labelSize*len(s.Exemplar.Labels)
	}
	if h := s.Histogram; h != nil {
		n += histogramSize + 2*(bucketSize*len(h.Classic)+exemplarSize*len(h.AllExemplars())) + largestProto(s)
	}
	return n
}
