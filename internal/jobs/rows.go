package jobs

import (
	"cmp"
	"hash/maphash"
	"math"
	"slices"

	"pushgateway/internal/config"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// Judged is a group with the verdict on its job. If the group tells of several
// jobs, it is the worst one.
type Judged struct {
	Key  grouping.Key
	job  gateway.JobID
	runs Runs
	Verdict
}

func (c *collector) judge(g *gateway.Group, rule *config.JobRule, now float64) (worst Verdict) {
	p, until := pushOf(g), math.Inf(1)
	subjects := c.collect(g, rule)
	if len(subjects) == 0 {
		f := noFacts()
		f.NoGauge = c.noGauge
		return Judge(f, p, now)
	}
	for i, s := range subjects {
		v := Judge(s.Facts, p, now)
		until = min(until, v.until)
		if i == 0 || v.compare(&worst) < 0 {
			worst = v
		}
	}
	worst.until = until
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
	of      *grouped
	last    int32 // place in the survey of its last group with runs, or -1
}

// Reason returns why the state holds, for people, or "" if there is nothing to say.
func (r *Row) Reason() string { return r.Verdict.Reason(r.of.survey.at) }

// Runs returns the last runs of all its groups, at most as many as said, oldest
// first.
func (r *Row) Runs(most int) []Run {
	var all []Runs
	for at := r.last; at >= 0; at = r.of.before[at] {
		all = append(all, r.of.survey.all[at].runs)
	}
	slices.Reverse(all)
	return lastRuns(all, most)
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

// Table makes rows of the groups of a survey. It copies no keys, which may be long.
type Table struct {
	*grouped
	by   []string
	seed maphash.Seed
	rows []Row
	// Places in rows: by job, if nothing else tells rows apart, or by hashes of values.
	ofJob map[gateway.JobID]int
	at    map[uint64]int
}

// grouped are the groups of a table. Rows refer to it, and not to their table, so that a row
// that somebody keeps does not keep all others.
type grouped struct {
	survey *Survey
	// before has the place of the group with runs before in the same row, or -1, for
	// each group with runs.
	before []int32
}

// Table returns an empty table with a row for each value of the labels by. A label
// that a group does not have counts as empty.
func (s *Survey) Table(by []string) *Table {
	t := &Table{grouped: &grouped{s, make([]int32, len(s.all))}, by: by, seed: maphash.MakeSeed()}
	if len(by) == 1 && by[0] == metric.JobLabel {
		t.ofJob = make(map[gateway.JobID]int)
	} else {
		t.at = make(map[uint64]int)
	}
	return t
}

// Add adds the group at a place of the survey to the row that it belongs to. Places
// must be added in their order.
func (t *Table) Add(place int) {
	j := t.survey.all[place]
	r, isNew := t.row(j)
	if !isNew {
		r.add(j)
	}
	if len(j.runs) > 0 {
		t.before[place], r.last = r.last, int32(place)
	}
}

// row returns the row that a group belongs to. If there is none yet, it makes one.
func (t *Table) row(j *Judged) (r *Row, isNew bool) {
	if t.ofJob != nil {
		at, known := t.ofJob[j.job]
		if known {
			return &t.rows[at], false
		}
		t.ofJob[j.job] = len(t.rows)
		return t.begin(j), true
	}
	for hash := t.hash(j.Key); ; hash++ {
		at, taken := t.at[hash]
		if !taken {
			t.at[hash] = len(t.rows)
			return t.begin(j), true
		}
		if r := &t.rows[at]; t.compare(r.Key, j.Key) == 0 {
			return r, false
		}
	}
}

// begin appends the row of a group.
func (t *Table) begin(j *Judged) *Row {
	t.rows = append(t.rows, Row{j, 1, 1, t.grouped, -1})
	return &t.rows[len(t.rows)-1]
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
