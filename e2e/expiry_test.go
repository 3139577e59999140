package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// awaitGone waits until a group has ended, and no longer than somebody would
// who looks at it.
func (s *server) awaitGone(path string) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		a := s.do(http.MethodGet, "/api/v1/group"+strings.TrimPrefix(path, "/metrics"), "")
		if a.status == http.StatusNotFound {
			return
		}
		if a.status != http.StatusOK || time.Now().After(deadline) {
			s.t.Fatalf("%s does not end: %d %q", path, a.status, a.body)
		}
	}
}

func TestTTL(t *testing.T) {
	s := start(t)
	s.push("/metrics/job/header", "m 1\n", http.StatusOK, ttlHeader, "2h")
	s.push("/metrics/job/parameter?ttl=1d", "m 1\n", http.StatusOK)
	s.push("/metrics/job/both?ttl=1.5h", "m 1\n", http.StatusOK, ttlHeader, "1.5h")
	s.push("/metrics/job/none", "m 1\n", http.StatusOK)
	s.want(http.StatusOK, http.MethodPost, "/metrics/job/short?ttl=300ms", "m 1\n")

	want := map[string]float64{"header": 7200, "parameter": 86400, "both": 5400, "none": 0}
	for _, g := range s.groups("match[]={job!=\"short\"}", http.StatusOK).Data.Groups {
		if g.TTL != want[g.Labels["job"]] {
			t.Errorf("%v lives %v s, want %v", g.Labels, g.TTL, want[g.Labels["job"]])
		}
	}
	s.awaitGone("/metrics/job/short")
	a := s.scrape()
	for _, line := range []string{"\npushgateway_groups_expired_total 1\n", "\n# TYPE push_expiry_time_seconds gauge\n", "\npush_expiry_time_seconds{instance=\"\",job=\"header\"} 1."} {
		if !strings.Contains(a.body, line) {
			t.Errorf("the scrape lacks %q", line)
		}
	}
	for _, line := range []string{`job="short"`, `push_expiry_time_seconds{instance="",job="none"}`, "\npushgateway_next_group_expiry_timestamp_seconds 0\n"} {
		if strings.Contains(a.body, line) {
			t.Errorf("the scrape has %q", line)
		}
	}
	order := ""
	for _, g := range s.groups("sort=expiry_time", http.StatusOK).Data.Groups {
		order += g.Labels["job"] + " "
	}
	if order != "both header parameter none " {
		t.Errorf("by expiry time they come as %s", order)
	}
	if a := s.get("/api/v1/metrics"); !strings.Contains(a.body, `"push_expiry_time_seconds":{`) {
		t.Errorf("got %q", a.body)
	}
}

// TestTTLIsOff exposes nothing new by default.
func TestTTLIsOff(t *testing.T) {
	s := start(t)
	s.push("/metrics/job/a", "m 1\npush_expiry_time_seconds 3\n", http.StatusOK)
	if a := s.scrape(); strings.Contains(a.body, "push_expiry") {
		t.Errorf("the scrape has an expiry time:\n%s", a.body)
	}
	if a := s.get("/api/v1/groups"); strings.Contains(a.body, "expiry") || strings.Contains(a.body, "ttl") {
		t.Errorf("got %s", a.body)
	}
}

func TestTTLFlags(t *testing.T) {
	ttl := func(s *server, job string) float64 {
		s.t.Helper()
		return s.groups(query("match[]", fmt.Sprintf("{job=%q}", job)), http.StatusOK).Data.Groups[0].TTL
	}
	for _, c := range []struct {
		flags     []string
		asked     string
		want      float64
		refused   string
		otherwise float64 // if nothing is asked for
	}{
		{flags: []string{"--push.ttl=1d"}, asked: "2d", want: 172800, otherwise: 86400},
		{flags: []string{"--push.ttl=1d"}, asked: "0", want: 0, otherwise: 86400},
		{flags: []string{"--push.max-ttl=1h"}, asked: "30m", want: 1800, otherwise: 3600},
		{flags: []string{"--push.max-ttl=1h"}, asked: "61m", refused: `X-Pushgateway-TTL: "61m": groups live at most 1h (--push.max-ttl); ask for that or less`, otherwise: 3600},
		{flags: []string{"--push.max-ttl=1h"}, asked: "0", refused: `X-Pushgateway-TTL: "0": groups live at most 1h (--push.max-ttl); ask for that or less`, otherwise: 3600},
		{flags: []string{"--push.max-ttl=1h", "--push.ttl=90s"}, asked: "1h", want: 3600, otherwise: 90},
	} {
		t.Run(strings.Join(append(c.flags, c.asked), " "), func(t *testing.T) {
			s := start(t, c.flags...)
			s.push("/metrics/job/plain", "m 1\n", http.StatusOK)
			if got := ttl(s, "plain"); got != c.otherwise {
				t.Errorf("a push that asks for nothing lives %v s, want %v", got, c.otherwise)
			}
			if c.refused != "" {
				if a := s.push("/metrics/job/asks", "m 1\n", http.StatusBadRequest, ttlHeader, c.asked); !strings.Contains(a.body, c.refused) {
					t.Errorf("got %q", a.body)
				}
				return
			}
			s.push("/metrics/job/asks", "m 1\n", http.StatusOK, ttlHeader, c.asked)
			if got := ttl(s, "asks"); got != c.want {
				t.Errorf("it lives %v s, want %v", got, c.want)
			}
		})
	}
}

