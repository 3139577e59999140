package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// jobsAnswer is what /api/v1/jobs answers.
type jobsAnswer struct {
	Counts map[string]int
	Jobs   []struct {
		Labels       map[string]string
		Group        map[string]string
		State        string
		Since        *float64
		LastSuccess  *float64 `json:"last_success"`
		Duration     *float64 `json:"duration_seconds"`
		NextExpected *float64 `json:"next_expected"`
		Reason       string
		Groups       int
		Runs         []struct {
			Ended    float64
			Outcome  string
			ExitCode *float64 `json:"exit_code"`
			Duration *float64 `json:"duration_seconds"`
		}
	}
}

// TestJobs asks for jobs in all ways that the API has.
func TestJobs(t *testing.T) {
	s := start(t)
	if got := s.get("/api/v1/jobs").body; !strings.Contains(got, `"jobs":[]`) || !strings.Contains(got, `"running_too_long":0`) {
		t.Errorf("without groups: %s", got)
	}
	s.push("/metrics/job/backup/instance/1", "job_exit_code 124\njob_last_completion_timestamp_seconds 1795554229.5\njob_last_success_timestamp_seconds 1795400000\njob_duration_seconds 12.5\njob_expected_interval_seconds 86400\n", http.StatusOK)
	s.push("/metrics/job/backup/instance/2", "job_exit_code 0\n", http.StatusOK)
	s.push("/metrics/job/report", "m 1\n", http.StatusOK)
	s.push("/metrics/job/refused", "# TYPE m counter\nm 1\n", http.StatusBadRequest)

	got := s.get("/api/v1/jobs?runs=1&match[]={job=%22backup%22,instance=%221%22}").body
	want := `{"status":"success","data":{"counts":{"failing":1,"late":0,"ok":0,"push_refused":0,"running_too_long":0,"stale":0,"unknown":0},` +
		`"jobs":[{"labels":{"job":"backup"},"state":"failing","since":1795554229,"last_success":1795400000,"duration_seconds":12.5,"next_expected":1795486400,"reason":"exit code 124","groups":1,"group":{"instance":"1","job":"backup"},"runs":[{"ended":1795554229.5,"outcome":"failed","exit_code":124,"duration_seconds":12.5}]}]}}`
	if strings.TrimSpace(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for query, want := range map[string]string{
		"":                         "backup failing, refused push_refused, report unknown",
		"state=unknown&state=ok":   "report unknown",
		"state=late":               "",
		"limit=1":                  "backup failing",
		"by=instance":              "backup 1 failing, refused push_refused, backup 2 ok, report unknown",
		"by=instance,job&state=ok": "backup 2 ok",
		`match[]={instance="2"}`:   "backup ok",
		"search=REP":               "report unknown",
		`match[]={job="x"}&match[]={job="report"}`: "report unknown",
	} {
		v, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		var rows []string
		for _, j := range dataOf[jobsAnswer](s, "/api/v1/jobs", v).Jobs {
			rows = append(rows, strings.Join(strings.Fields(j.Labels["job"]+" "+j.Labels["instance"]+" "+j.State), " "))
		}
		if got := strings.Join(rows, ", "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for query, want := range map[string]string{
		"state=bad":                       `state=\"bad\" must be one of failing, late, running_too_long, push_refused, stale, ok, unknown`,
		"state=":                          `state=\"\" must be one of`,
		"state=ok&state=Failing":          `state=\"Failing\" must be one of`,
		"limit=0":                         `limit=\"0\" must be a number`,
		"runs=51":                         `runs=\"51\" must be a number from 0 to 50`,
		"runs=-1":                         `must be a number`,
		"by=":                             `by=\"\" must name grouping labels, like by=instance`,
		"by=a" + strings.Repeat(",a", 20): "name fewer",
		"match[]={job=":                   "parse error",
		"match[]=backup":                  `{job=\"backup\"}`,
	} {
		if got := s.want(http.StatusBadRequest, http.MethodGet, "/api/v1/jobs?"+query, "").body; !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// agreed are jobs by name, with what they push if it is now that time, and
// their state.
var agreed = map[string]struct {
	body  func(now int64) string
	state string
}{
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
	"milliseconds":   {jobGauges("last_success_timestamp_seconds", 1795554229000, "expected_interval_seconds", 3600), "unknown"},
	"half-in-ms":     {jobGauges("last_success_timestamp_seconds", 1795554229000, "last_start_timestamp_seconds", ago(7200), "expected_interval_seconds", 3600), "late"},
	"future":         {jobGauges("exit_code", 0, "last_success_timestamp_seconds", ago(-86400), "expected_interval_seconds", 3600), "ok"},
	"fast-clock":     {jobGauges("last_success_timestamp_seconds", ago(-60), "expected_interval_seconds", 3600), "ok"},
	"negative":       {jobGauges("exit_code", 0, "last_start_timestamp_seconds", -5, "running", 1, "duration_seconds", 60), "ok"},
	"nan":            {jobGauges("exit_code", math.NaN(), "last_success_timestamp_seconds", math.NaN(), "expected_interval_seconds", 3600), "unknown"},
	"no-interval":    {jobGauges("last_success_timestamp_seconds", ago(7200), "expected_interval_seconds", 0), "ok"},
	"nothing":        {func(int64) string { return "m 1\n" }, "unknown"},
	"refused":        {func(int64) string { return "# TYPE m counter\nm 1\n" }, "push_refused"},
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

// alertOf is the alert of each state that has one.
var alertOf = []struct{ state, alert string }{
	{"failing", "JobFailed"}, {"late", "JobMissing"}, {"running_too_long", "JobRunsLong"}, {"push_refused", "PushRefused"}, {"stale", "JobStale"},
}

// TestStatesAgree asks the API, the command and the alerts about the same jobs.
func TestStatesAgree(t *testing.T) {
	s, now := start(t), time.Now().Unix()
	states := make(map[string]string)
	for _, job := range slices.Sorted(maps.Keys(agreed)) {
		status := http.StatusOK
		if job == "refused" {
			status = http.StatusBadRequest
		}
		s.push("/metrics/job/"+job, agreed[job].body(now), status)
		states[job] = agreed[job].state
	}
	fromAPI := make(map[string]string)
	for _, j := range dataOf[jobsAnswer](s, "/api/v1/jobs", nil).Jobs {
		fromAPI[j.Labels["job"]] = j.State
	}
	if !maps.Equal(fromAPI, states) {
		t.Errorf("the API says %v\nwant %v", fromAPI, states)
	}
	_, out, errs := command(t, "jobs", "--url="+s.base)
	fromCommand := make(map[string]string)
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); f[0] != "JOB" {
			fromCommand[f[0]] = f[1]
		}
	}
	if !maps.Equal(fromCommand, states) {
		t.Errorf("the command says %v, %s\nwant %v", fromCommand, errs, states)
	}
	promtoolAgrees(t, s, states)
}

// promtoolAgrees evaluates the alerts for what a scrape has. promtool begins at
// the Unix time 0, so all times are moved.
func promtoolAgrees(t *testing.T, s *server, states map[string]string) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	const evaluated = 100 // days
	moved := float64(time.Now().Unix() - evaluated*86400)
	type test map[string]any
	var series, checks []test
	for name, value := range pushedSeries(t, s) {
		if value > moved && value < 2*moved {
			value -= moved
		}
		text := strconv.FormatFloat(value, 'f', -1, 64)
		series = append(series, test{"series": name, "values": "_x" + strconv.Itoa(evaluated) + " " + text})
	}
	for job, state := range states {
		var worse []string
		for _, a := range alertOf {
			if a.state == state {
				checks = append(checks, countOf(job, a.alert, evaluated, 1))
				break
			}
			worse = append(worse, a.alert)
		}
		checks = append(checks, countOf(job, strings.Join(worse, "|"), evaluated, 0))
	}
	var files []string
	for _, name := range []string{"jobs.rules.yml", "pushgateway.rules.yml"} {
		files = append(files, must(filepath.Abs("../deploy/prometheus/"+name)))
	}
	file := filepath.Join(t.TempDir(), "test.yml")
	writeFile(t, file, string(must(json.Marshal(test{
		"rule_files": files, "evaluation_interval": "1d",
		"tests": []test{{"interval": "1d", "input_series": series, "promql_expr_test": checks}},
	}))))
	if out, err := exec.Command(promtool, "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("the alerts do not agree: %v\n%s", err, out)
	}
}

// countOf is a test of promtool that this many of the alerts fire for a job.
func countOf(job, alerts string, day int, want int) map[string]any {
	return map[string]any{
		"expr":        fmt.Sprintf(`(count(count by (alertname) (ALERTS{alertstate="firing",job=%q,alertname=~%q})) or vector(0))`, job, alerts),
		"eval_time":   fmt.Sprintf("%dd", day),
		"exp_samples": []map[string]any{{"value": want}},
	}
}

// pushedSeries is what a scrape has of jobs, and of pushes to them.
func pushedSeries(t *testing.T, s *server) map[string]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(s.scrape().body))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]float64)
	for name, f := range families {
		if !strings.HasPrefix(name, "job_") && !strings.HasPrefix(name, "push_") {
			continue
		}
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			value := m.GetGauge().GetValue() + m.GetUntyped().GetValue()
			all[name+"{"+strings.Join(labels, ",")+"}"] = value
		}
	}
	return all
}
