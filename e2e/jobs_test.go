package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
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
		InState      int `json:"groups_in_state"`
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
	s.push("/metrics/job/backup/instance/3", "job_exit_code 1\njob_last_completion_timestamp_seconds 1795554228\n", http.StatusOK)
	if j := dataOf[jobsAnswer](s, "/api/v1/jobs", url.Values{"limit": {"1"}}).Jobs[0]; j.Groups != 3 || j.InState != 2 || j.Group["instance"] != "1" {
		t.Errorf("of several groups: %+v", j)
	}
	s.push("/metrics/job/backup/instance/3", "job_exit_code 0\n", http.StatusOK)
	if j := dataOf[jobsAnswer](s, "/api/v1/jobs", url.Values{"limit": {"1"}}).Jobs[0]; j.Groups != 3 || j.InState != 1 {
		t.Errorf("of several groups: %+v", j)
	}
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/backup/instance/3", "")
	if got := s.get("/api/v1/groups").body; strings.Count(got, `"job_state":"failing"`) != 1 {
		t.Errorf("groups tell of their jobs: %s", got)
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
