package jobs

import (
	"cmp"
	"slices"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// Judged is a group with the verdict on its job. If the group tells of several
// jobs, it is the worst one.
type Judged struct {
	Key grouping.Key
	Verdict
}

// All judges all groups of a view at a Unix time in seconds, in the order of
// their keys.
func All(v *gateway.View, now float64) []Judged {
	all := make([]Judged, 0, v.Groups())
	var c collector
	for g := range v.EachGroup("") {
		all = append(all, Judged{g.Key, c.judge(g, now)})
	}
	return all
}

func (c *collector) judge(g *gateway.Group, now float64) (worst Verdict) {
	p := pushOf(g)
	subjects := c.collect(g)
	if len(subjects) == 0 {
		return Judge(noFacts(""), p, now)
	}
	for i, s := range subjects {
		if v := Judge(s.Facts, p, now); i == 0 || v.compare(&worst) < 0 {
			worst = v
		}
	}
	return worst
}

// compare orders verdicts: the worst first, and of one state those that hold
// since the latest time, because they are news.
func (v *Verdict) compare(w *Verdict) int {
	return cmp.Or(cmp.Compare(v.State, w.State), cmp.Compare(w.Since, v.Since))
}

// Row is a job: all groups with the same values of some labels. The worst group
// speaks for it.
type Row struct {
	*Judged
	Labels grouping.Key // those that the groups have in common
	Groups int
}

// Table makes rows of groups.
type Table struct {
	by   []string // sorted
	rows []Row
	at   map[string]int // places in rows, by the values of the labels
	key  []byte         // scratch memory
}

// NewTable returns an empty table with a row for each value of the labels by.
func NewTable(by []string) *Table {
	return &Table{by: slices.Compact(slices.Sorted(slices.Values(by))), at: make(map[string]int)}
}

// Add adds a group to the row that it belongs to. The table keeps the pointer.
func (t *Table) Add(j *Judged) {
	t.key = t.key[:0]
	for _, name := range t.by {
		if value, ok := j.Key.Value(name); ok && value != "" {
			t.key = grouping.AppendLabel(t.key, name, value)
		}
	}
	at, ok := t.at[string(t.key)]
	if !ok {
		key := string(t.key)
		t.at[key] = len(t.rows)
		t.rows = append(t.rows, Row{j, grouping.Key(key), 1})
		return
	}
	r := &t.rows[at]
	if r.Groups++; j.compare(&r.Verdict) < 0 {
		r.Judged = j
	}
}

// Counts returns the number of rows in each state.
func (t *Table) Counts() (counts [len(stateNames)]int) {
	for i := range t.rows {
		counts[t.rows[i].State]++
	}
	return counts
}

// Worst returns the first rows in one of the states, or in any if there are
// none: worst first, then the latest, then by labels.
func (t *Table) Worst(states []State, most int) []Row {
	var rows []Row
	for _, r := range t.rows {
		if len(states) == 0 || slices.Contains(states, r.State) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(a.compare(&b.Verdict), cmp.Compare(a.Labels, b.Labels))
	})
	return rows[:min(most, len(rows))]
}
