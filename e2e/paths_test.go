package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// path sends a request with a path as it stands, and without a body.
func (s *server) path(method, path string) answer {
	s.t.Helper()
	return s.raw(recordedRequest{Method: method, Path: path})
}

// TestReadsAreRedirected sends those who read to the path they meant, without a
// host: behind a proxy the gateway does not know its own.
func TestReadsAreRedirected(t *testing.T) {
	s := start(t)
	for path, to := range map[string]string{
		"/metrics/":                           "301 /metrics",
		"/Metrics":                            "301 /metrics",
		"/metrics/?x=%2F":                     "301 /metrics?x=%2F",
		"//metrics":                           "307 /metrics",
		"/../..":                              "307 /",
		"/api/v1":                             "307 /api/v1/",
		"/api/v1/../v1/groups?match[]=%7B%7D": "307 /api/v1/groups?match[]=%7B%7D",
		"//example.org/..%2f/x":               "307 /example.org/..%2f/x",
		"http://example.org/metrics/":         "301 /metrics",
		"http://example.org":                  "307 /",
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			a := s.path(method, path)
			if got := fmt.Sprintf("%d %s", a.status, a.header.Get("Location")); got != to {
				t.Errorf("%s %s: got %s, want %s", method, path, got, to)
			}
		}
	}
}

// TestKeysInPaths pushes, reads and deletes groups whose paths are written as
// clients do, and as proxies might.
func TestKeysInPaths(t *testing.T) {
	s := start(t)
	for path, labels := range map[string]string{
		"/metrics/job/a":                          `{"job":"a"}`,
		"//metrics/job/a":                         `{"job":"a"}`,
		"/metrics//job/a":                         `{"job":"a"}`,
		"///metrics//job/a/x/b":                   `{"job":"a","x":"b"}`,
		"/metrics/job/a/":                         `{"job":"a"}`,
		"/metrics/job/a/x/":                       `{"job":"a","x":""}`,
		"/metrics/job/a/path/%2Fvar%2Ftmp":        `{"job":"a","path":"/var/tmp"}`,
		"/metrics/job/a%2Fb/x/c%2fd":              `{"job":"a/b","x":"c/d"}`,
		"/metrics/job/a/é%2Fb/..%2f":              "",
		"/metrics/job/a/x/é%2Fb":                  `{"job":"a","x":"é/b"}`,
		"/metrics/job/a/x/..%2Fb":                 `{"job":"a","x":"../b"}`,
		"/metrics/job%40base64/YS9i":              `{"job":"a/b"}`,
		"//metrics//job@base64/Li4/x@base64/=":    `{"job":"..","x":""}`,
		"/metrics/job/(a)!'*/x/b;c=d,e+f":         `{"job":"(a)!'*","x":"b;c=d,e+f"}`,
		"/metrics/job/a?ttl=1h&x=../y":            `{"job":"a"}`,
		"/metrics/job/a/x/.y":                     `{"job":"a","x":".y"}`,
		"http://example.org/metrics/job/a/x/%2F":  `{"job":"a","x":"/"}`,
		"http://example.org//metrics//job/a/x/ab": `{"job":"a","x":"ab"}`,
	} {
		want := http.StatusOK
		if labels == "" {
			want = http.StatusBadRequest
		}
		if a := s.raw(recordedRequest{Method: http.MethodPut, Path: path, Body: []byte("m 1\n")}); a.status != want {
			t.Errorf("PUT %s: got %d %q, want %d", path, a.status, a.body, want)
			continue
		}
		if labels == "" {
			continue
		}
		if got := s.labels(); !slices.Equal(got, []string{labels}) {
			t.Errorf("PUT %s: got %s, want %s", path, got, labels)
		}
		if a := s.path(http.MethodGet, strings.Replace(path, "metrics", "api/v1/group", 1)); a.status != http.StatusOK || !strings.Contains(a.body, `"labels":`+labels) {
			t.Errorf("GET of the group at %s: got %d %q", path, a.status, clip(a.body))
		}
		if a := s.path(http.MethodDelete, path); a.status != http.StatusAccepted || a.body != "" {
			t.Errorf("DELETE %s: got %d %q", path, a.status, a.body)
		}
		if got := s.labels(); len(got) != 0 {
			t.Errorf("DELETE %s leaves %s", path, got)
		}
	}
}

