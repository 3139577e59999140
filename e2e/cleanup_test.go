package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// deleted is the answer of /api/v1/admin/delete_groups.
type deleted struct {
	Status string
	Error  string
	Data   struct {
		DryRun  bool `json:"dry_run"`
		Deleted int
		Groups  []map[string]string
	}
}

func (s *server) deleteGroups(want int, parameters ...string) deleted {
	s.t.Helper()
	a := s.want(want, http.MethodPost, "/api/v1/admin/delete_groups?"+query(parameters...), "")
	var d deleted
	if err := json.Unmarshal([]byte(a.body), &d); err != nil {
		s.t.Errorf("%q: %v", a.body, err)
	}
	return d
}

// query makes a query of names and values in turn.
func query(parameters ...string) string {
	v := make(url.Values)
	for i := 0; i < len(parameters); i += 2 {
		v.Add(parameters[i], parameters[i+1])
	}
	return v.Encode()
}

// jobs are the jobs of all groups, sorted.
func (s *server) jobs() (jobs []string) {
	s.t.Helper()
	for _, g := range s.groups("", http.StatusOK).Data.Groups {
		jobs = append(jobs, g.Labels["job"]+g.Labels["instance"])
	}
	slices.Sort(jobs)
	return jobs
}

func TestDeleteGroups(t *testing.T) {
	for _, c := range []struct {
		name       string
		parameters []string
		left       string
	}{
		{"selector", []string{"match[]", `{job="a"}`}, "b1 b2 c"},
		{"two matchers", []string{"match[]", `{job=~"a|b",instance!~"1"}`}, "a1 b1 c"},
		{"any of two selectors", []string{"match[]", `{job="a"}`, "match[]", `{job="c"}`}, "b1 b2"},
		{"a label that is not there", []string{"match[]", `{instance=""}`}, "a1 a2 b1 b2"},
		{"all of it", []string{"match[]", `{job!=""}`}, ""},
		{"nothing", []string{"match[]", `{job="x"}`}, "a1 a2 b1 b2 c"},
		{"younger than that", []string{"match[]", `{job="a"}`, "older_than", "1h"}, "a1 a2 b1 b2 c"},
		{"old enough", []string{"older_than", "0s", "match[]", `{job="c"}`}, "a1 a2 b1 b2"},
		{"failing", []string{"status", "failure"}, "a1 a2 b1 b2"},
		{"expiring, of which there is none", []string{"status", "expiring"}, "a1 a2 b1 b2 c"},
		{"failing and other", []string{"status", "failure", "match[]", `{job="a"}`}, "a1 a2 b1 b2 c"},
		{"search", []string{"search", `STANCE="2`}, "a1 b1 c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, "--web.enable-admin-api")
			for _, path := range []string{"a/instance/1", "a/instance/2", "b/instance/1", "b/instance/2", "c"} {
				s.push("/metrics/job/"+path, "m 1\n", http.StatusOK)
			}
			s.push("/metrics/job/c", "m 1 5\n", http.StatusBadRequest)

			dry := s.deleteGroups(http.StatusOK, append(c.parameters, "dry_run", "true")...)
			if left := len(s.jobs()); left != 5 || !dry.Data.DryRun {
				t.Errorf("a dry run left %d groups: %+v", left, dry)
			}
			wet := s.deleteGroups(http.StatusOK, c.parameters...)
			if fmt.Sprint(wet.Data.Groups) != fmt.Sprint(dry.Data.Groups) || wet.Data.DryRun {
				t.Errorf("%+v, the dry run said %+v", wet, dry)
			}
			left := s.jobs()
			if got := strings.Join(left, " "); got != c.left {
				t.Errorf("%q are left, want %q", got, c.left)
			}
			if wet.Data.Deleted != 5-len(left) || len(wet.Data.Groups) != 5-len(left) {
				t.Errorf("%d are left, and the answer is %+v", len(left), wet)
			}
		})
	}
}

