// Package jobstest has jobs in all states, for tests that everything that tells of
// jobs tells the same: the API, the command, the page, and the alerts.
package jobstest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Job is a group of a job in a state.
type Job struct {
	Name string
	// Key is the rest of the path to push to.
	Key string
	// Body is what it pushes. The gateway refuses that of Refused.
	Body  string
	State string
}

// Refused is the name of the job whose push is refused. It must be the last one.
const Refused = "refused"

// All returns jobs in all states at a Unix time.
func All(now int64) (all []Job) {
	for _, name := range slices.Sorted(maps.Keys(agreed)) {
		if name != Refused {
			all = append(all, Job{name, "", agreed[name].body(now), agreed[name].state})
		}
	}
	for i, code := range []int{0, 0, 3, 0} { // one of several groups
		all = append(all, Job{"instances", fmt.Sprintf("/instance/host-%d", i), jobGauges("exit_code", code)(now), "failing"})
	}
	return append(all, Job{Refused, "", agreed[Refused].body(now), agreed[Refused].state})
}

// States returns the state of each job by its name.
func States(all []Job) map[string]string {
	states := make(map[string]string)
	for _, j := range all {
		states[j.Name] = j.State
	}
	return states
}

// job is a job of the fixture.
type job struct {
	body  func(now int64) string // what it pushes
	state string
}

