package attack

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
)

// longest is how long a line of the log or an error may be, in bytes.
const longest = 8_000

// junk is a text that would fill a log, and make a terminal or a page show
// something else than what is there.
func junk(size int) string {
	const piece = "junk \x01\x1b[31m\u202e\u200b\u0085ä\"\\"
	return strings.Repeat(piece, size/len(piece)+1)[:size/len(piece)*len(piece)]
}

// quoted is a text as a label value or a quoted name.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

type request struct {
	method, path, body string
	header             []string
}

// bombs are requests with junk in each place that a client controls.
func bombs() map[string][]request {
	put := func(path, body string, header ...string) request {
		return request{http.MethodPut, path, body, header}
	}
	get := func(path string) request { return request{http.MethodGet, path, "", nil} }
	text, name, value := junk(1<<20), quoted(junk(60_000)), quoted(junk(1_000_000))
	inURL := url.PathEscape(junk(60_000))
	all := map[string][]request{
		"a name":                   {put("/metrics/job/a", "{"+name+"} x\n"), put("/metrics/job/a", name+" 1\n")},
		"a conflict on a name":     {put("/metrics/job/b", "# TYPE "+name+" gauge\n{"+name+"} 1\n"), put("/metrics/job/c", "# TYPE "+name+" counter\n{"+name+"} 1\n")},
		"two helps":                {put("/metrics/job/d", "# HELP h "+text+"\nh 1\n"), put("/metrics/job/e", "# HELP h other"+text+"\nh 1\n")},
		"a type":                   {put("/metrics/job/a", "# TYPE m "+text+"\n")},
		"a value":                  {put("/metrics/job/a", "m "+text+"\n")},
		"a label name":             {put("/metrics/job/a", "m{"+name+"} 1\n"), put("/metrics/job/a", "m{__"+text+"=\"\"} 1\n")},
		"a label twice":            {put("/metrics/job/a", "m{"+name+"=\"1\","+name+"=\"2\"} 1\n")},
		"a label value":            {put("/metrics/job/a", "m{a="+value+"} x\n"), put("/metrics/job/a", "m{a=\""+text)},
		"a series twice":           {put("/metrics/job/a", "m{a="+value+"} 1\nm{a="+value+"} 1\n")},
		"timestamps":               {put("/metrics/job/a", "{"+name+"} 1 2\n")},
		"a series of two":          {put("/metrics/job/f", "q{x=\"1\",y="+value+"} 1\n"), put("/metrics/job/f/x/1", "q{y="+value+"} 1\n")},
		"lines of another":         {put("/metrics/job/g", "# TYPE "+name+" summary\n{"+name+"} 1\n"), put("/metrics/job/i", "{"+quoted(junk(60_000)+"_count")+"} 1\n")},
		"merging another type":     {put("/metrics/job/b", "{"+name+"} 1\n"), {http.MethodPost, "/metrics/job/b?merge=series", "# TYPE " + name + " counter\n{" + name + "} 1\n", nil}},
		"no job in many":           {put("/api/v1/push?group_by=job", "m{a="+value+"} 1\n")},
		"a job in many":            {put("/api/v1/push?group_by=job", "m{job="+value+"} 1\n"), put("/api/v1/push?group_by=job", "m{job="+quoted(junk(30_000))+"} 1 2\n")},
		"protobuf":                 {put("/metrics/job/a", text, "Content-Type", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited")},
		"gzip":                     {put("/metrics/job/a", text, "Content-Encoding", "gzip")},
		"a job":                    {put("/metrics/job/"+inURL, "m 1 1\n"), get("/api/v1/group/job/" + inURL), {http.MethodDelete, "/metrics/job/" + inURL, "", nil}},
		"a job in base64":          {put("/metrics/job@base64/"+inURL, ""), put("/metrics/job@base64/"+base64.RawURLEncoding.EncodeToString([]byte(junk(30_000))), "m 1 1\n")},
		"a grouping label":         {put("/metrics/job/a/"+inURL+"/b", ""), put("/metrics/job/a/b@base64/"+inURL, ""), put("/metrics/job/a/b/c/"+inURL, "")},
		"a path that is cleaned":   {put("/metrics/job/a//"+inURL, "")},
		"a path that is not there": {get("/" + inURL), get("/api/v1/" + inURL)},
	}
	for _, parameter := range []string{"ttl", "merge", "a=%zz;ttl"} {
		all["?"+parameter] = []request{put("/metrics/job/a?"+parameter+"="+inURL, "m 1\n")}
	}
	all["?merge twice"] = []request{put("/metrics/job/a?merge="+inURL+"&merge=b", "m 1\n")}
	all["?group_by"] = []request{put("/api/v1/push?group_by="+inURL, ""), put("/api/v1/push?group_by=a&group_by="+inURL, "")}
	for _, parameter := range []string{"match[]", "status", "older_than", "search", "sort", "limit", "offset", "page_token", "contains", "format", inURL} {
		all["?"+parameter[:min(len(parameter), 10)]] = []request{
			get("/api/v1/groups?" + parameter + "=" + inURL), get("/api/v1/labels?" + parameter + "=" + inURL), get("/api/v1/group/job/kept?" + parameter + "=" + inURL),
			{http.MethodPost, "/api/v1/admin/delete_groups?" + parameter + "=" + inURL, "", nil},
		}
	}
	all["?match[] with a regexp"] = []request{get("/api/v1/groups?match[]=" + url.QueryEscape(`{`+quoted(junk(3_000))+`=~"("}`))}
	inHeader := strings.Map(func(r rune) rune {
		if r < ' ' {
			return -1
		}
		return r
	}, junk(60_000))
	for _, header := range []string{"User-Agent", "Content-Type", "Content-Encoding", "X-Pushgateway-TTL", "Origin", "Accept", "Accept-Encoding", "X-Forwarded-For", "X-Prometheus-Scrape-Timeout-Seconds"} {
		all[header] = []request{
			put("/metrics/job/a", "m 1 1\n", header, inHeader), put("/metrics/job/a", "junk", header, inHeader),
			{http.MethodGet, "/metrics", "", []string{header, inHeader}}, {http.MethodPost, "/api/v1/admin/delete_groups", "", []string{header, inHeader, "Sec-Fetch-Site", "cross-site"}},
		}
	}
	return all
}

// isPlain tells whether a text does nothing to who reads it.
func isPlain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r)) })
}

