package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// runsOf returns the runs of a job: how each ended, with its exit code.
func (s *server) runsOf(job string) string {
	s.t.Helper()
	var all []string
	for _, j := range dataOf[jobsAnswer](s, "/api/v1/jobs", url.Values{"match[]": {fmt.Sprintf("{job=%q}", job)}}).Jobs {
		for _, r := range j.Runs {
			code := "?"
			if r.ExitCode != nil {
				code = fmt.Sprint(*r.ExitCode)
			}
			if all = append(all, r.Outcome+" "+code); r.Ended < 1e9 {
				s.t.Errorf("a run has ended at %v", r.Ended)
			}
		}
	}
	return strings.Join(all, ", ")
}

// TestHistory runs jobs. What is remembered of the runs survives a restart, and
// comes with a backup.
func TestHistory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "metrics.db")
	args := []string{"--persistence.file=" + file, "--web.enable-admin-api", "--jobs.history=3"}
	s := start(t, args...)
	run := func(want int, job string, args ...string) {
		t.Helper()
		code, _, errs := command(t, append([]string{"run", "--url=" + s.base, "--job=" + job, "--"}, args...)...)
		if code != want {
			t.Fatalf("%s: exit code %d, %s", job, code, errs)
		}
	}
	run(0, "other", "true")
	for _, code := range []int{0, 7, 0, 3} {
		run(code, "backup", "sh", "-c", fmt.Sprint("exit ", code))
	}
	const kept = "failed 7, ok 0, failed 3"
	if got := s.runsOf("backup"); got != kept {
		t.Errorf("the runs are %s, want %s", got, kept)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if code, out, errs := command(t, "backup", "--url="+s.base, copied); code != 0 {
		t.Fatalf("%s %s", out, errs)
	}
	s.proc.Stop()
	for _, from := range []string{file, copied} {
		name := map[string]string{file: "a restart", copied: "a backup"}[from]
		s = start(t, "--persistence.file="+from, "--web.enable-admin-api", "--jobs.history=3")
		if got := s.runsOf("backup"); got != kept {
			t.Errorf("after %s the runs are %s, want %s", name, got, kept)
		}
		s.push("/metrics/job/backup", "rows 5\n", http.StatusOK)
		run(4, "backup", "sh", "-c", "exit 4")
		if got, want := s.runsOf("backup"), "ok 0, failed 3, failed 4"; got != want {
			t.Errorf("after another run: %s, want %s", got, want)
		}
		if name == "a restart" {
			s.proc.Stop()
		}
	}
	bytes := s.get("/-/metrics").body
	if !strings.Contains(bytes, "pushgateway_jobs_history_max_bytes 6.7108864e+07\n") || strings.Contains(bytes, "pushgateway_jobs_history_bytes 0\n") {
		t.Error("the own metrics do not tell how much is used")
	}
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/backup", "")
	run(0, "backup", "true")
	if got := s.runsOf("backup"); got != "ok 0" {
		t.Errorf("after the group was deleted: %s", got)
	}
	s.proc.Stop()
	s = start(t, "--jobs.history=0", "--persistence.file="+copied)
	run(0, "backup", "true")
	if got := s.runsOf("backup"); got != "" {
		t.Errorf("without a history: %s", got)
	}
	if code, _, errs := command(t, "--jobs.history=1001"); code != 2 || !strings.Contains(errs, "--jobs.history=1001: it must be from 0 to 1000") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

// clusterHistory pushes runs of a job to two members in turn. Both know all of
// them.
func clusterHistory(t *testing.T, a, b *server) {
	var all []string
	for code := range 4 {
		outcome := "failed"
		if code == 0 {
			outcome = "ok"
		}
		all = append(all, fmt.Sprint(outcome, " ", code))
		a, b = b, a
		a.push("/metrics/job/history", fmt.Sprintf("job_exit_code %d\n", code), http.StatusOK)
		for _, s := range []*server{a, b} {
			s.eventually("the run", func() bool { return s.runsOf("history") == strings.Join(all, ", ") })
		}
	}
}

// TestRulesOfJobs has jobs whose metrics have names of their own. A reload brings
// other rules.
func TestRulesOfJobs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yml")
	writeFile(t, file, "jobs:\n- {match: '{job=\"dump\"}', exit_code: dump_status}\n- {match: '{job=\"report\"}', push_is_success: true, expect: 1h}\n- {match: '{job=\"probe\"}', ignore: true}\n")
	s := start(t, "--config.file="+file, "--web.enable-lifecycle")
	s.push("/metrics/job/dump", "dump_status 3\njob_exit_code 0\n", http.StatusOK)
	s.push("/metrics/job/report", "rows 3\n", http.StatusOK)
	s.push("/metrics/job/probe", "probe_success 0\n", http.StatusOK)
	s.push("/metrics/job/other", "dump_status 3\njob_exit_code 0\n", http.StatusOK)
	states := func() (all []string) {
		for _, j := range dataOf[jobsAnswer](s, "/api/v1/jobs", nil).Jobs {
			all = append(all, j.Labels["job"]+" "+j.State)
		}
		return all
	}
	if got, want := fmt.Sprint(states()), "[dump failing other ok report ok probe unknown]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := s.runsOf("dump") + "; " + s.runsOf("report") + "; " + s.runsOf("probe"); got != "failed 3; ok ?; " {
		t.Errorf("the runs are %q", got)
	}
	writeFile(t, file, "")
	s.want(http.StatusOK, http.MethodPost, "/-/reload", "")
	s.push("/metrics/job/dump", "dump_status 3\njob_exit_code 0\n", http.StatusOK) // so that all are judged anew
	if got, want := fmt.Sprint(states()), "[probe failing dump ok other ok report unknown]"; got != want {
		t.Errorf("after the reload: %s, want %s", got, want)
	}
}
