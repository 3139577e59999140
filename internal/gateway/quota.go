package gateway

import (
	"errors"
	"fmt"

	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

// Quotas bound what is stored of groups that have had a good push: groups that
// have only failures have bounds of their own, so that nobody can use up a quota
// with refused pushes. A push that adds nothing to a number is never refused for
// it. The zero value bounds nothing.
type Quotas struct {
	// Groups, Series and LabelSets are about all groups together. A label set is
	// the set of label names of a grouping key.
	Groups, Series, LabelSets guard.Quota
	// JobGroups and JobSeries are about all groups with the job of the push.
	JobGroups, JobSeries guard.Quota
}

// stock counts what is stored of groups that have had a good push, with what
// changes in progress will add to it at most. Gateway.mu guards it.
type stock struct {
	tally
	labelSets int // shapes with such groups
	jobs      map[string]*job
}

// tally counts groups and series.
type tally struct{ groups, series int }

func (t *tally) add(n tally, sign int) {
	t.groups += sign * n.groups
	t.series += sign * n.series
}

// job is what the groups of one job have.
type job struct {
	name string
	tally
	users int // groups and changes in progress
}

// tallyOf returns what a group, which may be nil, counts for.
func tallyOf(g *Group) tally {
	if g == nil || g.failedOnly() {
		return tally{}
	}
	return tally{1, g.Series}
}

// use returns the job of a group and counts its use.
func (s *stock) use(key grouping.Key) *job {
	name, _ := key.Value(metric.JobLabel)
	j := s.jobs[name]
	if j == nil {
		if s.jobs == nil {
			s.jobs = make(map[string]*job)
		}
		j = &job{name: name}
		s.jobs[name] = j
	}
	j.users++
	return j
}

// release undoes one use.
func (s *stock) release(j *job) {
	if j.users--; j.users == 0 {
		delete(s.jobs, j.name)
	}
}

// count adds what a group or a change counts for.
func (s *stock) count(n tally, sh *shape, j *job, sign int) {
	s.tally.add(n, sign)
	j.tally.add(n, sign)
	if before := sh.groups; n.groups > 0 {
		if sh.groups += sign * n.groups; (before > 0) != (sh.groups > 0) {
			s.labelSets += sign
		}
	}
}

// over returns an error if a group must not add n to what is stored.
func (x *index) over(q *Quotas, key grouping.Key, n tally) error {
	all, sets := x.stock.tally, n.groups
	name, _ := key.Value(metric.JobLabel)
	var of tally
	if j := x.stock.jobs[name]; j != nil {
		of = j.tally
	}
	if sh := x.shapes.find(key); sh != nil && sh.groups > 0 {
		sets = 0
	}
	for _, c := range [...]struct {
		limit      guard.Limit
		quota      guard.Quota
		used, more int
		of         string
	}{
		{guard.LimitGroups, q.Groups, all.groups, n.groups, "groups"},
		{guard.LimitLabelSets, q.LabelSets, x.stock.labelSets, sets, "sets of grouping label names"},
		{guard.LimitSeries, q.Series, all.series, n.series, "series"},
		{guard.LimitGroupsPerJob, q.JobGroups, of.groups, n.groups, "groups of its job"},
		{guard.LimitSeriesPerJob, q.JobSeries, of.series, n.series, "series of its job"},
	} {
		if !c.quota.Allows(c.used, c.more) {
			return &guard.LimitError{
				Limit: c.limit, At: c.quota.At, Stored: true,
				Says:   fmt.Sprintf("with this push to the group %s there would be %d %s, more than the limit of %d", key.Excerpt(), c.used+c.more, c.of, c.quota.Most),
				Advice: "push less, or delete groups that nobody needs",
			}
		}
	}
	return nil
}

// Admits returns an error if a quota refuses any push to a group, which must be
// new then. The same push may be refused later although Admits returned nil.
func (g *Gateway) Admits(key grouping.Key, q *Quotas) error {
	if *q == (Quotas{}) {
		return nil
	}
	g.expire()
	g.mu.Lock()
	defer g.mu.Unlock()
	if old, _ := g.index.groups.Get(key); tallyOf(old).groups > 0 {
		return nil
	}
	return g.index.over(q, key, tally{groups: 1})
}

// isOverQuota reports whether an error is about what may be stored.
func isOverQuota(err error) bool {
	var limit *guard.LimitError
	return errors.As(err, &limit) && limit.Stored
}

// reserve lets a change in progress count for what it will add at most, unless
// that is too much.
func (x *index) reserve(p *pending, q *Quotas) error {
	p.adds = x.growth(p)
	if q != nil && *q != (Quotas{}) {
		if err := x.over(q, p.key, p.adds); err != nil {
			return err
		}
	}
	p.job = x.stock.use(p.key)
	x.stock.count(p.adds, p.shape, p.job, +1)
	return nil
}

// growth returns what a change adds to the present state of its group, which is
// nothing where it shrinks.
func (x *index) growth(p *pending) tally {
	old, _ := x.groups.Get(p.key)
	was, is := tallyOf(old), tallyOf(p.group)
	return tally{max(0, is.groups-was.groups), max(0, is.series-was.series)}
}

// reserveAgain is for changes in progress to a group that has just expired: they
// add more now.
func (x *index) reserveAgain(key grouping.Key) {
	for p := x.pending[key]; p != nil; p = p.next {
		if p.job != nil {
			x.stock.count(p.adds, p.shape, p.job, -1)
			p.adds = x.growth(p)
			x.stock.count(p.adds, p.shape, p.job, +1)
		}
	}
}

// unreserve undoes reserve. The change has happened, or will not happen.
func (x *index) unreserve(p *pending) {
	if p.job != nil {
		x.stock.count(p.adds, p.shape, p.job, -1)
		x.stock.release(p.job)
		p.job = nil
	}
}

// Stored says how much is stored of what Quotas bound.
type Stored struct{ Groups, Series, LabelSets int }

// Stored returns how much is stored, with what changes in progress will add to
// it at most.
func (g *Gateway) Stored() Stored {
	g.expire()
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &g.index.stock
	return Stored{s.groups, s.series, s.labelSets}
}

// OfJob returns how many groups and series the groups of a job have.
func (g *Gateway) OfJob(name string) (groups, series int) {
	g.expire()
	g.mu.Lock()
	defer g.mu.Unlock()
	if j := g.index.stock.jobs[name]; j != nil {
		return j.groups, j.series
	}
	return 0, 0
}
