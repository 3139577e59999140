package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// lines are those of a scrape that have the job, without the times.
func (s *server) lines(job string) []string {
	s.t.Helper()
	var lines []string
	for line := range strings.Lines(s.scrape().body) {
		if strings.Contains(line, `job="`+job+`"`) && timeLine.FindString(strings.TrimSuffix(line, "\n")) == "" {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	slices.Sort(lines)
	return lines
}

func (s *server) wantLines(job string, want ...string) {
	s.t.Helper()
	got := s.lines(job)
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "{", `{instance="",job="`+job+`",`)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.t.Errorf("exposed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestMergeSeriesByHeader is for clients that cannot set a query.
func TestMergeSeriesByHeader(t *testing.T) {
	s := start(t)
	for _, body := range []string{"m{x=\"1\"} 1\n", "m{x=\"2\"} 2\n"} {
		s.want(http.StatusOK, http.MethodPost, "/metrics/job/a", body, "X-Pushgateway-Merge", "series")
	}
	s.wantLines("a", `m{x="1"} 1`, `m{x="2"} 2`)
}

func TestMergeSeries(t *testing.T) {
	s := start(t)
	post := func(body string, want int) answer {
		t.Helper()
		return s.want(want, http.MethodPost, "/metrics/job/a?merge=series", body)
	}
	post("# HELP m First.\n# TYPE m gauge\nm{x=\"1\"} 1\nm{x=\"2\"} 2\n", http.StatusOK)
	post("# TYPE m gauge\nm{x=\"2\"} 20\nm{x=\"3\"} 30\n# TYPE h histogram\nh_bucket{x=\"1\",le=\"+Inf\"} 1\nh_sum{x=\"1\"} 1\nh_count{x=\"1\"} 1\n", http.StatusOK)
	post("# TYPE h histogram\nh_bucket{x=\"2\",le=\"+Inf\"} 2\nh_sum{x=\"2\"} 2\nh_count{x=\"2\"} 2\n", http.StatusOK)
	m := []string{`m{x="1"} 1`, `m{x="2"} 20`, `m{x="3"} 30`}
	h := []string{`h_bucket{x="1",le="+Inf"} 1`, `h_sum{x="1"} 1`, `h_count{x="1"} 1`, `h_bucket{x="2",le="+Inf"} 2`, `h_sum{x="2"} 2`, `h_count{x="2"} 2`}
	s.wantLines("a", slices.Concat(m, h)...)
	if !strings.Contains(s.scrape().body, "# HELP m First.\n") {
		t.Error("a push without a help text took it away")
	}
	if a := post("# TYPE m counter\nm{x=\"4\"} 1\n", http.StatusBadRequest); !strings.Contains(a.body, "cannot be merged") {
		t.Errorf("got %q", a.body)
	}
	if a := s.push("/metrics/job/a?merge=series", "m 1\n", http.StatusBadRequest); !strings.Contains(a.body, "POST") {
		t.Errorf("got %q", a.body)
	}
	if a := s.want(http.StatusBadRequest, http.MethodPost, "/metrics/job/a?merge=family", "m 1\n"); !strings.Contains(a.body, `merge="family"`) {
		t.Errorf("got %q", a.body)
	}
	s.wantLines("a", slices.Concat(m, h)...)
	s.want(http.StatusOK, http.MethodPost, "/metrics/job/a", "# TYPE m gauge\nm{x=\"9\"} 9\n") // as ever
	s.wantLines("a", append(h, `m{x="9"} 9`)...)
}

// TestMergeSeriesIsBounded does not let a family grow beyond what one push may
// bring.
func TestMergeSeriesIsBounded(t *testing.T) {
	s := start(t, "--push.max-body-bytes=1KiB")
	status := 0
	for i := 0; i < 100 && status != http.StatusRequestEntityTooLarge; i++ {
		status = s.do(http.MethodPost, "/metrics/job/a?merge=series", "m{x=\""+strings.Repeat("x", 100)+string(rune('0'+i))+"\"} 1\n").status
	}
	if status != http.StatusRequestEntityTooLarge {
		t.Errorf("the last of 100 series was answered %d", status)
	}
}

// batch is the answer of /api/v1/push.
type batch struct {
	Status string
	Error  string
	Data   struct {
		Taken, Refused int
		Groups         []struct {
			Labels map[string]string
			Error  string
		}
	}
}

func (s *server) pushMany(want int, method, parameters, body string, header ...string) batch {
	s.t.Helper()
	a := s.want(want, method, "/api/v1/push"+parameters, body, header...)
	var b batch
	if err := json.Unmarshal([]byte(a.body), &b); err != nil || (b.Status == "success") != (want == http.StatusOK) {
		s.t.Errorf("%q: %v", a.body, err)
	}
	return b
}

func TestPushMany(t *testing.T) {
	s := start(t)
	const body = "# TYPE m gauge\nm{job=\"a\",instance=\"1\",x=\"1\"} 1\nm{job=\"a\",instance=\"2\"} 2\nm{job=\"b\"} 3\n# TYPE n counter\nn{job=\"a\",instance=\"1\"} 4\n"
	b := s.pushMany(http.StatusOK, http.MethodPost, "?group_by=job,instance", body, ttlHeader, "1h")
	if b.Data.Taken != 3 || b.Data.Refused != 0 || len(b.Data.Groups) != 3 {
		t.Errorf("got %+v", b)
	}
	groups := s.groups("", http.StatusOK).Data.Groups
	if len(groups) != 3 || groups[0].Labels["instance"] != "1" || groups[0].Series != 2 || groups[2].Labels["job"] != "b" || len(groups[2].Labels) != 1 || groups[2].TTL != 3600 {
		t.Errorf("got %+v", groups)
	}
	s.wantSeries([]string{`m{instance="1",job="a",x="1"} 1`, `m{instance="2",job="a"} 2`, `m{instance="",job="b"} 3`, `n{instance="1",job="a"} 4`}, nil)

	// A group that contradicts what is stored is refused, and the others are taken.
	s.push("/metrics/job/old", "# TYPE k gauge\nk 1\n", http.StatusOK)
	b = s.pushMany(http.StatusBadRequest, http.MethodPost, "?group_by=job", "# TYPE m gauge\nm{job=\"c\"} 1\n# TYPE k counter\nk{job=\"d\"} 1\n")
	if b.Data.Taken != 1 || b.Data.Refused != 1 || b.Data.Groups[0].Error != "" || !strings.Contains(b.Data.Groups[1].Error, `{job="old"}`) || b.Error != "1 of 2 groups were refused" {
		t.Errorf("got %+v", b)
	}
	s.wantSeries([]string{`m{instance="",job="c"} 1`}, []string{`k{instance="",job="d"} 1`})

	// PUT replaces what the named groups have, and no others.
	s.pushMany(http.StatusOK, http.MethodPut, "?group_by=job,instance", "l{job=\"a\",instance=\"1\"} 1\n")
	s.wantSeries([]string{`l{instance="1",job="a"} 1`, `m{instance="2",job="a"} 2`}, []string{`n{instance="1",job="a"} 4`})

	s.pushMany(http.StatusOK, http.MethodPost, "?group_by=job&merge=series", "# TYPE m gauge\nm{job=\"c\",x=\"1\"} 2\n")
	s.wantSeries([]string{`m{instance="",job="c"} 1`, `m{instance="",job="c",x="1"} 2`}, nil)
}

func TestPushManyRefused(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		parameters, body, says string
		header                 []string
	}{
		{"", "m{job=\"a\"} 1\n", "group_by is missing", nil},
		{"?group_by=instance", "m{job=\"a\",instance=\"1\"} 1\n", "must include job", nil},
		{"?group_by=job,__x", "m{job=\"a\"} 1\n", `"__x"`, nil},
		{"?group_by=job&group_by=instance", "m{job=\"a\",instance=\"1\"} 1\n", "several values of group_by", nil},
		{"?group_by=job,,x", "m{job=\"a\"} 1\n", `"job,,x"`, nil},
		{"?group_by=job", "m{job=\"a\"} 1\nm{x=\"1\"} 2\n", `m{x="1"} has no job`, nil},
		{"?group_by=job", "m{job=\"a\"} 1\nm{job=\"\"} 2\n", "has no job", nil},
		{"?group_by=job", "m{job=\"a\"} 1\nx\n", "line 2", nil},
		{"?group_by=job&ttl=x", "m{job=\"a\"} 1\n", `ttl="x"`, nil},
		{"?group_by=job", protoBody(`name:"m" type:GAUGE metric{label{name:"job" value:"a"} gauge{value:1}} metric{gauge{value:1}}`), "has no job", []string{"Content-Type", protobufAccept}},
	} {
		if b := s.pushMany(http.StatusBadRequest, http.MethodPost, c.parameters, c.body, c.header...); !strings.Contains(b.Error, c.says) {
			t.Errorf("%s %q: %q does not say %q", c.parameters, c.body, b.Error, c.says)
		}
	}
	if n := s.groups("", http.StatusOK).Data.Total; n != 0 {
		t.Errorf("%d groups came of refused bodies", n)
	}
}

// TestPushManyBadLabels refuses grouping labels that are no text.
func TestPushManyBadLabels(t *testing.T) {
	s := start(t)
	body := strings.Replace(protoBody(`name:"m" type:GAUGE metric{label{name:"job" value:"aXbXc"} gauge{value:1}}`), "aXbXc", "a\xffb\xffc", 1)
	if b := s.pushMany(http.StatusBadRequest, http.MethodPost, "?group_by=job", body, "Content-Type", protobufAccept); !strings.Contains(b.Error, "it is not text") {
		t.Errorf("got %+v", b)
	}
}

// TestPushManyIsBounded takes no more groups in one body than can be worked on
// together.
func TestPushManyIsBounded(t *testing.T) {
	s := start(t)
	var body strings.Builder
	for i := range 10_001 {
		body.WriteString("m{job=\"" + strings.Repeat("j", 1+i%100) + "\",i=\"" + strings.Repeat("i", 1+i/100) + "\"} 1\n")
	}
	b := s.pushMany(http.StatusRequestEntityTooLarge, http.MethodPost, "?group_by=job,i", body.String())
	if !strings.Contains(b.Error, "10000 groups") {
		t.Errorf("got %q", b.Error)
	}
	last := strings.LastIndexByte(strings.TrimSuffix(body.String(), "\n"), '\n')
	if b := s.pushMany(http.StatusOK, http.MethodPost, "?group_by=job,i", body.String()[:last+1]); b.Data.Taken != 10_000 {
		t.Errorf("%d groups were taken", b.Data.Taken)
	}
}

func TestTimestamps(t *testing.T) {
	s := start(t, "--push.timestamps=strip")
	s.push("/metrics/job/a", "m{x=\"1\"} 1 1234\n# TYPE h histogram\nh_bucket{x=\"1\",le=\"+Inf\"} 1 5\nh_sum{x=\"1\"} 1 5\nh_count{x=\"1\"} 1 5\n", http.StatusOK)
	s.push("/metrics/job/b", protoBody(`name:"m" type:UNTYPED metric{label{name:"x" value:"1"} untyped{value:1} timestamp_ms:5}`), http.StatusOK, "Content-Type", protobufAccept)
	s.wantLines("a", `m{x="1"} 1`, `h_bucket{x="1",le="+Inf"} 1`, `h_sum{x="1"} 1`, `h_count{x="1"} 1`)
	s.wantLines("b", `m{x="1"} 1`)
	start(t).push("/metrics/job/a", "m 1 1234\n", http.StatusBadRequest)
}

func TestLenientNewlines(t *testing.T) {
	const crlf = "line 2: the line ends with CRLF; end lines with LF"
	refusals := map[string]string{
		"# HELP m Help.\r\n# TYPE m gauge\r\nm{x=\"1\"} 1\r\n": crlf,
		"# HELP m Help.\n# TYPE m gauge\nm{x=\"1\"} 1":         "line 3: the last line has no newline at its end; add one",
		"# HELP m Help.\n# TYPE m gauge\r\nm{x=\"1\"} 1\r":     crlf,
	}
	s, strict := start(t, "--push.lenient-newlines"), start(t)
	for body, why := range refusals {
		s.push("/metrics/job/a", body, http.StatusOK)
		s.wantLines("a", `m{x="1"} 1`)
		if !strings.Contains(s.scrape().body, "\n# HELP m Help.\n# TYPE m gauge\n") {
			t.Errorf("%q has another help text", body)
		}
		s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/a", "")
		if got := strings.TrimSpace(strict.push("/metrics/job/a", body, http.StatusBadRequest).body); got != why {
			t.Errorf("%q: got %q, want %q", body, got, why)
		}
	}
	s.push("/metrics/job/a", "", http.StatusOK)
	s.push("/metrics/job/a", "m 1\n\r\nx", http.StatusBadRequest)
}