// errorsOf gives what an answer says of what went wrong: all of it, or of JSON
// the errors in it. Labels that tell which group an error is about are whole.
func errorsOf(text string) []string {
	var answer struct {
		Error string
		Data  struct{ Groups []struct{ Error string } }
	}
	if json.Unmarshal([]byte(text), &answer) != nil {
		return []string{text}
	}
	all := []string{answer.Error}
	for _, g := range answer.Data.Groups {
		all = append(all, g.Error)
	}
	return all
}

// TestWordsOfClientsStayShort looks at what comes of junk: in errors, in the
// log, and in what is remembered.
func TestWordsOfClientsStayShort(t *testing.T) {
	g := besiege(t, "--log.level=debug", "--web.enable-admin-api", "--web.enable-lifecycle")
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/kept", "kept 1\n")
	for name, requests := range bombs() {
		for _, r := range requests {
			status, text := g.do(r.method, r.path, r.body, r.header...)
			for _, told := range errorsOf(text) {
				if status >= http.StatusMultipleChoices && (len(told) > longest || !isPlain(told)) {
					t.Errorf("%s: %s %s: %d with %d bytes: %q", name, r.method, clip(r.path), status, len(told), clip(told))
				}
			}
		}
	}
	g.want(http.StatusOK, http.MethodGet, "/api/v1/group/job/kept", "")
	g.checkRemembered(t)
	for line := range strings.Lines(g.proc.Log.String()) {
		if len(line) > longest || !isPlain(line) {
			t.Errorf("a line of %d bytes in the log: %q", len(line), clip(line))
		}
	}
}

// checkRemembered looks at what is told of pushes that were refused.
func (g *gateway) checkRemembered(t *testing.T) {
	t.Helper()
	var overview struct {
		Data struct {
			Refusals []map[string]any
			Scrapers []map[string]any
		}
	}
	var groups struct {
		Data struct {
			Groups []struct {
				Failure string `json:"push_failure_message"`
			}
		}
	}
	for path, into := range map[string]any{"/api/v1/overview": &overview, "/api/v1/groups?limit=10000": &groups} {
		if err := json.Unmarshal([]byte(g.want(http.StatusOK, http.MethodGet, path, "")), into); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	for _, entry := range append(overview.Data.Refusals, overview.Data.Scrapers...) {
		for name, value := range entry {
			if s, _ := value.(string); len(s) > longest || !isPlain(s) || name != "error" && len(s) > 300 {
				t.Errorf("%s of what is remembered has %d bytes: %q", name, len(s), clip(s))
			}
		}
	}
	failures := 0
	for _, group := range groups.Data.Groups {
		if f := group.Failure; f != "" {
			failures++
			if len(f) > longest || !isPlain(f) {
				t.Errorf("why a push was refused, in %d bytes: %q", len(f), clip(f))
			}
		}
	}
	if len(overview.Data.Refusals) == 0 || failures == 0 {
		t.Errorf("%d refusals and %d failures are remembered", len(overview.Data.Refusals), failures)
	}
}
