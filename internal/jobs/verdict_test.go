package jobs_test

import (
	"math"
	"testing"

	"pushgateway/internal/jobs"
)

// now is the time of all verdicts.
const now = 1_795_600_000

const (
	minute = 60
	hour   = 60 * minute
	day    = 24 * hour
)

var nan = math.NaN()

// fact sets a number of the facts of a table.
type fact func(*jobs.Facts)

func exit(code float64) fact      { return func(f *jobs.Facts) { f.ExitCode = code } }
func success(v float64) fact      { return func(f *jobs.Facts) { f.Success = v } }
func running(v float64) fact      { return func(f *jobs.Facts) { f.Running = v } }
func started(t float64) fact      { return func(f *jobs.Facts) { f.LastStart = t } }
func ended(t float64) fact        { return func(f *jobs.Facts) { f.LastEnd = t } }
func succeeded(t float64) fact    { return func(f *jobs.Facts) { f.LastSuccess = t } }
func expected(s float64) fact     { return func(f *jobs.Facts) { f.Expected = s } }
func took(s float64) fact         { return func(f *jobs.Facts) { f.Duration = s } }
func pushed(at float64) jobs.Push { return jobs.Push{At: at, RefusedAt: nan} }

func TestJudge(t *testing.T) {
	fresh := pushed(now - minute)
	refused := jobs.Push{At: now - hour, RefusedAt: now - minute, Refused: true, Why: "line 1: bad"}
	for _, c := range []struct {
		name   string
		facts  []fact
		push   jobs.Push
		want   jobs.State
		since  float64
		next   float64
		reason string
	}{
		{"nothing", nil, fresh, jobs.Unknown, nan, nan, "no metric says how the job went"},
		{"a success", []fact{exit(0), succeeded(now - hour)}, fresh, jobs.OK, nan, nan, ""},
		{"exit code 0 alone", []fact{exit(0)}, fresh, jobs.OK, nan, nan, ""},
		{"a flag", []fact{success(1)}, fresh, jobs.OK, nan, nan, ""},

		{"a failure", []fact{exit(124), ended(now - hour)}, fresh, jobs.Failing, now - hour, nan, "exit code 124"},
		{"a failure without an end", []fact{exit(1)}, fresh, jobs.Failing, now - minute, nan, "exit code 1"},
		{"a negative exit code", []fact{exit(-1)}, fresh, jobs.Failing, now - minute, nan, "exit code -1"},
		{"no exit code", []fact{exit(nan), succeeded(now - hour)}, fresh, jobs.OK, nan, nan, ""},
		{"the flag of a failure", []fact{success(0), exit(0)}, fresh, jobs.Failing, now - minute, nan, "job_success is 0"},
		{"it fails and is late", []fact{exit(1), ended(now - hour), succeeded(now - 3*day), expected(day)}, fresh, jobs.Failing, now - hour, now - 2*day, "exit code 1"},
		{"it fails, and the next run is in progress", []fact{exit(1), ended(now - hour), running(1), started(now - minute)}, fresh, jobs.Failing, now - hour, nan, "exit code 1"},

		{"in time", []fact{exit(0), succeeded(now - day), expected(day)}, fresh, jobs.OK, nan, now, ""},
		{"a tenth over", []fact{exit(0), succeeded(now - 1.1*day), expected(day)}, fresh, jobs.OK, nan, now - 0.1*day, ""},
		{"over a tenth over", []fact{exit(0), succeeded(now - 2*day), expected(day)}, fresh, jobs.Late, now - 0.9*day, now - day, "expected every 1d, no success for 2d"},
		{"no success since it was started", []fact{started(now - 2*hour), expected(hour)}, fresh, jobs.Late, now - 0.9*hour, now - hour, "expected every 1h, no success since the start 2h ago"},
		{"0 as the last success", []fact{succeeded(0), expected(day)}, fresh, jobs.Late, nan, nan, "expected every 1d, never succeeded"},
		{"late, and a push was refused", []fact{succeeded(now - 2*hour), expected(hour)}, refused, jobs.Late, now - 0.9*hour, now - hour, "expected every 1h, no success for 2h"},
		{"no interval", []fact{succeeded(now - hour), expected(0)}, fresh, jobs.OK, nan, nan, ""},
		{"a negative interval", []fact{succeeded(now - hour), expected(-60)}, fresh, jobs.OK, nan, nan, ""},
		{"an endless interval", []fact{succeeded(now - 30*day), expected(math.Inf(1))}, fresh, jobs.OK, nan, nan, ""},

		{"a run like the last one", []fact{exit(0), running(1), started(now - 30*minute), took(20 * minute)}, fresh, jobs.OK, nan, nan, ""},
		{"three times as long", []fact{exit(0), running(1), started(now - 2*hour), took(20 * minute)}, fresh, jobs.RunningTooLong, now - 50*minute, nan, "running for 2h, the last run took 20m"},
		{"longer than expected", []fact{running(1), started(now - 70*minute), succeeded(now - 65*minute), expected(hour)}, fresh, jobs.RunningTooLong, now - 10*minute, now - 5*minute, "expected every 1h, running for 1h 10m"},
		{"the first run", []fact{running(1), started(now - 70*minute)}, fresh, jobs.Unknown, nan, nan, "the first run is in progress"},
		{"a negative duration", []fact{exit(0), running(1), started(now - 70*minute), took(-hour)}, fresh, jobs.OK, nan, nan, ""},
		{"it no longer runs", []fact{exit(0), running(0), started(now - 2*day), took(minute)}, fresh, jobs.OK, nan, nan, ""},

		{"a refused push", []fact{exit(0)}, refused, jobs.PushRefused, now - minute, nan, "line 1: bad"},
		{"only ever refused", nil, jobs.Push{At: nan, RefusedAt: now - minute, Refused: true}, jobs.PushRefused, now - minute, nan, "push refused"},
		{"a refused push and a failure", []fact{exit(2)}, refused, jobs.Failing, now - hour, nan, "exit code 2"},
		{"a refused push to a silent group", nil, jobs.Push{At: now - 30*day, RefusedAt: now - minute, Refused: true}, jobs.PushRefused, now - minute, nan, "push refused"},

		{"a week old", []fact{succeeded(now - 7*day)}, fresh, jobs.OK, nan, nan, ""},
		{"over a week old", []fact{exit(0), succeeded(now - 10*day)}, fresh, jobs.Stale, now - 2*day, nan, "no success for 10d, and no interval is expected"},
		{"no push for long", nil, pushed(now - 9*day), jobs.Stale, now - day, nan, "no push for 9d, and no interval is expected"},
		{"0 as the last success without an interval", []fact{succeeded(0)}, fresh, jobs.Stale, nan, nan, "never succeeded, and no interval is expected"},
		{"an old success that is in time", []fact{succeeded(now - 20*day), expected(30 * day)}, pushed(now - 20*day), jobs.OK, nan, now + 10*day, ""},

		{"milliseconds", []fact{succeeded((now - 2*day) * 1000), expected(day)}, fresh, jobs.Unknown, nan, nan, "the time of the last success, 1795427200000, does not count: it is not a past Unix time in seconds (milliseconds?)"},
		{"milliseconds beside an exit code", []fact{exit(0), succeeded((now - 2*day) * 1000), expected(day)}, fresh, jobs.OK, nan, nan, "the time of the last success, 1795427200000, does not count: it is not a past Unix time in seconds (milliseconds?)"},
		{"a clock that is a little fast", []fact{succeeded(now + minute), expected(day)}, fresh, jobs.OK, nan, now + minute + day, ""},
		{"a clock that is a day fast", []fact{succeeded(now + day), expected(day)}, fresh, jobs.Unknown, nan, nan, "the time of the last success, 1795686400, does not count: it is not a past Unix time in seconds"},
		{"before all times", []fact{succeeded(-1), started(now - 2*hour), expected(hour)}, fresh, jobs.Late, now - 0.9*hour, now - hour, "expected every 1h, no success since the start 2h ago"},
		{"a start that is no time", []fact{exit(0), running(1), started(math.Inf(-1)), took(minute)}, fresh, jobs.OK, nan, nan, "the time of the last start, -Inf, does not count: it is not a past Unix time in seconds"},
		{"an end that is no time", []fact{exit(1), ended(now * 1000)}, fresh, jobs.Failing, now - minute, nan, "exit code 1"},
	} {
		f := jobs.Facts{Flag: "job_success", ExitCode: nan, Success: nan, Running: nan, LastStart: nan, LastEnd: nan, LastSuccess: nan, Expected: nan, Duration: nan}
		for _, set := range c.facts {
			set(&f)
		}
		v := jobs.Judge(f, c.push, now)
		if v.State != c.want || !near(v.Since, c.since) || !near(v.NextExpected, c.next) || v.Reason(now) != c.reason {
			t.Errorf("%s: %s since %f, next %f, %q;\nwant %s since %f, next %f, %q", c.name, v.State, v.Since, v.NextExpected, v.Reason(now), c.want, c.since, c.next, c.reason)
		}
	}
}

// near compares times, which are sums of fractions.
func near(a, b float64) bool {
	return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) < 1e-3
}

func TestSpan(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "0s", 0.25: "0.2s", 59: "59s", 60: "1m", 61: "1m 1s", 3600: "1h", 3661: "1h 1m", 90061: "1d 1h", 86400 * 400: "400d", 1e300: "unknown",
	} {
		if got := jobs.Span(seconds); got != want {
			t.Errorf("%v: %q, want %q", seconds, got, want)
		}
	}
}
