package httpapi

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/config"
	"pushgateway/internal/grouping"
	"pushgateway/internal/intake"
)

// judges say, without selectors, which groups the users of FuzzAccess may touch.
var judges = map[string]func(grouping.Key) bool{
	"": func(grouping.Key) bool { return false },
	"a": func(k grouping.Key) bool {
		job, _ := k.Value("job")
		return job == "a"
	},
	"ci": func(k grouping.Key) bool {
		job, _ := k.Value("job")
		env, _ := k.Value("env")
		return strings.HasPrefix(job, "ci_") && env != "production"
	},
}

// tricks are paths that look like others.
var tricks = []string{
	"/metrics/job/a", "/metrics/job/other", "/metrics//job/other", "//metrics/job/other", "/metrics/job/a/../other", "/metrics/job/a/%2e%2e/other",
	"/metrics/job/a%2F..%2Fother", "/metrics/job/a%2Fother", "/metrics/%6a%6f%62/other", "/metrics/job/a/%6a%6f%62/other", "/metrics/job/%6fther",
	"/metrics/job@base64/b3RoZXI", "/metrics/job%40base64/b3RoZXI", "/metrics/job@base64/YQ==", "/metrics/job/a/job@base64/b3RoZXI", "/metrics/job/a/job/other",
	"/metrics/job/other/job/a", "/metrics/job/a/U__job/other", "/metrics/job/a/U__6a_ob/other", "/metrics/JOB/other", "/metrics/job/A", "/METRICS/job/other",
	"/metrics/job/ci_x", "/metrics/job/ci_x/env/production", "/metrics/job/ci_x/env@base64/cHJvZHVjdGlvbg", "/metrics/job/ci_x/env/staging/env/production",
	"/metrics/job/ci_x/env/production/env/staging", "/metrics/job/ci_x/env/Production", "/metrics/job/ci_x/U__env/production", "/metrics/job/ci_x/env/production/",
	"/metrics/job/ci_x/env/", "/metrics/job/ci_x/%65nv/production", "/metrics/job/ci_%00/env/production", "/metrics/job/ci_x/env/prod%75ction", "/metrics/job/ci_x;env=production",
	"/metrics/job/a?job=other", "/metrics/job/a%3fother", "/metrics/job/a%0aother", "/metrics/job/a/", "/metrics/job/other?/../a", "/metrics/job/%ff",
	"/api/v1/push?group_by=job", "/api/v1/push?group_by=job,env", "/api/v1//push?group_by=job", "//api/v1/push?group_by=job,env", "/api/v1/push?group_by=env,job&group_by=job",
	"/api/v1/push/?group_by=job", "/api/v1/push?group_by=%6aob", "/api/v1/admin/wipe", "/api/v1/admin/delete_groups?search=o", "/metrics",
	"/v1/metrics", "/v1//metrics", "//v1/metrics", "/api/v1/otlp/v1/metrics", "/v1/metrics?instance=drop",
}

// bodies name groups of their own.
var bodies = []string{
	"m 1\n", "m{job=\"other\"} 1\n", "m{job=\"a\"} 1\nm{job=\"other\"} 1\n", "m{job=\"ci_x\",env=\"production\"} 1\n", "m{job=\"ci_x\",env=\"x\"} 1\n",
	"m{job=\"a\",job=\"other\"} 1\n", "m{\"job\"=\"other\"} 1\n", "{\"m\",job=\"other\"} 1\n", "m{U__job=\"other\"} 1\n", "m{job=\"a\"} 1 1\n", "m{job=\"other\"} 1 1\nm{job=\"a\"} 1\n", "",
	exportOf("a"), exportOf("other"), exportOf("a", "other"), exportOf("ci_x"),
}

// FuzzAccess sends requests of users who may push to and delete some groups, and
// compares what is stored then with what they may touch.
func FuzzAccess(f *testing.F) {
	for _, body := range bodies {
		f.Add("/v1/metrics", body, byte(1), byte(1), true)
	}
	for i, path := range tricks {
		for user := range 3 {
			f.Add(path, bodies[(i+user)%len(bodies)], byte(i%2), byte(user), i%2 == 0)
		}
		f.Add(path, "", byte(2), byte(1+i%2), i%4 < 2) // deletes
	}
	for user := range 3 {
		for _, body := range bodies[len(bodies)-3:] {
			f.Add("/v1/metrics", body, byte(1), byte(user), true)
		}
	}
	f.Fuzz(func(t *testing.T, path, body string, method, user byte, utf8 bool) {
		at, err := url.ParseRequestURI(path)
		if err != nil || !strings.HasPrefix(path, "/") {
			t.Skip("net/http refuses it")
		}
		c := configured(t)
		c.Intake = intake.New(c.Gateway, intake.Config{UTF8Names: utf8})
		may := []config.Permission{config.Push, config.Delete, config.Admin}
		c.Settings = users(nil, config.User{Name: "ops", May: config.Permissions},
			config.User{Name: "a", May: may, Match: selecting(t, `{job="a"}`)},
			config.User{Name: "ci", May: may, Match: selecting(t, `{job=~"ci_.*",env!="production"}`)})
		h := New(c)
		for _, key := range []string{"a", "other", "ci_x", "ci_x/env/production", "a/job@base64/b3RoZXI"} {
			as(h, "ops", http.MethodPut, "/metrics/job/"+key, "kept 1\n")
		}
		before, name := states(c), []string{"", "a", "ci"}[user%3]
		r := &http.Request{
			Method: []string{http.MethodPut, http.MethodPost, http.MethodDelete}[method%3], URL: at, RequestURI: path, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{}, Host: "localhost", RemoteAddr: "127.0.0.1:1", Body: http.NoBody, ContentLength: -1,
		}
		if strings.HasPrefix(body, "{") {
			r.Header.Set("Content-Type", "application/json")
		}
		if body != "" {
			r.Body = httptest.NewRequest(http.MethodPut, "/", strings.NewReader(body)).Body
		}
		if strings.HasPrefix(body, "{\"") {
			r.Header.Set("Content-Type", "application/json")
		}
		if name != "" {
			r.Header.Set("Authorization", "Bearer "+name)
		}
		h.ServeHTTP(httptest.NewRecorder(), r.WithContext(t.Context()))
		after := states(c)
		for key := range maps.Keys(before) {
			if _, still := after[key]; !still {
				after[key] = state{}
			}
		}
		for key, now := range after {
			if now != before[key] && !judges[name](key) {
				t.Errorf("%s %s as %q with %q changed %s", r.Method, path, name, body, key)
			}
		}
	})
}

// state tells whether anything has changed a group.
type state struct{ pushed, failed time.Time }

func states(c Config) map[grouping.Key]state {
	all := make(map[grouping.Key]state)
	for g := range c.Gateway.View().EachGroup("") {
		all[g.Key] = state{g.Pushed, g.Failed}
	}
	return all
}
