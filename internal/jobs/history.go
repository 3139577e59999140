package jobs

import (
	"bytes"
	"math"
	"sync"
	"time"

	"pushgateway/internal/config"
	"pushgateway/internal/gateway"
)

var tellings = sync.Pool{New: func() any { return new(telling) }}

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
	t := tellings.Get().(*telling)
	defer tellings.Put(t)
	t.of(old, group, rule, before)
	switch {
	case !t.ok:
		return before
	case t.corrects:
		before = t.earlier
	}
	return before.With(t.run, most, size)
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

// telling is what a push tells of runs. Its memory is reused.
type telling struct {
	old, group collector
	push       *gateway.Group // the group before; nil once it has been collected
	rule       *config.JobRule
	at         float64 // time of the push
	last       Run     // the last run that is known
	lastKnown  bool
	earlier    Runs // those before it

	run      Run
	ok       bool // whether the push tells of the run
	corrects bool // the run is the last one, and it has ended in another way than known
}

// of finds out which run a push tells of.
func (t *telling) of(old, group *gateway.Group, rule *config.JobRule, known Runs) {
	t.push, t.rule, t.at, t.ok, t.corrects = old, rule, unix(group.Pushed), false, false
	t.old.subjects = t.old.subjects[:0]
	t.last, t.earlier, t.lastKnown = known.latest()
	for _, s := range t.group.collect(group, rule) {
		r, corrects, ok := t.ended(&s)
		switch {
		case !ok:
		case !t.ok:
			t.run, t.corrects, t.ok = r, corrects, true
		default:
			t.run, t.corrects = t.run.and(r), t.corrects && corrects
		}
	}
	t.push = nil
}

// before returns what was known of a job before the push. Most pushes need not
// know.
func (t *telling) before(s *subject) Verdict {
	if t.push != nil {
		t.old.collect(t.push, t.rule)
		t.push = nil
	}
	if was := t.old.find(s.prefix, s.labels); was != nil {
		return Judge(was.Facts, Push{}, t.at)
	}
	return Judge(noFacts(), Push{}, t.at)
}

// ended returns the run of a job that has ended since the push before. corrects
// means that it is the last one that is known.
func (t *telling) ended(s *subject) (r Run, corrects, ok bool) {
	v := Judge(s.Facts, Push{}, t.at)
	if v.LastEnd > 0 {
		return t.endedAt(&v, s)
	}
	switch {
	case v.Running == 1:
		return r, false, false
	case v.LastSuccess > 0 && !v.fails():
		return v.run(v.LastSuccess, false), false, t.succeeds(&v, s)
	case s.ended && v.saysSo():
		return v.run(t.at, false), false, true
	}
	return r, false, false
}

// endedAt is ended for a job that says when.
func (t *telling) endedAt(v *Verdict, s *subject) (r Run, corrects, ok bool) {
	r = v.run(v.LastEnd, false)
	again := t.lastKnown && r.Ended.Equal(t.last.Ended)
	switch {
	case again && v.LastStart > v.LastEnd: // the next run is in progress
		return r, false, false
	case !again && t.lastKnown && r.Ended.Before(t.last.Ended) && t.before(s).LastEnd == v.LastEnd:
		return r, false, false // of a part of the job that had ended earlier
	case v.saysSo():
		return r, again, !again || !r.same(t.last)
	case again:
		return r, true, t.last.Failed && t.succeeds(v, s)
	}
	r.Failed = !t.succeeds(v, s)
	return r, false, v.LastSuccess >= 0
}

// succeeds reports whether the push brought a later success.
func (t *telling) succeeds(v *Verdict, s *subject) bool {
	return v.LastSuccess > 0 && v.LastSuccess != t.before(s).LastSuccess
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

// same reports whether two runs are stored in the same way.
func (r Run) same(s Run) bool {
	var a, b [maxRunSize]byte
	return bytes.Equal(appendRun(a[:0], r, r.Ended.UnixMilli()), appendRun(b[:0], s, s.Ended.UnixMilli()))
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
