package jobs

import (
	"cmp"
	"math"
	"strconv"

	"pushgateway/internal/excerpt"
)

// The alerts in deploy/mixin use the same numbers.
const (
	// lateAfter is how many expected intervals may pass without a success.
	lateAfter = 1.1
	// A run may take longerBy times as long as the last one, and graceSeconds more.
	longerBy     = 3
	graceSeconds = 600
	// staleSeconds is how long a job that says nothing about its interval may be
	// silent: a day longer than a weekly job.
	staleSeconds = 8 * 24 * 3600
	// aheadSeconds is how far the clock of a job may be ahead.
	aheadSeconds = 3600
	// aboutSeconds is how close to a time that matters a group is judged each time.
	aboutSeconds = 1
)

// moment is a time that a job says. None is 0.
type moment uint8

const (
	lastEnd moment = iota + 1
	lastStart
	lastSuccess
)

// moments are the names of them, for people.
var moments = [...]string{lastEnd: "completion", lastStart: "start", lastSuccess: "success"}

// Verdict is how a job is, as far as one group says.
type Verdict struct {
	State State
	odd   moment // which time cannot be right, or 0
	// Since is the Unix time in seconds since when the state holds, or NaN.
	Since float64
	until float64 // the verdict is the same at all times from that of the verdict to this one
	// NextExpected is when the next success is expected, or NaN.
	NextExpected float64
	Facts                // without times that cannot be right
	pushed       float64 // Unix time of the last successful push to the group, or NaN
	why          string  // the last push was refused, if it was
	oddTime      float64 // the time that cannot be right
}

// Judge returns how a job is at a Unix time in seconds, by what a group says
// about it and by the pushes to the group. It is the only place that decides.
func Judge(f Facts, p Push, now float64) Verdict {
	v := Verdict{State: Unknown, Since: math.NaN(), NextExpected: math.NaN(), Facts: f, pushed: p.At, why: p.Why, until: math.Inf(1)}
	v.dropOdd(now)
	base := v.LastSuccess
	if math.IsNaN(base) {
		base = v.LastStart
	}
	if due := base + v.Expected; base > 0 && !math.IsInf(due, 0) {
		v.NextExpected = due
	}
	late, long, silent := v.Expected*lateAfter, v.longestRun(), v.lastSign()
	for _, t := range [...]float64{base + late, v.LastStart + long, silent + staleSeconds} {
		v.mayChange(t, now)
	}
	switch {
	case v.ExitCode > 0, v.ExitCode < 0, v.Success == 0:
		v.State, v.Since = Failing, first(v.LastEnd, p.At)
	case now-base > late:
		v.State, v.Since = Late, base+late
	case v.Running == 1 && now-v.LastStart > long:
		v.State, v.Since = RunningTooLong, v.LastStart+long
	case p.Refused:
		v.State, v.Since = PushRefused, p.RefusedAt
	case math.IsNaN(v.Expected) && now-silent > staleSeconds:
		v.State, v.Since = Stale, silent+staleSeconds
	case v.ExitCode == 0, v.Success == 1, v.LastSuccess > 0:
		v.State = OK
	}
	if v.State == Late && base == 0 || v.State == Stale && v.LastSuccess == 0 {
		v.Since = math.NaN() // it says that it never succeeded
	}
	return v
}

// dropOdd drops numbers that cannot be right, as the alerts do.
func (v *Verdict) dropOdd(now float64) {
	v.LastEnd = v.past(v.LastEnd, now, lastEnd)
	v.LastStart = v.past(v.LastStart, now, lastStart)
	v.LastSuccess = v.past(v.LastSuccess, now, lastSuccess)
	if v.Expected <= 0 {
		v.Expected = math.NaN()
	}
	if v.Duration < 0 {
		v.Duration = math.NaN()
	}
}

// past returns a time if it can be one of a run, or else NaN. It remembers such
// a time for the reason.
func (v *Verdict) past(t, now float64, which moment) float64 {
	if t >= 0 && t <= now+aheadSeconds || math.IsNaN(t) {
		return t
	}
	v.odd, v.oddTime = which, t
	v.mayChange(t-aheadSeconds, now)
	return math.NaN()
}

// mayChange notes that the verdict may be another one from a time on. It allows for
// sums that are not exact.
func (v *Verdict) mayChange(t, now float64) {
	if t > now-aboutSeconds {
		v.until = min(v.until, t-aboutSeconds)
	}
}

// longestRun returns how long a run may take, or NaN.
func (v *Verdict) longestRun() float64 {
	long := graceSeconds + longerBy*v.Duration
	if v.Expected < long || math.IsNaN(long) {
		return v.Expected
	}
	return long
}

// lastSign returns when the job was last known to be well: the last success, or
// the last push if no success is known.
func (v *Verdict) lastSign() float64 { return first(v.LastSuccess, v.pushed) }

// first returns the first number that is known, or NaN.
func first(a, b float64) float64 {
	if math.IsNaN(a) {
		return b
	}
	return a
}

// Reason returns why the state holds at a Unix time in seconds, for people, or "" if
// there is nothing to say.
func (v *Verdict) Reason(now float64) string {
	switch v.State {
	case Failing:
		return v.failure()
	case Late:
		return v.lateness(now)
	case RunningTooLong:
		return v.length(now)
	case PushRefused:
		return cmp.Or(excerpt.Line(v.why, excerpt.MostMessage), "push refused")
	case Stale:
		return v.silence(now) + ", and no interval is expected"
	case Unknown:
		return v.ignorance(now)
	}
	return v.oddity(now)
}

func (v *Verdict) failure() string {
	if v.ExitCode == 0 || math.IsNaN(v.ExitCode) {
		return v.Flag + " is 0"
	}
	return "exit code " + strconv.FormatFloat(v.ExitCode, 'f', -1, 64)
}

func (v *Verdict) lateness(now float64) string {
	expected := "expected every " + Span(v.Expected)
	switch {
	case v.LastSuccess > 0:
		return expected + ", no success for " + ago(v.LastSuccess, now)
	case v.LastSuccess == 0:
		return expected + ", never succeeded"
	}
	return expected + ", no success since the start " + ago(v.LastStart, now) + " ago"
}

func (v *Verdict) silence(now float64) string {
	switch {
	case v.LastSuccess == 0:
		return "never succeeded"
	case v.LastSuccess > 0:
		return "no success for " + ago(v.LastSuccess, now)
	}
	return "no push for " + ago(v.pushed, now)
}

func (v *Verdict) length(now float64) string {
	running := "running for " + ago(v.LastStart, now)
	if v.longestRun() == v.Expected {
		return "expected every " + Span(v.Expected) + ", " + running
	}
	return running + ", the last run took " + Span(v.Duration)
}

func (v *Verdict) ignorance(now float64) string {
	switch {
	case v.odd != 0:
		return v.oddity(now)
	case v.Running == 1:
		return "the first run is in progress"
	case v.NoGauge != "":
		return excerpt.Of(v.NoGauge) + " does not count: push it as a gauge, or without a type"
	}
	return "no metric says how the job went"
}

// oddity names the time that cannot be right, if there is one.
func (v *Verdict) oddity(now float64) string {
	if v.odd == 0 {
		return ""
	}
	hint := ""
	if v.oddTime > now*100 {
		hint = " (milliseconds?)"
	}
	return "the time of the last " + moments[v.odd] + ", " + strconv.FormatFloat(v.oddTime, 'f', -1, 64) + ", does not count: it is not a past Unix time in seconds" + hint
}

func ago(t, now float64) string { return Span(now - t) }
