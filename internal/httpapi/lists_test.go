package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestListsAreShared asks for groups among many, as pages and others do.
func TestListsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, push := many(t)
		h := New(Config{Gateway: g, TelemetryPath: "/metrics", UI: http.NotFoundHandler(), Instrument: func(_ string, h http.HandlerFunc) http.HandlerFunc { return h }})
		push(surveyLarge + 1)
		for _, step := range []struct {
			name        string
			do          func()
			page, query string
			total       int
		}{
			{"a page", func() {}, sharing, "", surveyLarge + 1},
			{"another page, after a push", func() { push(1) }, sharing, "", surveyLarge + 1},
			{"a page that has changed something", func() {}, "own", "", surveyLarge + 2},
			{"a program", func() {}, "", "", surveyLarge + 2},
			{"another question", func() {}, sharing, "match[]={job=\"1\"}", 1},
			{"a page, seconds later", func() { time.Sleep(surveyOldest) }, sharing, "", surveyLarge + 2},
			{"a page that asks for very many", func() { push(1) }, sharing, fmt.Sprint("limit=", mostShared+1), surveyLarge + 3},
			{"after more questions than are remembered", func() {
				for i := range maxFound {
					ask(t, h, sharing, fmt.Sprint("limit=", i+1))
				}
			}, sharing, "", surveyLarge + 3},
		} {
			step.do()
			if got := ask(t, h, step.page, step.query); got != step.total {
				t.Errorf("%s: %d groups, want %d", step.name, got, step.total)
			}
		}
	})
}

// ask returns how many groups match a query.
func ask(t *testing.T, h http.Handler, page, query string) int {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/api/v1/groups", nil)
	r.URL.RawQuery = query
	if page != "" {
		r.Header.Set(pageHeader, page)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var found struct {
		Data struct {
			Total  int
			Groups []json.RawMessage
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &found); err != nil || len(found.Data.Groups) == 0 {
		t.Fatalf("%q: status %d: %.200s, %v", query, w.Code, w.Body, err)
	}
	return found.Data.Total
}
