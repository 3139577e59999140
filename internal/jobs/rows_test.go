package jobs_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"pushgateway/internal/config"
	"pushgateway/internal/gateway"
	"pushgateway/internal/intake"
	"pushgateway/internal/jobs"
)

// store is a gateway with a clock that stands, at first at now, with rules, and with 50 runs of each
// group.
type store struct {
	testing.TB
	gateway *gateway.Gateway
	intake  *intake.Intake
	rules   config.JobRules
	now     atomic.Int64
	runs    int
}

func open(t testing.TB) *store {
	t.Helper()
	s := &store{TB: t, runs: 50}
	s.now.Store(now)
	var err error
	s.gateway, err = gateway.Open(t.Context(), gateway.Config{
		Journal: new(gateway.Memory), Now: func() time.Time { return time.Unix(s.now.Load(), 0) },
		Runs: func(old, group *gateway.Group, size int) []byte {
			return jobs.After(old, group, s.rules, s.runs, size)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.gateway.Close() })
	s.intake = intake.New(s.gateway, intake.Config{UTF8Names: true})
	return s
}

// push pushes to a group, whose key is as in a path.
func (s *store) push(key, body string) {
	s.Helper()
	s.send(intake.Request{Key: key}, body)
}

func (s *store) send(r intake.Request, body string) {
	s.Helper()
	r.Body, r.Length = strings.NewReader(body), int64(len(body))
	if _, err := s.intake.Push(s.Context(), r); err != nil {
		s.Fatalf("%s: %v", r.Key, err)
	}
}

func (s *store) survey() *jobs.Survey { return jobs.Look(s.gateway.View(), s.rules, now, nil) }

// late is a time long ago, as text.
var late = fmt.Sprint(now - 2*day)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       jobs.State
	}{
		{"the names of run", "# TYPE job_exit_code gauge\njob_exit_code 3\n", jobs.Failing},
		{"another prefix", "backup_exit_code 3\n", jobs.Failing},
		{"a prefix that is no word", "backupexit_code 3\n", jobs.Failing},
		{"no prefix", "exit_code 3\n", jobs.Failing},
		{"a name beyond ASCII", "{\"größe.exit_code\"} 3\n", jobs.Failing},
		{"a name beyond ASCII, with a label", "{\"größe.exit_code\",a=\"b\"} 3\n", jobs.Failing},
		{"Unix time", "db_last_success_unixtime " + late + "\ndb_expected_interval_seconds 3600\n", jobs.Late},
		{"timestamp", "db_last_success_timestamp_seconds " + late + "\ndb_expected_interval_seconds 3600\n", jobs.Late},
		{"the interval of another", "a_last_success_unixtime " + late + "\nb_expected_interval_seconds 3600\n", jobs.OK},
		{"labels", "a_last_success_unixtime{x=\"a b\"} " + late + "\na_expected_interval_seconds{x=\"a b\"} 3600\n", jobs.Late},
		{"other labels", "a_last_success_unixtime{x=\"1\"} " + late + "\na_expected_interval_seconds{x=\"2\"} 3600\n", jobs.OK},
		{"the worst of several", "a_exit_code{x=\"1\"} 0\na_exit_code{x=\"2\"} 1\na_exit_code{x=\"3\"} 0\n", jobs.Failing},
		{"a flag", "dump_success 0\n", jobs.Failing},
		{"a flag that is a number", "dump_success 17\n", jobs.Unknown},
		{"a flag that is a counter", "# TYPE dump_success counter\ndump_success 0\n", jobs.Unknown},
		{"a word that ends like one", "unsuccess 0\n", jobs.Unknown},
		{"a histogram", "# TYPE a_exit_code summary\na_exit_code_sum 1\na_exit_code_count 1\n", jobs.Unknown},
		{"something that takes long", "http_duration_seconds 1e9\nnginx_running 1\n", jobs.Unknown},
		{"many that take long before a failure", manyDurations() + "z_exit_code 1\n", jobs.Failing},
		{"no series", "# TYPE a_exit_code gauge\n", jobs.Unknown},
	} {
		s := open(t)
		s.push("job/a", c.body)
		if got := s.survey().Group(0).State; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestNoGauge names a metric that would tell of the job if it had another type.
func TestNoGauge(t *testing.T) {
	for body, want := range map[string]string{
		"# TYPE dump_exit_code counter\ndump_exit_code 1\n":                                              "dump_exit_code does not count: push it as a gauge, or without a type",
		"# TYPE dump_seconds_total counter\ndump_seconds_total 1\n":                                      "no metric says how the job went",
		"# TYPE dump_duration_seconds summary\ndump_duration_seconds_count 1\n":                          "no metric says how the job went",
		"# TYPE dump_exit_code counter\ndump_exit_code 1\n# TYPE job_exit_code gauge\njob_exit_code 0\n": "",
	} {
		s := open(t)
		s.push("job/a", body)
		if got := s.survey().Group(0).Reason(now); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func manyDurations() string {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "a_duration_seconds{x=\"%d\"} 1\n", i)
	}
	return b.String()
}

func TestTable(t *testing.T) {
	s := open(t)
	s.push("job/b/instance/1", "job_exit_code 0\n")
	s.push("job/b/instance/2", "job_exit_code 1\n")
	s.push("job/a/instance/1", "job_exit_code 0\n")
	s.push("job/a/zone/z", "job_exit_code 0\n")
	s.push("job/c", "job_exit_code 1\njob_last_completion_timestamp_seconds "+late+"\n")
	s.push("job/d", "m 1\n")
	for _, c := range []struct {
		by     []string
		states []jobs.State
		want   string
	}{
		{[]string{"job"}, nil, `b failing 2, c failing 1, a ok 2, d unknown 1`},
		{[]string{"job", "instance"}, nil, `b 2 failing 1, c failing 1, a ok 1, a 1 ok 1, b 1 ok 1, d unknown 1`},
		{[]string{"job"}, []jobs.State{jobs.Unknown, jobs.Failing}, `b failing 2, c failing 1, d unknown 1`},
		{[]string{"job"}, []jobs.State{jobs.Late}, ``},
	} {
		survey := s.survey()
		table := survey.Table(c.by)
		for i := range survey.Len() {
			table.Add(i)
		}
		var rows []string
		sorted := table.Rows(c.states)
		slices.SortFunc(sorted, table.Order)
		for _, r := range sorted {
			var values []string
			for _, l := range r.Labels(c.by) {
				values = append(values, l.Value)
			}
			rows = append(rows, fmt.Sprintf("%s %s %d", strings.Join(values, " "), r.State, r.Groups))
		}
		if got := strings.Join(rows, ", "); got != c.want {
			t.Errorf("by %v, %v: %s\nwant %s", c.by, c.states, got, c.want)
		}
	}
}

// TestRowKeepsNoTable wants a row that somebody keeps to leave the memory of all others.
func TestRowKeepsNoTable(t *testing.T) {
	s := open(t)
	s.push("job/a", endedRun)
	table := s.survey().Table([]string{"job"})
	table.Add(0)
	row, gone := table.Rows(nil)[0], weak.Make(table)
	runtime.GC()
	if gone.Value() != nil {
		t.Error("the row keeps its table")
	}
	if len(row.Runs(1)) != 1 {
		t.Error("the row has lost its run")
	}
}

// ended is what run pushes at the end, beside nine families that say nothing.
const endedRun = `job_cpu_seconds{mode="user"} 1
job_cpu_seconds{mode="system"} 1
job_duration_seconds 12.5
job_exit_code 0
job_expected_interval_seconds 86400
job_last_completion_timestamp_seconds 1795599000.25
job_last_start_timestamp_seconds 1795598987.75
job_last_success_timestamp_seconds 1795599000.25
job_max_resident_memory_bytes 1.7e+07
job_running 0
rows_total 1
rows_failed 1
size_bytes 1
`

// BenchmarkLook judges 100,000 groups: all of them, and those that have changed of
// 100 that were pushed to, or of all.
func BenchmarkLook(b *testing.B) {
	const groups = 100_000
	s := open(b)
	push := func(i int) { s.push(fmt.Sprintf("job/j%d/instance/%d", i%1000, i), endedRun) }
	for i := range groups {
		push(i)
	}
	before := s.survey()
	look := func(name string, before *jobs.Survey) {
		v := s.gateway.View()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				jobs.Look(v, nil, now, before)
			}
		})
	}
	look("all", nil)
	for _, pushed := range []int{100, groups} {
		for i := range pushed {
			push(i * (groups / pushed))
		}
		look(fmt.Sprintf("again after %d pushes", pushed), before)
	}
	survey := s.survey()
	for _, by := range [][]string{{"job"}, {"job", "instance"}} {
		b.Run("rows by "+strings.Join(by, ","), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				t := survey.Table(by)
				for i := range survey.Len() {
					t.Add(i)
				}
				t.Rows(nil)
			}
		})
	}
}
