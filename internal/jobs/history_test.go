package jobs_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/config"
	"pushgateway/internal/gateway"
	"pushgateway/internal/intake"
	"pushgateway/internal/jobs"
)

// show writes runs, oldest first: when they ended, in seconds after now, and how.
func show(runs []jobs.Run) string {
	var all []string
	for _, r := range runs {
		s := fmt.Sprint(float64(r.Ended.UnixMilli())/1000 - now)
		if r.Failed {
			s += " failed"
		} else {
			s += " ok"
		}
		if !math.IsNaN(r.ExitCode) {
			s += fmt.Sprint(" ", r.ExitCode)
		}
		if !math.IsNaN(r.Duration) {
			s += fmt.Sprint(" ", r.Duration, "s")
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

// history returns the runs of all groups as one job.
func (s *store) history(most int) string {
	survey := s.survey()
	table := survey.Table(nil)
	for i := range survey.Len() {
		table.Add(i)
	}
	rows := table.Rows(nil)
	if len(rows) == 0 {
		return ""
	}
	return show(rows[0].Runs(most))
}

// at is a metric with a time in seconds after now.
func at(name string, seconds float64) string { return fmt.Sprintf("%s %f\n", name, now+seconds) }

// step is a push some seconds after now. A path with a ! in front replaces the
// group.
type step struct {
	after int64
	path  string
	body  string
}

func TestHistory(t *testing.T) {
	started := func(s float64) string { return at("job_last_start_timestamp_seconds", s) }
	ended := func(s float64) string { return at("job_last_completion_timestamp_seconds", s) }
	succeeded := func(s float64) string { return at("job_last_success_timestamp_seconds", s) }
	rules := func(text string) config.JobRules {
		c, err := config.Parse("config.yml", []byte("jobs:\n"+text))
		if err != nil {
			t.Fatal(err)
		}
		return c.Jobs
	}
	const a = "job/a"
	for _, c := range []struct {
		name  string
		rules config.JobRules
		steps []step
		want  string
	}{
		{"what run pushes", nil, []step{
			{0, a, started(0) + "job_running 1\n"},
			{12, a, ended(12.5) + succeeded(12.5) + "job_duration_seconds 12.5\njob_exit_code 0\njob_running 0\n"},
			{60, a, started(60) + "job_running 1\n"},
			{61, a, ended(61) + "job_duration_seconds 1\njob_exit_code 124\njob_running 0\n"},
			{90, a, started(90) + "job_running 1\n"},
		}, "12.5 ok 0 12.5s, 61 failed 124 1s"},
		{"the same push twice", nil, []step{{1, a, ended(1) + "job_exit_code 1\n"}, {2, a, ended(1) + "job_exit_code 1\n"}}, "1 failed 1"},
		{"a run in two pushes", nil, []step{{1, a, ended(1) + "job_exit_code 0\n"}, {9, a, ended(9)}, {9, a, "job_exit_code 2\n"}, {9, a, "job_duration_seconds 3\n"}}, "1 ok 0, 9 failed 2 3s"},
		{"an end, and later how", nil, []step{{1, a, ended(1)}, {2, a, "job_exit_code 3\n"}}, "1 failed 3"},
		{"an end, and later a success", nil, []step{{1, a, succeeded(1) + ended(1)}, {5, a, ended(5)}, {5, a, succeeded(5)}}, "1 ok, 5 ok"},
		{"an end without a success", nil, []step{{1, a, succeeded(1) + ended(1)}, {5, a, succeeded(1) + ended(5)}}, "1 ok, 5 failed"},
		{"no duration", nil, []step{{5, a, started(1) + ended(4) + "job_exit_code 0\n"}, {6, a, started(6)}}, "4 ok 0 3s"},
		{"successes only", nil, []step{{5, a, succeeded(4)}, {6, a, succeeded(4)}, {9, a, succeeded(9)}}, "4 ok, 9 ok"},
		{"Unix time", nil, []step{{5, a, at("db_last_success_unixtime", 4)}, {9, a, at("db_last_success_unixtime", 9)}}, "4 ok, 9 ok"},
		{"a failure beside a success", nil, []step{{5, a, succeeded(5) + "job_exit_code 0\n"}, {7, a, succeeded(5) + "job_exit_code 0\n"}, {9, a, succeeded(5) + "job_exit_code 1\n"}, {11, a, succeeded(5) + "job_exit_code 1\n"}}, "5 ok 0, 9 failed 1, 11 failed 1"},
		{"exit codes only", nil, []step{{5, a, "job_exit_code 0\n"}, {9, a, "job_exit_code -1\n"}}, "5 ok 0, 9 failed -1"},
		{"an exit code that is none", nil, []step{{5, a, "job_exit_code 0.5\n"}, {9, a, "job_exit_code 1e300\n"}}, "5 failed, 9 failed"},
		{"flags", nil, []step{{5, a, "dump_success 1\n"}, {9, a, "dump_success 0\n"}, {10, a, "dump_success 5\n"}}, "5 ok, 9 failed"},
		{"other metrics", nil, []step{{5, a, "job_exit_code 0\n"}, {9, a, "rows 5\n"}, {10, a, started(10)}}, "5 ok 0"},
		{"another group", nil, []step{{5, a, "job_exit_code 0\n"}, {9, "job/b", "job_exit_code 1\n"}, {7, "job/a/instance/1", "job_exit_code 2\n"}}, "5 ok 0, 7 failed 2, 9 failed 1"},
		{"replaced", nil, []step{{5, a, "job_exit_code 0\n"}, {9, "!" + a, "m 1\n"}}, "5 ok 0"},
		{"running", nil, []step{{5, a, "job_exit_code 1\njob_running 1\n"}}, ""},
		{"parts of one run", nil, []step{{5, a, "a_exit_code{x=\"1\"} 0\na_exit_code{x=\"2\"} 3\na_exit_code{x=\"3\"} 0\n"}}, "5 failed 3"},
		{"milliseconds", nil, []step{{5, a, "job_last_success_timestamp_seconds 1795600000000\n"}, {6, a, "job_exit_code 0\n"}}, "6 ok 0"},
		{"nothing about a job", nil, []step{{5, a, "m 1\n"}, {6, a, "http_duration_seconds 5\n"}}, ""},
		{"never", nil, []step{{5, a, succeeded(-now) + ended(-now)}}, ""},
		{"NaN", nil, []step{{5, a, "job_exit_code NaN\njob_last_completion_timestamp_seconds NaN\n"}}, ""},
		{"names of a rule", rules("- {match: '{job=\"a\"}', exit_code: code, duration: took}\n"), []step{{5, a, "code 2\ntook 3\njob_exit_code 0\n"}}, "5 failed 2 3s"},
		{"a push is a success", rules("- {match: '{job=\"a\"}', push_is_success: true}\n"), []step{{5, a, "m 2\n"}, {9, a, "m 3\n"}, {10, "job/b", "m 3\n"}}, "5 ok, 9 ok"},
		{"ignored", rules("- {match: '{job=\"a\"}', ignore: true}\n"), []step{{5, a, "job_exit_code 2\n"}}, ""},
	} {
		s := open(t)
		s.rules = c.rules
		for _, p := range c.steps {
			s.now.Store(now + p.after)
			path, replaces := strings.CutPrefix(p.path, "!")
			s.send(intake.Request{Key: path, Replace: replaces}, p.body)
		}
		if got := s.history(50); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestHistoryIsBounded runs a job often. The oldest runs go.
func TestHistoryIsBounded(t *testing.T) {
	s := open(t)
	for i := range int64(60) {
		s.now.Store(now + i)
		s.push("job/a", "job_exit_code 0\n")
	}
	if got := s.history(1000); strings.Count(got, "ok") != 50 || !strings.HasPrefix(got, "10 ok 0, ") || !strings.HasSuffix(got, ", 59 ok 0") {
		t.Errorf("got %s", got)
	}
	if got := s.history(2); got != "58 ok 0, 59 ok 0" {
		t.Errorf("of the last two: %s", got)
	}
	if got := s.history(0); got != "" {
		t.Errorf("of none: %s", got)
	}
}

// TestRoomForHistory fills all the room that there is. Then a new run takes that
// of older ones of its group.
func TestRoomForHistory(t *testing.T) {
	group := func(runs jobs.Runs, exit float64) *gateway.Group {
		s := open(t)
		s.push("job/a", fmt.Sprintf("job_exit_code %v\n", exit))
		g := *s.gateway.Group(s.survey().Group(0).Key)
		g.Runs = runs
		return &g
	}
	var runs jobs.Runs
	for range 5 {
		runs = jobs.After(group(runs, 0), group(nil, 300), nil, 50, math.MaxInt)
	}
	for size := range len(runs) + 1 {
		after := jobs.After(group(runs, 0), group(nil, 0), nil, 50, size)
		if n := len(after); n > size || n < size-12 {
			t.Errorf("%d bytes of %d", n, size)
		}
	}
	if off := jobs.After(group(runs, 0), group(nil, 0), nil, 0, math.MaxInt); off != nil {
		t.Error("there are runs, though none are kept")
	}
}

// FuzzRuns reads any runs, and adds one to them. It reads back the same ones.
func FuzzRuns(f *testing.F) {
	f.Add("", int64(1795554229500), 124.0, 12.5, true, uint8(50), uint16(500))
	f.Add("\x06\x02\x02\x0a\x02", int64(-5), math.NaN(), math.Inf(1), false, uint8(2), uint16(9))
	f.Fuzz(func(t *testing.T, text string, ended int64, exit, took float64, failed bool, most uint8, size uint16) {
		before := collect(jobs.Runs(text))
		r := jobs.Run{Ended: time.UnixMilli(ended), Failed: failed, ExitCode: exit, Duration: took}
		runs := jobs.Runs(text).With(r, int(most), int(size))
		if len(runs) > int(size) {
			t.Fatalf("%d bytes, at most %d", len(runs), size)
		}
		after := collect(runs)
		if len(after) > int(most) || len(after) > len(before)+1 {
			t.Fatalf("%d runs of %d, at most %d", len(after), len(before), most)
		}
		if len(after) > 0 && (!after[0].Ended.Equal(r.Ended) || after[0].Failed != failed) {
			t.Fatalf("the last run is %v, not %v", after[0], r)
		}
		for i := 1; i < len(after); i++ {
			if got, want := show(after[i:i+1]), show(before[i-1:i]); got != want {
				t.Fatalf("run %d is %s, not %s", i, got, want)
			}
		}
	})
}

func collect(runs jobs.Runs) (all []jobs.Run) {
	for r := range runs.LatestFirst() {
		all = append(all, r)
	}
	return all
}

// BenchmarkPush pushes to one group again and again, with and without runs.
func BenchmarkPush(b *testing.B) {
	for name, body := range map[string]string{
		"a run":  endedRun,
		"no job": "# TYPE a_seconds gauge\na_seconds 1\nb_bytes 1\nc_total 1\nd_ratio 1\ne_info 1\nf_errors 1\ng_requests 1\nh_status 1\ni_rows 1\nj_size_bytes 1\nk_cpu_seconds 1\n",
	} {
		for _, runs := range []int{0, 50} {
			b.Run(fmt.Sprintf("%s, %d runs kept", name, runs), func(b *testing.B) {
				s := open(b)
				s.runs = runs
				b.ReportAllocs()
				for b.Loop() {
					s.now.Add(1)
					s.push("job/a/instance/b", strings.ReplaceAll(body, "1795599000.25", fmt.Sprint(s.now.Load())))
				}
			})
		}
	}
}