func TestDeleteGroupsRefused(t *testing.T) {
	s := start(t, "--web.enable-admin-api")
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	for _, c := range []struct{ query, says string }{
		{"", "name the groups"},
		{"dry_run=true", "name the groups"},
		{query("match[]", `{job=`), "1:6: parse error"},
		{query("match[]", `{job=~"("}`), "missing closing )"},
		{query("match", `{job="a"}`), `no parameter "match"`},
		{query("match[]", `{job="a"}`, "older_then", "1h"), `no parameter "older_then"`},
		{query("older_than", "soon"), `older_than="soon": it must be a duration like 90m, 24h or 7d`},
		{query("older_than", "300y"), `older_than="300y": it is longer than 100 years; shorten it`},
		{query("status", "x"), `status="x"`},
		{query("match[]", `{job="a"}`, "dry_run", "maybe"), `dry_run="maybe"`},
		{query("match[]", `{job="a"}`, "dry_run", ""), `dry_run=""`},
		{query("match[]", `{job="a"}`, "dry_run", "false", "dry_run", "true"), `the parameter dry_run is there with "false" and "true"`},
		{query("older_than", "0s", "older_than", "1d"), "older_than is there with"},
	} {
		a := s.want(http.StatusBadRequest, http.MethodPost, "/api/v1/admin/delete_groups?"+c.query, "")
		var d deleted
		if err := json.Unmarshal([]byte(a.body), &d); err != nil || !strings.Contains(d.Error, c.says) {
			t.Errorf("%s: %q does not say %q", c.query, a.body, c.says)
		}
	}
	s.want(http.StatusMethodNotAllowed, http.MethodGet, "/api/v1/admin/delete_groups?"+query("match[]", `{job="a"}`), "")
	if left := s.jobs(); len(left) != 1 {
		t.Errorf("left %q", left)
	}
	s = start(t)
	if a := s.want(http.StatusForbidden, http.MethodPost, "/api/v1/admin/delete_groups?older_than=0s", ""); !strings.Contains(a.body, "--web.enable-admin-api") {
		t.Errorf("got %q", a.body)
	}
}

// TestDeleteGroupsByForm takes the parameters as curl -d sends them.
func TestDeleteGroupsByForm(t *testing.T) {
	s := start(t, "--web.enable-admin-api")
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	s.push("/metrics/job/b", "m 1\n", http.StatusOK)
	s.want(http.StatusOK, http.MethodPost, "/api/v1/admin/delete_groups", query("match[]", `{job="a"}`), "Content-Type", "application/x-www-form-urlencoded")
	if left := s.jobs(); fmt.Sprint(left) != "[b]" {
		t.Errorf("left %q", left)
	}
}

func TestGroup(t *testing.T) {
	s := start(t, "--push.enable-utf8-names")
	s.push("/metrics/job/a/path@base64/L3Zhcg", "# HELP m Help.\n# TYPE m gauge\nm{x=\"1\"} 2\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 3\n", http.StatusOK)
	s.want(http.StatusBadRequest, http.MethodPut, "/metrics/job/a/path@base64/L3Zhcg", "m 1 5\n")

	var one struct {
		Data struct {
			Labels  map[string]string
			Series  int
			Failure string `json:"push_failure_message"`
			Metrics map[string]struct {
				Type, Help string
				Metrics    []struct {
					Labels  map[string]string
					Value   string
					Buckets any
				}
			}
		}
	}
	a := s.get("/api/v1/group/job/a/path@base64/L3Zhcg")
	if err := json.Unmarshal([]byte(a.body), &one); err != nil {
		t.Fatal(err)
	}
	d := one.Data
	if d.Labels["path"] != "/var" || d.Series != 2 || !strings.Contains(d.Failure, "timestamp") || len(d.Metrics) != 2 {
		t.Errorf("got %+v", d)
	}
	if m := d.Metrics["m"]; m.Type != "GAUGE" || m.Help != "Help." || m.Metrics[0].Value != "2" || m.Metrics[0].Labels["x"] != "1" {
		t.Errorf("m is %+v", m)
	}
	text := s.get("/api/v1/group/job/a/path@base64/L3Zhcg?format=text")
	if want := groupLines(s.scrape().body, "a"); text.body != want || !strings.HasPrefix(text.header.Get("Content-Type"), "text/plain") {
		t.Errorf("got %s %q, want %q", text.header.Get("Content-Type"), text.body, want)
	}
	// What scrapes leave out for its name, on account of another group.
	s.push("/metrics/job/b", "c_d 1\n", http.StatusOK)
	s.push("/metrics/job/c", "{\"c.d\"} 1\n{\"c.e\"} 1\n", http.StatusOK)
	text = s.get("/api/v1/group/job/c?format=text")
	if strings.Contains(text.body, "c_d") || !strings.Contains(text.body, "\nc_e{") {
		t.Errorf("got %q", text.body)
	}
	s.want(http.StatusNotFound, http.MethodGet, "/api/v1/group/job/x", "")
	s.want(http.StatusBadRequest, http.MethodGet, "/api/v1/group/job/a/path", "")
	s.want(http.StatusBadRequest, http.MethodGet, "/api/v1/group/job/a/path@base64/L3Zhcg?format=xml", "")
}

