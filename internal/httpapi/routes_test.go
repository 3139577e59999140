package httpapi

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/guard"
	"pushgateway/internal/intake"
	"pushgateway/internal/live"
)

// configured serves a gateway that has nothing, with all that can be switched on.
func configured(t testing.TB) Config {
	t.Helper()
	g, err := gateway.Open(t.Context(), gateway.Config{Journal: new(gateway.Memory)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return Config{
		Gateway: g, Intake: intake.New(g, intake.Config{}), Logger: slog.New(slog.DiscardHandler), TelemetryPath: "/metrics",
		EnableAdmin: true, EnablePprof: true, Quit: func() {}, UI: http.NotFoundHandler(),
		Instrument: func(_ string, h http.HandlerFunc) http.HandlerFunc { return h }, Refused: func(string) {}, RefusedUser: func(_, _ string) {}, Pushed: func(string, int64, time.Duration) {}, Scraped: func(Scrape) {}, Own: func(*gateway.View) ([]exposition.Exposed, error) { return nil, nil }, Settings: live.Fixed(&live.Settings{Limits: guard.Limits{}.WithDefaults()}), Refusals: guard.NewRefusals(guard.RememberLimits{}, slog.New(slog.DiscardHandler)),
	}
}

// routesOf are the routes of an API whose handlers only say that they were
// reached.
func routesOf(c Config) []route {
	a := &api{Config: c}
	all := a.routes()
	for i := range all {
		all[i].handler = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }
		all[i] = a.guarded(all[i])
	}
	return all
}

// answerOf asks a route for a page of elsewhere, or for none.
func answerOf(r route, origin string) *httptest.ResponseRecorder {
	w, req := httptest.NewRecorder(), httptest.NewRequest(r.method, "/", nil)
	if origin != "" {
		req.Header.Set("Origin", origin)
		req.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	r.handler(w, req)
	return w
}

// TestPermissions wants each route to have a permission, and all that follows
// from it.
func TestPermissions(t *testing.T) {
	for _, r := range routesOf(configured(t)) {
		rule, known := rules[r.permission]
		if !known {
			t.Errorf("%s %s has no permission", r.method, r.path)
		}
		changes := !reads(r.method) && r.method != http.MethodOptions
		if changes != rule.own && r.path != "/api/v1/admin/snapshot" {
			t.Errorf("%s %s: pages from elsewhere may use it: %v", r.method, r.path, !rule.own)
		}
		if counted := r.name != ""; counted == (r.permission == permScrape || r.permission == permProfile) {
			t.Errorf("%s %s: its requests are counted: %v", r.method, r.path, counted)
		}
		for origin, want := range map[string]int{"": http.StatusTeapot, "https://elsewhere.example": http.StatusTeapot} {
			if origin != "" && rule.own && !reads(r.method) {
				want = http.StatusForbidden
			}
			w := answerOf(r, origin)
			if w.Code != want {
				t.Errorf("%s %s for a page of %q: got %d, want %d", r.method, r.path, origin, w.Code, want)
			}
			if got := w.Header().Get("Access-Control-Allow-Origin"); (got == "*") != rule.open {
				t.Errorf("%s %s may be read by pages of %q", r.method, r.path, got)
			}
			if got := w.Header().Get("Cache-Control"); strings.Contains(got, "no-store") != rule.fresh {
				t.Errorf("%s %s may be kept: %q", r.method, r.path, got)
			}
		}
	}
}

// TestSwitchedOff wants what nobody has switched on to be forbidden or absent,
// and nothing else.
func TestSwitchedOff(t *testing.T) {
	c := configured(t)
	all := len(routesOf(c))
	c.EnableAdmin, c.EnablePprof, c.Quit = false, false, nil
	routes := routesOf(c)
	if slices.ContainsFunc(routes, func(r route) bool { return r.permission == permProfile }) || len(routes) == all {
		t.Error("there are profiles")
	}
	for _, r := range routes {
		want := http.StatusTeapot
		if r.permission == permAdmin || r.permission == permLifecycle {
			want = http.StatusForbidden
		}
		if w := answerOf(r, ""); w.Code != want {
			t.Errorf("%s %s: got %d, want %d", r.method, r.path, w.Code, want)
		}
	}
}

// TestAnywhere finds with a prefix what stands without it too.
func TestAnywhere(t *testing.T) {
	c := configured(t)
	c.Prefix = "/gw"
	h := New(c)
	for path, want := range map[string]int{"/gw/-/quit": http.StatusOK, "/-/quit": http.StatusOK, "/gw/api/v1/admin/wipe": http.StatusAccepted, "/api/v1/admin/wipe": http.StatusNotFound} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPut, path, nil))
		if w.Code != want {
			t.Errorf("PUT %s: got %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
}
