package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pushgateway/internal/guard"
)

// TestQueryLimits sets each limit of a question, and asks for what is just
// beyond it.
func TestQueryLimits(t *testing.T) {
	query := func(l guard.QueryLimits) guard.Limits { return guard.Limits{Query: l} }
	selector := func(l guard.SelectorLimits) guard.Limits { return guard.Limits{Selector: l} }
	for name, tt := range map[string]struct {
		limits guard.Limits
		asks   string
		says   string
	}{
		"page":         {query(guard.QueryLimits{Page: 5}), "limit=6", "from 1 to 5"},
		"token":        {query(guard.QueryLimits{Token: 1}), "page_token=e30", "is not a token of this gateway"},
		"search":       {query(guard.QueryLimits{Search: 1}), "search=ab", "more than the 1 allowed"},
		"selectors":    {selector(guard.SelectorLimits{Selectors: 1}), "match[]={a=\"b\"}&match[]={a=\"b\"}", "more than the 1 allowed"},
		"length":       {selector(guard.SelectorLimits{Length: 1}), "match[]={a=\"b\"}", "more than the 1 allowed"},
		"lengths":      {selector(guard.SelectorLimits{Lengths: 10}), "match[]={a=\"b\"}&match[]={a=\"b\"}", "more than the 10 allowed"},
		"matchers":     {selector(guard.SelectorLimits{Matchers: 1}), "match[]={a=\"b\",c=\"d\"}", "1 are allowed"},
		"instructions": {selector(guard.SelectorLimits{Program: 5}), "match[]={a=~\"b.*c.*\"}", "5 instructions"},
	} {
		c := configured(t)
		c.Limits = tt.limits
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/api/v1/groups", nil)
		r.URL.RawQuery = tt.asks
		New(c).ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("%s: got %d %s, want %q", name, w.Code, w.Body, tt.says)
		}
	}
	c, w := configured(t), httptest.NewRecorder()
	c.Limits.Query.Form = 5
	r := httptest.NewRequest(http.MethodPost, "/api/v1/admin/delete_groups", strings.NewReader("search=ab"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if New(c).ServeHTTP(w, r); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "too large") {
		t.Errorf("form: got %d %s", w.Code, w.Body)
	}
}