// labels are the grouping labels of all groups, each as JSON.
func (s *server) labels() []string {
	s.t.Helper()
	all := []string{}
	for _, g := range s.groups("", http.StatusOK).Data.Groups {
		b := must(json.Marshal(g.Labels))
		all = append(all, string(b))
	}
	return all
}

// lostPath is a request that is in no route, or whose key cannot be read.
type lostPath struct {
	method, path string
	status       int
	says         string
}

func lostPaths() []lostPath {
	const push = "push to /metrics/job/<JOB>{/<LABEL>/<VALUE>}"
	return []lostPath{
		{"PUT", "/metrics/job/a/dir/..", 400, `"..", which proxies and clients remove from paths; write it as dir@base64/Li4`},
		{"DELETE", "/metrics/job/a/dir/%2e%2E", 400, "dir@base64/Li4"},
		{"POST", "/metrics/job/a/dir/.", 400, "dir@base64/Lg"},
		{"PUT", "/metrics/job/../job/b", 400, "job@base64/Li4"},
		{"PUT", "/../metrics/job/b", 400, `has the part ".."`},
		{"PUT", "/%2e/metrics/job/b", 400, `has the part "%2e"`},
		{"PUT", "/metrics/job/", 400, "maybe a variable of the client is not set"},
		{"PUT", "/metrics/job//instance/x", 400, "the job name is empty"},
		{"DELETE", "/metrics/job/a//b", 400, `an empty part after "job/a"; write an empty value as <NAME>@base64/=`},
		{"PUT", "/metrics/job/a/x//", 400, "an empty part after"},
		{"PUT", "/metrics/job/a/x//y/z", 400, "an empty part after"},
		{"PUT", "/metrics/job/a/x/y/", 400, "leave out that slash"},
		{"GET", "/api/v1/group/job/a/..", 400, "write the path without it"},
		{"GET", "/api/v1/group/job/a//b", 400, "an empty part after"},
		{"POST", "/metrics", 405, push},
		{"PUT", "/metrics/", 404, push},
		{"DELETE", "/metrics", 405, "delete a group at /metrics/job/<JOB>{/<LABEL>/<VALUE>}"},
		{"DELETE", "/", 405, "delete a group at /metrics/job/<JOB>"},
		{"DELETE", "/api/v1/group/job/x/instance/y", 405, "delete the group at /metrics/job/x/instance/y"},
		{"PUT", "/api/v1/group/job/x", 405, "push to /metrics/job/x, with PUT"},
		{"DELETE", "/api/v1/groups", 405, "see docs/http-api.md"},
		{"PUT", "/metrics/jobs/x", 404, "push to /metrics/job/x, with PUT"},
		{"PUT", "/metrics/Job/x", 404, "push to /metrics/job/x, with PUT"},
		{"DELETE", "/metrics/jobs/x", 404, "delete the group at /metrics/job/x"},
		{"POST", "/job/x", 404, "push to /metrics/job/x, with PUT"},
		{"POST", "/metrics/instance/x/job/y", 404, "push to /metrics/job/y/instance/x, with PUT"},
		{"POST", "/pushgateway/metrics/job/x/instance/y", 404, "push to /metrics/job/x/instance/y, with PUT"},
		{"POST", "/metrics/metrics/job/x", 404, "push to /metrics/job/x, with PUT"},
		{"POST", "/a/b/Metrics/Job/x", 404, "push to /metrics/job/x, with PUT"},
		{"DELETE", "/pushgateway/metrics/job/x", 404, "delete the group at /metrics/job/x"},
		{"POST", "/api/v1/import/prometheus/metrics/job/x", 404, "push to /metrics/job/x, with PUT"},
		{"PUT", "/api/v1/push/", 404, "/api/v1/push?group_by=job with PUT or POST, or one to /metrics/job/<JOB>"},
		{"GET", "/api/v1/push", 405, "/api/v1/push?group_by=job with PUT or POST"},
		{"POST", "/metrics/x", 404, push},
		{"POST", "/", 405, push},
		{"POST", "/api/v1/write", 404, "a path of remote write, which this gateway does not accept"},
		{"POST", "/write?db=x", 404, "a path of InfluxDB"},
		{"POST", "/api/v1/import/prometheus", 404, "a path of VictoriaMetrics"},
		{"PATCH", "/metrics/job/a", 405, "only PUT, POST, DELETE"},
		{"BREW", "/metrics/job/a", 405, "push to /metrics/job/a, with PUT"},
		{"GET", "/metrics/job/a/x/b", 405, "read the group at /api/v1/group/job/a/x/b, or all groups at /metrics"},
		{"GET", "/metric", 404, "scrapes are at /metrics"},
		{"GET", "/api/v1/%61dmin/snapshot", 404, ""},
		{"PUT", "/api/v1/%61dmin/wipe", 404, ""},
		{"PUT", "/api/v1/admin%2Fwipe", 404, ""},
		{"PUT", "/api//v1/admin/wipe", 400, "has an empty part"},
		{"PUT", "/x/../api/v1/admin/wipe", 400, ""},
		{"PUT", "/%6detrics/job/a", 404, push},
		{"PUT", "/metrics/%6aob/a", 404, push},
		{"POST", "/-/%71uit", 404, ""},
		{"POST", "//-/quit", 400, ""},
		{"PUT", "/" + strings.Repeat("x", 5000), 404, push},
	}
}

