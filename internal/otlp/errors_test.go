package otlp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pushgateway/internal/httpapi"
	"pushgateway/internal/otlp"
)

// A gateway that is starting refuses exports in the form of the protocol.
func TestErrors(t *testing.T) {
	gate := otlp.Errors("/gw", httpapi.NewGate("/gw", "/metrics").At(httpapi.Everything))
	for _, tt := range []struct {
		method, path, contentType, want string
	}{
		{"POST", "/gw/v1/metrics", "application/json", `{"code":14,"message":"The gateway is starting: it is reading the persistence file."}`},
		{"POST", "/gw//api/v1/otlp/v1/metrics", "application/json; charset=utf-8", `{"code":14,"message":"The gateway`},
		{"POST", "/gw/v1/metrics", "application/x-protobuf", "\x08\x0e\x12"},
		{"POST", "/gw/v1/metrics", "", "\x08\x0e\x12"},
		{"GET", "/gw/v1/metrics", "", "The gateway is starting"},
		{"POST", "/v1/metrics", "application/json", "The gateway is starting"},
		{"POST", "/gw/metrics/job/a/v1/metrics", "application/json", "The gateway is starting"},
	} {
		r := httptest.NewRequest(tt.method, tt.path, strings.NewReader("{}"))
		r.Header.Set("Content-Type", tt.contentType)
		w := httptest.NewRecorder()
		gate.ServeHTTP(w, r)
		if !strings.HasPrefix(w.Body.String(), tt.want) || w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s %s %q: got %d %q", tt.method, tt.path, tt.contentType, w.Code, w.Body)
		}
	}
}

// Answers that are no errors, and those in the form of the protocol, pass as they
// are.
func TestErrorsPass(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"a text":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") },
		"an error of the protocol": func(w http.ResponseWriter, _ *http.Request) {
			otlp.WriteError(w, otlp.JSON, http.StatusBadRequest, "bad")
		},
		"after an early hint": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusOK)
		},
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1/metrics", nil)
		r.Header.Set("Content-Type", "application/json")
		want, got := httptest.NewRecorder(), httptest.NewRecorder()
		handler(want, r)
		otlp.Errors("", handler).ServeHTTP(got, r)
		if got.Code != want.Code || got.Body.String() != want.Body.String() {
			t.Errorf("%s: got %d %q, want %d %q", name, got.Code, got.Body, want.Code, want.Body)
		}
	}
}
