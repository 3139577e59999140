package e2e

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

const namesFlag = "--push.enable-utf8-names"

// TestNamesNeedTheFlag pushes text with names that need quotes, by every way in.
func TestNamesNeedTheFlag(t *testing.T) {
	with, without := start(t, namesFlag), start(t)
	for _, c := range []struct{ body, name, line string }{
		{"{\"m.x\",job=\"a\"} 1\n", "m.x", "line 1: "},
		{"n{job=\"a\"} 1\n{\"m-x\",job=\"a\"} 1\n", "m-x", "line 2: "},
		{"\"m x\"{job=\"a\"} 1\n", "m x", "line 1: "},
		{"m{\"a.b\"=\"1\",job=\"a\"} 1\n", "a.b", "line 1: "},
		{"{m,job=\"a\",\"a:b\"=\"1\"} 1\n", "a:b", "line 1: "},
		{"{job=\"a\",\"1\"=\"x\",\"m\"} 1\n", "1", "line 1: "},
		{"m{job=\"a\"} 1\n# HELP \"m.h\" Help.\n", "m.h", "line 2: "},
		{"m{job=\"a\"} 1\n# TYPE \"é\" gauge\n", "é", "line 2: "},
		{"# TYPE \"h.h\" histogram\n{\"h.h_count\",job=\"a\"} 1\n", "h.h", "line 1: "},
		{"# TYPE h histogram\nh_bucket{\"le\"=\"1\",\"l.e\"=\"1\",job=\"a\"} 1\n", "l.e", "line 2: "},
	} {
		for _, way := range []struct{ method, path string }{
			{http.MethodPut, "/metrics/job/a"}, {http.MethodPost, "/metrics/job/a"}, {http.MethodPost, "/metrics/job/a?merge=series"},
			{http.MethodPut, "/api/v1/push?group_by=job"}, {http.MethodPost, "/api/v1/push?group_by=job"}, {http.MethodPost, "/api/v1/push?group_by=job&merge=series"},
		} {
			a := without.do(way.method, way.path, c.body)
			if a.status != http.StatusBadRequest || !strings.Contains(unquoted(a.body), c.line) || !strings.Contains(unquoted(a.body), `name "`+c.name+`"`) || !strings.Contains(a.body, namesFlag) {
				t.Errorf("%s %s %q: got %d %q", way.method, way.path, c.body, a.status, a.body)
			}
			with.want(http.StatusOK, way.method, way.path, c.body)
		}
	}
	if groups := without.groups("", http.StatusOK).Data; groups.Total != 0 {
		t.Errorf("refused pushes have left %+v", groups)
	}
	// Names that need no quotes may have them, and protobuf takes any.
	without.push("/metrics/job/b", "{\"m\",\"a\"=\"1\"} 1\n# TYPE \"n:n\" gauge\nn:n 1\n", http.StatusOK)
	without.push("/metrics/job/c", protoBody(`name:"m.x" type:GAUGE metric{label{name:"a.b" value:"1"} gauge{value:1}}`), http.StatusOK, "Content-Type", protobufDelimited)
}

// unquoted undoes what JSON does to quotes.
func unquoted(s string) string { return strings.ReplaceAll(s, `\"`, `"`) }

// TestNamesInValues pushes again, as a job does, with a name where a value was.
func TestNamesInValues(t *testing.T) {
	s := start(t)
	const first = "# TYPE s summary\ns_sum 1\ns_count 1\ns{quantile=\"0.5\"} 1\n"
	for range 3 {
		s.push("/metrics/job/a", first, http.StatusOK)
	}
	a := s.push("/metrics/job/a", strings.Replace(first, "s_sum 1", "s_sum {\"a.b\"=\"1\"} 1", 1), http.StatusBadRequest)
	if !strings.Contains(a.body, namesFlag) {
		t.Errorf("got %q", a.body)
	}
}

// TestNamesStayReadable starts without the flag on what was pushed with it.
func TestNamesStayReadable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "journal")
	s := start(t, namesFlag, "--persistence.file="+file)
	const body = "# HELP \"m.x\" H.\n# TYPE \"m.x\" gauge\n{\"m.x\",\"a.b\"=\"1\"} 1\n# TYPE \"h.h\" histogram\n{\"h.h_bucket\",le=\"+Inf\"} 1\n{\"h.h_sum\"} 1\n{\"h.h_count\"} 1\n"
	s.push("/metrics/job/a", body, http.StatusOK)
	s.push("/metrics/job/b/x.y/1", "m 1\n", http.StatusOK)

	before := normalScrape(s.scrape("Accept", textAsPushed).body)
	s.proc.Stop()

	wantWhole(t, file)
	old := filepath.Join(dir, "old")
	code, exported, errs := command(t, "export", "--format=gob", file)
	if writeFile(t, old, exported); code != 0 {
		t.Fatal(errs)
	}
	if code, _, errs := command(t, "import", old); code != 0 {
		t.Fatal(errs)
	}
	for _, file := range []string{file, old + ".db"} {
		s = start(t, "--persistence.file="+file)
		if after := normalScrape(s.scrape("Accept", textAsPushed).body); strings.Join(after, "\n") != strings.Join(before, "\n") {
			t.Errorf("got %q, want %q", after, before)
		}
		s.push("/metrics/job/a", body, http.StatusBadRequest)
		s.want(http.StatusOK, http.MethodPost, "/metrics/job/a?merge=series", "n 1\n")
		s.wantSeries([]string{`m_x{a_b="1",instance="",job="a"} 1`, `n{instance="",job="a"} 1`}, nil)
	}
}
