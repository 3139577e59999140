package jobs

import (
	"cmp"
	"hash/maphash"
	"slices"

	"pushgateway/internal/config"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// Judged is a group with the verdict on its job. If the group tells of several
// jobs, it is the worst one.
type Judged struct {
	Key grouping.Key
	Verdict
	runs Runs
}

// All judges all groups of a view by the rules of a configuration file, at a Unix
// time in seconds, in the order of their keys.
func All(v *gateway.View, rules config.JobRules, now float64) []Judged {
	all := make([]Judged, 0, v.Groups())
	var c collector
	for g := range v.EachGroup("") {
		all = append(all, Judged{g.Key, c.judge(g, rules.For(g.Key), now), g.Runs})
	}
	return all
}

// Of judges one group at a Unix time in seconds.
func Of(g *gateway.Group, rules config.JobRules, now float64) Judged {
	var c collector
	return Judged{g.Key, c.judge(g, rules.For(g.Key), now), g.Runs}
}

func (c *collector) judge(g *gateway.Group, rule *config.JobRule, now float64) (worst Verdict) {
	p := pushOf(g)
	subjects := c.collect(g, rule)
	if len(subjects) == 0 {
		f := noFacts()
		f.NoGauge = c.noGauge
		return Judge(f, p, now)
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
	Groups  int
	InState int // groups that have the state of the row
	// first and more are the runs of its groups that have any. Most rows have one.
	first Runs
	more  []Runs
}

// Runs returns the last runs of all its groups, at most as many as said, oldest
// first.
func (r *Row) Runs(most int) []Run {
	if len(r.first) == 0 {
		return nil
	}
	return lastRuns(append([]Runs{r.first}, r.more...), most)
}

// Labels returns the labels that the groups of a row have in common, if these
// are the names that tell rows apart.
func (r *Row) Labels(by []string) (labels []metric.Label) {
	for _, name := range by {
		if value, _ := r.Key.Value(name); value != "" {
			labels = append(labels, metric.Label{Name: name, Value: value})
		}
	}
	return labels
}

// Table makes rows of groups. It copies no keys, which may be long.
type Table struct {
	by   []string
	seed maphash.Seed
	rows []Row
	at   map[uint64]int // places in rows, by hashes of values
}

// NewTable returns an empty table with a row for each value of the labels by. A
// label that a group does not have counts as empty.
func NewTable(by []string) *Table {
	return &Table{by: by, seed: maphash.MakeSeed(), at: make(map[uint64]int)}
}

// Add adds a group to the row that it belongs to. The table keeps the pointer.
func (t *Table) Add(j *Judged) {
	for hash := t.hash(j.Key); ; hash++ {
		at, taken := t.at[hash]
		if !taken {
			t.at[hash] = len(t.rows)
			t.rows = append(t.rows, *RowOf(j))
			return
		}
		if r := &t.rows[at]; t.compare(r.Key, j.Key) == 0 {
			r.add(j)
			return
		}
	}
}

// RowOf returns the row of a single group.
func RowOf(j *Judged) *Row {
	r := &Row{Judged: j, Groups: 1, InState: 1}
	r.remember(j)
	return r
}

func (r *Row) add(j *Judged) {
	r.Groups++
	switch {
	case j.State < r.State:
		r.InState = 1
	case j.State == r.State:
		r.InState++
	}
	if j.compare(&r.Verdict) < 0 {
		r.Judged = j
	}
	r.remember(j)
}

func (r *Row) remember(j *Judged) {
	switch {
	case len(j.runs) == 0:
	case len(r.first) == 0:
		r.first = j.runs
	default:
		r.more = append(r.more, j.runs)
	}
}

func (t *Table) hash(key grouping.Key) (sum uint64) {
	for _, name := range t.by {
		value, _ := key.Value(name)
		sum = sum*31 + maphash.String(t.seed, value)
	}
	return sum
}

// compare orders keys by the values of the labels that tell rows apart.
func (t *Table) compare(a, b grouping.Key) int {
	for _, name := range t.by {
		v, _ := a.Value(name)
		w, _ := b.Value(name)
		if c := cmp.Compare(v, w); c != 0 {
			return c
		}
	}
	return 0
}

// Counts returns the number of rows in each state.
func (t *Table) Counts() (counts [len(stateNames)]int) {
	for i := range t.rows {
		counts[t.rows[i].State]++
	}
	return counts
}

// Rows returns the rows in one of the states, or all if there are none.
func (t *Table) Rows(states []State) (rows []Row) {
	for _, r := range t.rows {
		if len(states) == 0 || slices.Contains(states, r.State) {
			rows = append(rows, r)
		}
	}
	return rows
}

// Order orders rows: worst first, then the latest, then by labels.
func (t *Table) Order(a, b Row) int {
	if c := a.Verdict.compare(&b.Verdict); c != 0 {
		return c
	}
	return t.compare(a.Key, b.Key)
}
