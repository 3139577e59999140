package gateway

import (
	"errors"
	"fmt"

	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

// stock counts what is stored of groups that have had a good push, with what
// changes in progress will add to it at most. A push that adds nothing to a number
// is never refused for it. Gateway.mu guards it.
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
	// bounds are the quotas that the last push was checked against, if they bound
	// what is stored of a job.
	bounds *guard.Quotas
}

// JobID stands for the job of a group. It is the same for all groups of a view that
// have the same job, and quicker to compare than a part of their keys.
type JobID struct{ of *job }

// JobID returns that of a group, or one that is no job's if the group was not applied.
func (g *Group) JobID() JobID { return JobID{g.job} }

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

// ofJob returns what is stored of the job of a key.
func (s *stock) ofJob(key grouping.Key) tally {
	name, _ := key.Value(metric.JobLabel)
	if j := s.jobs[name]; j != nil {
		return j.tally
	}
	return tally{}
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
func (x *index) over(q *guard.Quotas, key grouping.Key, n tally) error {
	all, of, sets := x.stock.tally, x.stock.ofJob(key), n.groups
	if sets > 0 {
		if sh := x.shapes.find(key); sh != nil && sh.groups > 0 {
			sets = 0
		}
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
func (g *Gateway) Admits(key grouping.Key, q *guard.Quotas) error {
	if *q == (guard.Quotas{}) {
		return nil
	}
	err := g.admits(key, q)
	if err != nil && g.isDue() {
		g.expire(g.now())
		err = g.admits(key, q)
	}
	return err
}

func (g *Gateway) admits(key grouping.Key, q *guard.Quotas) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if old, _ := g.index.groups.Get(key); tallyOf(old).groups > 0 {
		return nil
	}
	return g.index.over(q, key, tally{groups: 1})
}

// isOverQuota reports whether an error is about what may be stored.
func isOverQuota(err error) bool {
	if err == nil {
		return false
	}
	var limit *guard.LimitError
	return errors.As(err, &limit) && limit.Stored
}

// reserve lets a change in progress count for what it will add at most, unless
// that is too much.
func (x *index) reserve(p *pending, q *guard.Quotas) error {
	p.adds = x.growth(p)
	if q != nil && *q != (guard.Quotas{}) {
		if err := x.over(q, p.key, p.adds); err != nil {
			return err
		}
	}
	p.job = x.stock.use(p.key)
	x.stock.count(p.adds, p.shape, p.job, +1)
	if q != nil && q.BoundJobs() {
		p.job.bounds = q
	}
	return nil
}

// growth returns what a change adds to the present state of its group, which is
// nothing where it shrinks.
func (x *index) growth(p *pending) tally {
	old, _ := x.groups.Get(p.key)
	was, is := tallyOf(old), tallyOf(p.group)
	return tally{max(0, is.groups-was.groups), max(0, is.series-was.series)}
}

// reserveAgain is for changes in progress to a group that has just expired, or some
// series of which have just ended: they add more now.
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

// Stored says how much is stored of what guard.Quotas bound.
type Stored struct{ Groups, Series, LabelSets int }

// Stored returns how much is stored, with what changes in progress will add to
// it at most. Groups whose time has come count until the next view.
func (g *Gateway) Stored() Stored {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &g.index.stock
	return Stored{s.groups, s.series, s.labelSets}
}

// Use is the most groups, and the most series, that a job has.
type Use struct{ Groups, Series int }

// atOnce is how many jobs are looked at while the index is locked.
const atOnce = 1000

// JobUse returns the most that a job has of those that quotas bound. If the groups
// of a job have different ones, those of its last push count. Pushes go on
// meanwhile. Groups whose time has come count until the next view.
func (g *Gateway) JobUse() map[*guard.Quotas]Use {
	g.mu.Lock()
	defer g.mu.Unlock()
	most := make(map[*guard.Quotas]Use)
	seen := 0
	for _, j := range g.index.stock.jobs {
		if seen++; seen%atOnce == 0 { // a map may change while it is ranged over
			g.mu.Unlock()
			g.mu.Lock()
		}
		if j.bounds != nil {
			u := most[j.bounds]
			most[j.bounds] = Use{max(u.Groups, j.groups), max(u.Series, j.series)}
		}
	}
	return most
}

// Bound says which quotas bound the job of each group until the next push to it,
// after they have changed. Pushes are in progress meanwhile.
func (g *Gateway) Bound(of func(grouping.Key) *guard.Quotas) {
	for group := range g.View().EachGroup("") {
		if q := of(group.Key); q.BoundJobs() {
			g.bound(group.Key, q)
		}
	}
}

func (g *Gateway) bound(key grouping.Key, q *guard.Quotas) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if group, _ := g.index.groups.Get(key); group != nil {
		group.job.bounds = q
	}
}
