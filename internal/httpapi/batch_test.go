package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestLongListsAsJSON wants lists of long labels to be answered without ever
// being in memory as JSON.
func TestLongListsAsJSON(t *testing.T) {
	const groups = 100
	w := newTwin(t, refillMode{}, time.Now)
	var text strings.Builder
	for i := range groups {
		fmt.Fprintf(&text, "m{job=\"%d%s\"} 1\n", i, strings.Repeat("\x01", 2000))
	}
	var pushed, page, deleted struct {
		Data struct{ Groups []any }
	}
	var values struct{ Data []string }
	for _, c := range []struct {
		method, path string
		into         any
	}{
		{http.MethodPost, "/api/v1/push?group_by=job", &pushed},
		{http.MethodGet, "/api/v1/groups", &page},
		{http.MethodGet, "/api/v1/label/job/values", &values},
		{http.MethodPost, "/api/v1/admin/delete_groups?dry_run=true&search=job", &deleted},
	} {
		answer := &pieces{ResponseRecorder: httptest.NewRecorder()}
		w.handler.ServeHTTP(answer, httptest.NewRequest(c.method, c.path, strings.NewReader(text.String())))
		if answer.largest > 128<<10 {
			t.Errorf("%s: %d of %d bytes were written at once", c.path, answer.largest, answer.Body.Len())
		}
		if err := json.Unmarshal(answer.Body.Bytes(), c.into); err != nil {
			t.Errorf("%s: %v", c.path, err)
		}
	}
	if len(pushed.Data.Groups) != groups || len(page.Data.Groups) != groups || len(values.Data) != groups || len(deleted.Data.Groups) != groups {
		t.Errorf("groups are missing")
	}
}

// TestConflictWithALongKey pushes many groups that contradict one whose key is
// long: it is not written out for each.
func TestConflictWithALongKey(t *testing.T) {
	const groups = 100
	w := newTwin(t, refillMode{}, time.Now)
	if got := w.ask(http.MethodPut, "/metrics/job/"+strings.Repeat("a", 20_000), "# TYPE m gauge\nm 1\n", ""); got != "200 " {
		t.Fatal(got)
	}
	var text strings.Builder
	for i := range groups {
		fmt.Fprintf(&text, "m{job=\"%d\"} 1\n", i)
	}
	if got := w.ask(http.MethodPost, "/api/v1/push?group_by=job", text.String(), ""); !strings.HasPrefix(got, "400") || len(got) > groups*1500 {
		t.Errorf("got %d bytes: %.200s", len(got), got)
	}
}

// TestGroupByMuch names far more labels in group_by than series have.
func TestGroupByMuch(t *testing.T) {
	var by, text strings.Builder
	by.WriteString("instance,job")
	for i := range 50_000 {
		fmt.Fprintf(&by, ",l%d", i)
	}
	for i := range 20_000 {
		fmt.Fprintf(&text, "m{l7=\"\",job=\"a\",i=\"%d\",instance=\"b\"} 1\n", i)
	}
	w := newTwin(t, refillMode{}, time.Now)
	const want = `200 {"status":"success","data":{"taken":1,"refused":0,"groups":[{"labels":{"instance":"b","job":"a"}}]}}` + "\n"
	if got := w.ask(http.MethodPost, "/api/v1/push?group_by="+by.String(), text.String(), ""); got != want {
		t.Errorf("got %.300s", got)
	}
}

// TestManySelectors asks with more selectors than are held against each group.
func TestManySelectors(t *testing.T) {
	w := newTwin(t, refillMode{}, time.Now)
	for n, want := range map[int]string{100: "200 ", 101: "400 "} {
		query := strings.Repeat("match[]=%7Bjob=%22a%22%7D&", n)
		for path, method := range map[string]string{"/api/v1/groups": http.MethodGet, "/api/v1/labels": http.MethodGet, "/api/v1/admin/delete_groups": http.MethodPost} {
			if got := w.ask(method, path+"?"+query, "", ""); !strings.HasPrefix(got, want) {
				t.Errorf("%s with %d selectors: got %s", path, n, got)
			}
		}
	}
}