// groupLines are the families of a scrape that have the job.
func groupLines(scrape, job string) string {
	var all, family strings.Builder
	has := false
	flush := func() {
		if has {
			all.WriteString(family.String())
		}
		family.Reset()
		has = false
	}
	for line := range strings.Lines(scrape) {
		if family.Len() > 0 && strings.HasPrefix(line, "# HELP") || strings.HasPrefix(line, "# TYPE") && !strings.HasPrefix(lastLine(family.String()), "# HELP") {
			flush()
		}
		family.WriteString(line)
		has = has || strings.Contains(line, `job="`+job+`"`)
	}
	flush()
	return all.String()
}

func lastLine(s string) string {
	s = strings.TrimSuffix(s, "\n")
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// TestFailureMessage keeps why the last push was refused, over a restart too.
func TestFailureMessage(t *testing.T) {
	file := t.TempDir() + "/journal"
	s := start(t, "--persistence.file="+file)
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	s.push("/metrics/job/b", "# TYPE m counter\nm 1\n", http.StatusBadRequest)
	message := func(s *server) string {
		return s.groups(query("match[]", `{job="b"}`), http.StatusOK).Data.Groups[0].Failure
	}
	want := message(s)
	if !strings.Contains(want, `{job="a"}`) {
		t.Errorf("the message is %q", want)
	}
	s.proc.Stop()
	if got := message(start(t, "--persistence.file="+file)); got != want {
		t.Errorf("after a restart the message is %q, want %q", got, want)
	}
}

// TestOtherOrigins lets no page from elsewhere delete groups or end the process
// through somebody's browser.
func TestOtherOrigins(t *testing.T) {
	s := start(t, "--web.enable-admin-api", "--web.enable-lifecycle", "--web.external-url=https://gw.example.com/", "--web.route-prefix=/")
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	const form = "application/x-www-form-urlencoded"
	for _, header := range [][]string{
		{"Origin", "https://evil.example.com"},
		{"Origin", "null"},
		{"Origin", "https://gw.example.com.evil.example.com"},
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
	} {
		header = append(header, "Content-Type", form)
		if a := s.want(http.StatusForbidden, http.MethodPost, "/api/v1/admin/delete_groups", query("match[]", `{job="a"}`), header...); !strings.Contains(a.body, "--web.external-url") {
			t.Errorf("%v: got %q", header, a.body)
		}
		s.want(http.StatusForbidden, http.MethodPut, "/api/v1/admin/wipe", "", header...)
		s.want(http.StatusForbidden, http.MethodPost, "/-/quit", "", header...)
	}
	if left := s.jobs(); fmt.Sprint(left) != "[a]" {
		t.Fatalf("left %q", left)
	}
	for _, origin := range []string{"https://gw.example.com", s.base} {
		s.push("/metrics/job/a", "m 1\n", http.StatusOK)
		s.want(http.StatusOK, http.MethodPost, "/api/v1/admin/delete_groups", query("match[]", `{job="a"}`), "Content-Type", form, "Origin", origin)
	}
	if left := s.jobs(); len(left) != 0 {
		t.Errorf("left %q", left)
	}
}