// TestLostPaths answers what is in no route with the path that was meant, and
// changes nothing. Pushes among them are counted and listed.
func TestLostPaths(t *testing.T) {
	s := start(t, "--web.enable-admin-api", "--web.enable-lifecycle")
	s.push("/metrics/job/b", "m 1\n", http.StatusOK)
	refused := 0
	for _, l := range lostPaths() {
		a := s.raw(recordedRequest{Method: l.method, Path: l.path, Body: []byte("n 1\n")})
		if a.status != l.status || !strings.Contains(a.body, l.says) || a.header.Get("Location") != "" || !strings.HasSuffix(a.body, "\n") || len(a.body) > 1000 {
			t.Errorf("%s %s: got %d %q, want %d with %q", l.method, clip(l.path), a.status, a.body, l.status, l.says)
		}
		if l.method != http.MethodGet {
			refused++
		}
	}
	if got := s.labels(); !slices.Equal(got, []string{`{"job":"b"}`}) {
		t.Errorf("groups: %s", got)
	}
	s.wantSeries([]string{`m{instance="",job="b"} 1`}, nil)
	if got := sumOf(t, s.scrape().body, `pushgateway_pushes_refused_total{reason="(?:path|grouping_key)"}`); got != refused {
		t.Errorf("%d refusals are counted, want %d", got, refused)
	}
	if list := s.get("/api/v1/overview").body; !strings.Contains(list, `"path":"/api/v1/admin%2Fwipe","reason":"path"`) {
		t.Errorf("the list of refusals does not have it: %s", clip(list))
	}
	if !strings.Contains(s.log.String(), "reason=path") {
		t.Errorf("the log does not tell: %s", s.log)
	}
}

