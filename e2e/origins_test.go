package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestPagesOfElsewhere refuses what browsers ask for pages of other origins and
// that changes something, however they tell.
func TestPagesOfElsewhere(t *testing.T) {
	s := start(t, "--web.enable-admin-api", "--web.enable-lifecycle", "--web.external-url=https://gateway.example.org/", "--web.route-prefix=/")
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	changes := []struct{ method, path string }{
		{http.MethodPut, "/metrics/job/a"}, {http.MethodPost, "/metrics/job/a"}, {http.MethodDelete, "/metrics/job/a"},
		{http.MethodPost, "/api/v1/push?group_by=job"}, {http.MethodPut, "/api/v1/push?group_by=job"},
		{http.MethodPut, "/api/v1/admin/wipe"}, {http.MethodPost, "/api/v1/admin/delete_groups"}, {http.MethodPost, "/-/quit"},
	}
	for _, header := range [][]string{
		{"Origin", "https://evil.example.org"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"Origin", "http://gateway.example.org"}, {"Origin", "https://gateway.example.org.evil.org"},
	} {
		for _, c := range changes {
			if a := s.do(c.method, c.path, "n{job=\"b\"} 1\n", header...); a.status != http.StatusForbidden || !strings.Contains(a.body, "--web.cors.origin") {
				t.Errorf("%s %s with %q: got %d %q", c.method, c.path, header, a.status, a.body)
			}
		}
	}
	s.wantSeries([]string{`m{instance="",job="a"} 1`, `pushgateway_pushes_refused_total{reason="origin"} 48`}, nil)
	for _, header := range [][]string{{}, {"Origin", "http://" + s.addr}, {"Sec-Fetch-Site", "same-origin", "Origin", "x"}, {"Origin", "https://gateway.example.org"}, {"Sec-Fetch-Site", "none"}} {
		s.push("/metrics/job/a", "m 1\n", http.StatusOK, header...)
	}
}

// TestWhoMayRead lets pages of elsewhere read what 1.11 lets them, and no more.
func TestWhoMayRead(t *testing.T) {
	s := start(t)
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	for path, want := range map[string]string{
		"/api/v1/status": "*", "/api/v1/metrics": "*", "/api/v1/groups": "", "/api/v1/overview": "", "/api/v1/jobs": "", "/api/v1/labels": "",
		"/api/v1/label/job/values": "", "/api/v1/group/job/a": "", "/metrics": "", "/": "",
	} {
		if a := s.get(path, "Origin", "https://evil.example.org"); a.header.Get("Access-Control-Allow-Origin") != want {
			t.Errorf("%s: got %q, want %q", path, a.header.Get("Access-Control-Allow-Origin"), want)
		}
	}
	a := s.want(http.StatusOK, http.MethodOptions, "/api/v1/status", "")
	if a.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "GET") {
		t.Errorf("OPTIONS: got %v", a.header)
	}
}

// TestCORSOrigin lets pages of the origins that the flag matches, whole, push
// and read.
func TestCORSOrigin(t *testing.T) {
	s := start(t, `--web.cors.origin=https?://(a|b)\.example\.org`)
	for origin, allowed := range map[string]bool{
		"https://a.example.org": true, "http://b.example.org": true, "https://c.example.org": false,
		"https://a.example.org.evil.org": false, "https://evil.org/https://a.example.org": false, "https://a.example.org\nx": false,
	} {
		if strings.Contains(origin, "\n") {
			continue // no header can have one
		}
		status, header := http.StatusForbidden, ""
		if allowed {
			status, header = http.StatusOK, origin
		}
		a := s.push("/metrics/job/a", "m 1\n", status, "Origin", origin, "Sec-Fetch-Site", "cross-site")
		if got := a.header.Get("Access-Control-Allow-Origin"); got != header {
			t.Errorf("a push of %s: got %q", origin, got)
		}
		a = s.want(http.StatusOK, http.MethodOptions, "/metrics/job/a", "", "Origin", origin, "Access-Control-Request-Method", "PUT")
		if got := a.header.Get("Access-Control-Allow-Origin"); got != header || allowed && !strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "PUT") {
			t.Errorf("what a browser asks before %s pushes: got %v", origin, a.header)
		}
		if got := s.get("/api/v1/overview", "Origin", origin).header.Get("Access-Control-Allow-Origin"); got != header {
			t.Errorf("the overview for %s: got %q", origin, got)
		}
	}
}

// TestAllowedHosts refuses browsers that know the gateway by another name.
func TestAllowedHosts(t *testing.T) {
	s := start(t, "--web.allowed-hosts=gateway.example.org, 127.0.0.1,[::1]")
	browser := []string{"User-Agent", "Mozilla/5.0"}
	for host, want := range map[string]int{
		s.addr: http.StatusOK, "gateway.example.org": http.StatusOK, "GATEWAY.example.org:9091": http.StatusOK, "[::1]:9091": http.StatusOK, "[::1]": http.StatusOK,
		"evil.example.org": http.StatusForbidden, "evil.example.org:9091": http.StatusForbidden, "gateway.example.org.evil.org": http.StatusForbidden,
	} {
		for _, path := range []string{"/", "/metrics", "/api/v1/status", "/api/v1/overview"} {
			a := s.raw(recordedRequest{Method: http.MethodGet, Path: "http://" + host + path, Headers: map[string]string{browser[0]: browser[1]}})
			if a.status != want {
				t.Errorf("%s at %s: got %d %q, want %d", path, host, a.status, clip(a.body), want)
			}
		}
	}
	a := s.raw(recordedRequest{Method: http.MethodGet, Path: "http://evil.example.org/metrics"})
	if a.status != http.StatusOK {
		t.Errorf("what is not a browser: got %d", a.status)
	}
}