// TestTTLRefused refuses what cannot be meant, and changes nothing, not even
// the failure time.
func TestTTLRefused(t *testing.T) {
	s := start(t)
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	before := s.get("/api/v1/groups").body
	for _, c := range []struct{ header, parameter, says string }{
		{"soon", "", `X-Pushgateway-TTL: "soon" must be a duration`},
		{"", "-1h", `ttl="-1h" must be a duration`},
		{"", "1", `ttl="1" must be a duration`},
		{"", "101y", "longer than 100 years"},
		{"1h", "2h", "use one of them"},
	} {
		if a := s.push("/metrics/job/a?ttl="+c.parameter, "m 2\n", http.StatusBadRequest, ttlHeader, c.header); !strings.Contains(a.body, c.says) {
			t.Errorf("%+v: got %q", c, a.body)
		}
	}
	after := lastRefusal.ReplaceAllString(s.get("/api/v1/groups").body, "")
	if after = strings.Replace(after, `,"last_push_refused":true`, "", 1); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
}

// TestTTLOfRefusedPushes ends groups that have had only refused pushes, unless the
// rule for them says that they live forever.
func TestTTLOfRefusedPushes(t *testing.T) {
	rules := t.TempDir() + "/config.yml"
	writeFile(t, rules, "rules:\n- match: '{job=~\"kept.*\"}'\n  ttl: 0s\n")
	args := []string{"--push.ttl=1s", "--config.file=" + rules, "--persistence.file=" + t.TempDir() + "/journal"}
	s := start(t, args...)
	s.push("/metrics/job/kept-first", "m 1\n", http.StatusOK)
	s.push("/metrics/job/kept-good", "n 1\n", http.StatusOK)
	for _, job := range []string{"kept-good", "kept", "gone"} {
		s.push("/metrics/job/"+job, "# TYPE m counter\nm 1\n", http.StatusBadRequest)
	}
	s.awaitGone("/metrics/job/gone")
	if a := s.scrape(); !strings.Contains(a.body, "\npushgateway_groups_expired_total 1\n") {
		t.Error("the expired group does not count")
	}
	s.proc.Kill()
	s = start(t, args...)
	var jobs []string
	for _, g := range s.groups("sort=job", http.StatusOK).Data.Groups {
		jobs = append(jobs, g.Labels["job"])
	}
	if got := strings.Join(jobs, " "); got != "kept kept-first kept-good" {
		t.Errorf("the groups are %s", got)
	}
}

// TestTTLOverRestart ends groups at their time though the process was down
// then, or was killed before it could write that down.
func TestTTLOverRestart(t *testing.T) {
	for name, end := range map[string]func(*process){"stopped": (*process).Stop, "killed": (*process).Kill} {
		t.Run(name, func(t *testing.T) {
			file := t.TempDir() + "/journal"
			s := start(t, "--persistence.file="+file)
			s.push("/metrics/job/long?ttl=1h", "m 1\n", http.StatusOK)
			s.push("/metrics/job/short?ttl=200ms", "m 1\n", http.StatusOK)
			before := s.groups(query("match[]", `{job="long"}`), http.StatusOK)
			end(s.proc)
			time.Sleep(200 * time.Millisecond) // the time itself is what is waited for

			s = start(t, "--persistence.file="+file)
			if p := s.groups("", http.StatusOK); p.Data.Total != 1 || *p.Data.Groups[0].Expires != *before.Data.Groups[0].Expires {
				t.Errorf("got %+v, before %+v", p, before)
			}
			if a := s.scrape(); strings.Contains(a.body, `job="short"`) {
				t.Error("a group is exposed after its time")
			}
		})
	}
}

// TestQueries refuses invalid parameters, which would be as if they
// had not been given, and no others.
func TestQueries(t *testing.T) {
	s := start(t)
	for _, query := range []string{"ttl=1h;merge=series", "ttl=%zz", "ttl=1h&ttl=2h", "merge=series&merge=", "x=%zz&ttl=1h"} {
		if a := s.do(http.MethodPost, "/metrics/job/a?"+query, "m 1\n"); a.status != http.StatusBadRequest || !strings.Contains(a.body, "query") {
			t.Errorf("%s: got %d %q", query, a.status, a.body)
		}
	}
	s.wantSeries(nil, []string{`m{instance="",job="a"} 1`})
	for _, query := range []string{"x=%zz", "a;b", "ttl=1h&ttl=1h", "attl=%zz"} {
		s.push("/metrics/job/a?"+query, "m 1\n", http.StatusOK)
	}
}