// agreed are the jobs by name.
var agreed = map[string]job{
	"failed":         {jobGauges("exit_code", 3, "running", 0), "failing"},
	"killed":         {jobGauges("exit_code", -1), "failing"},
	"flagged":        {jobGauges("success", 0), "failing"},
	"failed-late":    {jobGauges("exit_code", 1, "last_success_timestamp_seconds", ago(7200), "expected_interval_seconds", 3600), "failing"},
	"failed-hangs":   {jobGauges("exit_code", 1, "running", 1, "last_start_timestamp_seconds", ago(7200), "expected_interval_seconds", 3600), "failing"},
	"late":           {jobGauges("exit_code", 0, "last_success_timestamp_seconds", ago(7200), "expected_interval_seconds", 3600), "late"},
	"late-unixtime":  {jobGauges("last_success_unixtime", ago(7200), "expected_interval_seconds", 3600), "late"},
	"late-first":     {jobGauges("last_start_timestamp_seconds", ago(7200), "expected_interval_seconds", 3600), "late"},
	"late-hangs":     {jobGauges("last_success_timestamp_seconds", ago(7200), "last_start_timestamp_seconds", ago(7200), "running", 1, "expected_interval_seconds", 3600), "late"},
	"never":          {jobGauges("last_success_timestamp_seconds", 0, "expected_interval_seconds", 3600), "late"},
	"nearly":         {jobGauges("last_success_timestamp_seconds", ago(3700), "expected_interval_seconds", 3600), "ok"},
	"hangs":          {jobGauges("exit_code", 0, "last_start_timestamp_seconds", ago(7200), "running", 1, "duration_seconds", 60), "running_too_long"},
	"hangs-expected": {jobGauges("exit_code", 0, "last_start_timestamp_seconds", ago(3700), "last_success_timestamp_seconds", ago(3650), "running", 1, "expected_interval_seconds", 3600), "running_too_long"},
	"runs":           {jobGauges("exit_code", 0, "last_start_timestamp_seconds", ago(700), "running", 1, "duration_seconds", 60), "ok"},
	"runs-first":     {jobGauges("last_start_timestamp_seconds", ago(7200), "running", 1), "unknown"},
	"silent":         {jobGauges("exit_code", 0, "last_success_timestamp_seconds", ago(10*86400)), "stale"},
	"monthly":        {jobGauges("last_success_timestamp_seconds", ago(10*86400), "expected_interval_seconds", 31*86400), "ok"},
	"good":           {jobGauges("exit_code", 0, "last_success_timestamp_seconds", ago(60), "expected_interval_seconds", 3600), "ok"},
	"good-flag":      {jobGauges("success", 1), "ok"},
	"milliseconds":   {jobGauges("last_success_timestamp_seconds", 1795554229000.0, "expected_interval_seconds", 3600), "unknown"},
	"half-in-ms":     {jobGauges("last_success_timestamp_seconds", 1795554229000.0, "last_start_timestamp_seconds", ago(7200), "expected_interval_seconds", 3600), "late"},
	"future":         {jobGauges("exit_code", 0, "last_success_timestamp_seconds", ago(-86400), "expected_interval_seconds", 3600), "ok"},
	"fast-clock":     {jobGauges("last_success_timestamp_seconds", ago(-60), "expected_interval_seconds", 3600), "ok"},
	"negative":       {jobGauges("exit_code", 0, "last_start_timestamp_seconds", -5, "running", 1, "duration_seconds", 60), "ok"},
	"nan":            {jobGauges("exit_code", math.NaN(), "last_success_timestamp_seconds", math.NaN(), "expected_interval_seconds", 3600), "unknown"},
	"no-interval":    {jobGauges("last_success_timestamp_seconds", ago(7200), "expected_interval_seconds", 0), "ok"},
	"no-code":        {jobGauges("exit_code", math.NaN(), "last_success_timestamp_seconds", ago(60)), "ok"},
	"endless-code":   {jobGauges("exit_code", math.Inf(1)), "failing"},
	"backwards":      {jobGauges("last_success_timestamp_seconds", ago(7200), "expected_interval_seconds", -3600), "ok"},
	"endless":        {jobGauges("last_success_timestamp_seconds", ago(20*86400), "expected_interval_seconds", math.Inf(1)), "ok"},
	"silent-zero":    {jobGauges("last_success_timestamp_seconds", ago(10*86400), "expected_interval_seconds", 0), "stale"},
	"silent-nan":     {jobGauges("last_success_timestamp_seconds", ago(10*86400), "expected_interval_seconds", math.NaN()), "stale"},
	"silent-1970":    {jobGauges("last_success_timestamp_seconds", 0), "stale"},
	"runs-twice":     {jobGauges("exit_code", 0, "last_start_timestamp_seconds", ago(7200), "running", 2, "duration_seconds", 60), "ok"},
	"runs-in-ms":     {jobGauges("exit_code", 0, "last_start_timestamp_seconds", 1795554229000.0, "running", 1, "duration_seconds", 60), "ok"},
	"runs-later":     {jobGauges("exit_code", 0, "last_start_timestamp_seconds", ago(-86400), "running", 1, "duration_seconds", 60), "ok"},
	"took-less":      {jobGauges("exit_code", 0, "last_start_timestamp_seconds", ago(7200), "running", 1, "duration_seconds", -5), "ok"},
	"hangs-endless":  {jobGauges("exit_code", 0, "last_start_timestamp_seconds", ago(7200), "running", 1, "duration_seconds", 60, "expected_interval_seconds", math.Inf(1)), "running_too_long"},
	"half":           {jobGauges("success", 0.5), "unknown"},
	"two-times":      {jobGauges("last_success_timestamp_seconds", ago(60), "last_success_unixtime", ago(7200), "expected_interval_seconds", 3600), "ok"},
	"nothing":        {func(int64) string { return "m 1\n" }, "unknown"},
	Refused:          {func(int64) string { return "# TYPE m counter\nm 1\n" }, "push_refused"},
	"several-of-many": {func(int64) string {
		return "# TYPE job_exit_code gauge\njob_exit_code{part=\"a\"} 0\njob_exit_code{part=\"b\"} 1\n"
	}, "failing"},
}

// ago is a time that many seconds before now.
type ago float64

// jobGauges writes metrics of a job: names without their prefix, each with a
// value.
func jobGauges(metrics ...any) func(now int64) string {
	return func(now int64) string {
		var b strings.Builder
		for i := 0; i < len(metrics); i += 2 {
			value := metrics[i+1]
			if back, ok := value.(ago); ok {
				value = float64(now) - float64(back)
			}
			fmt.Fprintf(&b, "# TYPE job_%[1]s gauge\njob_%[1]s %[2]v\n", metrics[i], value)
		}
		return b.String()
	}
}