// sumOf adds the values of the series that a pattern matches.
func sumOf(t testing.TB, scrape, pattern string) (sum int) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^`+pattern+` (\d+)$`).FindAllStringSubmatch(scrape, -1) {
		sum += must(strconv.Atoi(m[1]))
	}
	return sum
}

// TestLostPathsBelowPrefix tells of the prefix.
func TestLostPathsBelowPrefix(t *testing.T) {
	s := startAt(t, "/gw", "--web.route-prefix=/gw")
	for _, l := range []lostPath{
		{"PUT", "/metrics/job/a", 404, "push to /gw/metrics/job/a"},
		{"GET", "/metrics", 404, "below /gw (--web.route-prefix)"},
		{"PUT", "/gw/metrics/jobs/a", 404, "push to /gw/metrics/job/a, "},
		{"PUT", "/GW/metrics/job/a", 404, "push to /gw/metrics/job/a, "},
		{"PUT", "/gw/gw/metrics/job/a", 404, "push to /gw/metrics/job/a, "},
		{"GET", "/gwx", 404, "below /gw"},
	} {
		if a := s.path(l.method, l.path); a.status != l.status || !strings.Contains(a.body, l.says) {
			t.Errorf("%s %s: got %d %q, want %d with %q", l.method, l.path, a.status, a.body, l.status, l.says)
		}
	}
	if a := s.raw(recordedRequest{Method: http.MethodPut, Path: "/gw//metrics/job/a", Body: []byte("m 1\n")}); a.status != http.StatusOK {
		t.Errorf("a doubled slash behind the prefix: got %d %q", a.status, a.body)
	}
	if a := s.path(http.MethodGet, "/gw/metrics/"); a.header.Get("Location") != "/gw/metrics" {
		t.Errorf("got %d to %q", a.status, a.header.Get("Location"))
	}
}

// TestDeleteOfNothing answers 202, and names what comes close.
func TestDeleteOfNothing(t *testing.T) {
	s := start(t)
	s.push("/metrics/job/a/instance/i", "m 1\n", http.StatusOK)
	s.push("/metrics/job/b", "m 1\n", http.StatusOK)
	for path, says := range map[string]string{
		"/metrics/job/a":            `there is no group {job="a"}; the closest are {instance="i",job="a"}`,
		"/metrics/job/A/instance/i": `the closest are {instance="i",job="a"}`,
		"/metrics/job/c":            "nor any other group of its job; GET /api/v1/groups, or pushgateway groups, lists all groups",
	} {
		a := s.want(http.StatusAccepted, http.MethodDelete, path, "")
		if !strings.HasPrefix(a.body, "Nothing was deleted: ") || !strings.Contains(a.body, says) {
			t.Errorf("DELETE %s: got %q, want %q", path, a.body, says)
		}
	}
	for range 20 { // a client that goes on and on costs nothing
		s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/c", "")
	}
	s.wantSeries([]string{`m{instance="i",job="a"} 1`, `m{instance="",job="b"} 1`}, nil)
	if a := s.want(http.StatusNotFound, http.MethodGet, "/api/v1/group/job/nope", ""); !strings.Contains(a.body, "there is no group") {
		t.Errorf("got %q", a.body)
	}
}

// TestHead answers HEAD wherever there is a GET: as that, without the body.
func TestHead(t *testing.T) {
	s := start(t, "--web.enable-pprof", "--web.enable-admin-api")
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	for _, path := range []string{
		"/", "/status", "/metrics", "/-/healthy", "/-/ready", "/api/v1/status", "/api/v1/metrics", "/api/v1/groups", "/api/v1/jobs", "/api/v1/overview", "/api/v1/labels",
		"/api/v1/label/job/values", "/api/v1/group/job/a", "/api/v1/group/job/none", "/api/v1/groups?limit=x", "/debug/pprof/cmdline", "/nope", "/metrics/job/a",
	} {
		get, head := s.path(http.MethodGet, path), s.path(http.MethodHead, path)
		if head.status != get.status || head.body != "" || head.header.Get("Content-Type") != get.header.Get("Content-Type") {
			t.Errorf("%s: HEAD answers %d %q %q, GET %d %q", path, head.status, head.header.Get("Content-Type"), head.body, get.status, get.header.Get("Content-Type"))
		}
	}
	if list := s.get("/api/v1/overview").body; !strings.Contains(list, `"scrapers":[{`) || strings.Count(list, `"format"`) != 1 {
		t.Errorf("HEAD counts as a scrape: %s", clip(list))
	}
}

// TestJSONEndsWithNewline is for people at terminals.
func TestJSONEndsWithNewline(t *testing.T) {
	s := start(t, "--web.enable-admin-api")
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	for _, path := range []string{"/api/v1/status", "/api/v1/metrics", "/api/v1/groups", "/api/v1/groups?limit=x", "/api/v1/jobs", "/api/v1/overview", "/api/v1/labels", "/api/v1/label/job/values", "/api/v1/group/job/a", "/api/v1/group/job/b"} {
		if a := s.do(http.MethodGet, path, ""); !strings.HasSuffix(a.body, "}\n") {
			t.Errorf("%s ends with %q", path, a.body[max(0, len(a.body)-20):])
		}
	}
	if a := s.do(http.MethodPost, "/api/v1/push?group_by=job", "m{job=\"a\"} 1\n"); !strings.HasSuffix(a.body, "}\n") {
		t.Errorf("/api/v1/push answers %q", a.body)
	}
	form := url.Values{"match[]": {`{job="a"}`}}.Encode()
	if a := s.do(http.MethodPost, "/api/v1/admin/delete_groups", form, "Content-Type", "application/x-www-form-urlencoded"); !strings.HasSuffix(a.body, "}\n") {
		t.Errorf("delete_groups answers %q", a.body)
	}
}
