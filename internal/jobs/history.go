package jobs

import (
	"math"
	"sync"
	"time"

	"pushgateway/internal/config"
	"pushgateway/internal/gateway"
)

// collectors are those of pushes.
var collectors = sync.Pool{New: func() any { return new([2]collector) }}

// After returns the runs of a group after a push to it: those that it had, and the
// one that the push tells of, if it does. old is the group before, or nil. At most
// most runs stay, and at most size bytes. The oldest go first. 0 runs are none.
//
// A push tells of a run if the run has ended, and how is known. With a time of
// the end, each new time is a run; the same one again corrects the run. Without
// it, a new last success is a run that succeeded, unless a run is in progress; and
// so is each push with an exit code or a success flag that contradicts the last
// success, or has none beside it. If several jobs have changed, it is one run:
// the worst speaks for it.
//
// Groups that say nothing of a job have no runs.
func After(old, group *gateway.Group, rules config.JobRules, most, size int) Runs {
	var before Runs
	if old != nil {
		before = old.Runs
	}
	rule := rules.For(group.Key)
	switch {
	case most == 0:
		return nil
	case !tells(group, rule):
		return before
	}
	c := collectors.Get().(*[2]collector)
	defer collectors.Put(c)
	r, corrects, ok := told(c, old, group, rule)
	if !ok {
		return before
	}
	if last, earlier, has := before.latest(); has && corrects {
		switch {
		case last.Ended.After(r.Ended):
			return before // it is no longer the last one
		case last.Ended.Equal(r.Ended):
			before = earlier
		}
	}
	return before.With(r, most, size)
}

// tells reports whether the last push brought a metric that says something of a
// job. It is all that a push to any other group pays.
func tells(g *gateway.Group, rule *config.JobRule) bool {
	if rule != nil && (rule.Ignore || rule.PushIsSuccess) {
		return !rule.Ignore
	}
	for i := range g.Families {
		if h := &g.Families[i]; h.Pushed.Equal(g.Pushed) {
			if f, _ := factOf(h.Name, h.Type, rule); f != nil {
				return true
			}
		}
	}
	return false
}

// told returns the run that the last push to a group tells of. corrects means
// that the group has told of it before, in another way.
func told(c *[2]collector, old, group *gateway.Group, rule *config.JobRule) (run Run, corrects, ok bool) {
	at := unix(group.Pushed)
	if old != nil {
		c[0].collect(old, rule)
	} else {
		c[0].subjects = c[0].subjects[:0]
	}
	for _, s := range c[1].collect(group, rule) {
		was := noFacts()
		if before := c[0].find(s.prefix, s.labels); before != nil {
			was = before.Facts
		}
		r, again, changed := ended(was, s.Facts, s.ended, at)
		switch {
		case !changed:
		case !ok:
			run, corrects, ok = r, again, true
		default:
			run, corrects = run.and(r), corrects && again
		}
	}
	return run, corrects, ok
}

// ended returns the run that has ended between what was known of a job and what
// is. said means that the push at a Unix time said how a run has ended.
func ended(was, is Facts, said bool, at float64) (r Run, corrects, ok bool) {
	o, v := Judge(was, Push{}, at), Judge(is, Push{}, at)
	succeeds := v.LastSuccess > 0 && v.LastSuccess != o.LastSuccess
	switch {
	case v.LastEnd > 0 && v.LastEnd == o.LastEnd:
		r = v.run(v.LastEnd, false)
		return r, true, !(v.LastStart > v.LastEnd) && (succeeds || v.saysSo() && !r.same(o.run(v.LastEnd, false)))
	case v.LastEnd > 0:
		return v.run(v.LastEnd, !v.saysSo() && !succeeds), false, v.saysSo() || v.LastSuccess >= 0
	case v.Running == 1:
		return r, false, false
	case succeeds && !v.fails():
		return v.run(v.LastSuccess, false), false, true
	case said && v.saysSo() && (v.fails() || !(v.LastSuccess > 0)):
		return v.run(at, false), false, true
	}
	return r, false, false
}

// fails reports whether the last run that ended failed.
func (v *Verdict) fails() bool { return v.ExitCode > 0 || v.ExitCode < 0 || v.Success == 0 }

// saysSo reports whether it is said how the last run ended.
func (v *Verdict) saysSo() bool { return v.ExitCode == v.ExitCode || v.Success == v.Success }

// run returns the last run of a job, which ended at a Unix time.
func (v *Verdict) run(end float64, failed bool) Run {
	r := Run{Ended: time.UnixMilli(int64(math.Round(end * 1000))), Failed: failed || v.fails(), ExitCode: v.ExitCode, Duration: v.Duration}
	if took := end - v.LastStart; math.IsNaN(r.Duration) && took >= 0 && v.LastStart > 0 {
		r.Duration = took
	}
	return r
}

// same reports whether two runs are the same.
func (r Run) same(s Run) bool {
	equal := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
	return r.Ended.Equal(s.Ended) && r.Failed == s.Failed && equal(r.ExitCode, s.ExitCode) && equal(r.Duration, s.Duration)
}

// and returns one run for two parts of it: the worse one says how it ended.
func (r Run) and(s Run) Run {
	if s.Failed && !r.Failed {
		r.Failed, r.ExitCode = true, s.ExitCode
	}
	if s.Ended.After(r.Ended) {
		r.Ended = s.Ended
	}
	if !(r.Duration >= s.Duration) {
		r.Duration = first(s.Duration, r.Duration)
	}
	return r
}
