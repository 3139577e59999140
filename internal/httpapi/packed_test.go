package httpapi

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAnswersArePacked asks for answers of each kind in several codings, one after
// the other. What is shared must suit each client.
func TestAnswersArePacked(t *testing.T) {
	g, push := many(t)
	h := New(Config{Gateway: g, TelemetryPath: "/metrics", UI: http.NotFoundHandler(), Instrument: func(_ string, h http.HandlerFunc) http.HandlerFunc { return h }})
	push(10)
	for _, path := range []string{"/api/v1/jobs", "/api/v1/jobs?limit=10000", "/api/v1/groups", "/api/v1/refusals", "/api/v1/jobs?limit=-1"} {
		want := packedBody(t, h, path, "")
		for _, coding := range []string{"gzip", "", "zstd", "gzip"} {
			if got := packedBody(t, h, path, coding); coding != "zstd" && got != want {
				t.Errorf("%s, %q: got %s, want %s", path, coding, got, want)
			}
		}
	}
}

// packedBody returns the unpacked answer to a page, or the packed one for zstd.
func packedBody(t *testing.T, h http.Handler, path, coding string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set(pageHeader, sharing)
	r.Header.Set("Accept-Encoding", coding)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got := w.Header()["Content-Encoding"]; strings.Join(got, ",") != coding {
		t.Errorf("%s: got the coding %q, want %q", path, got, coding)
	}
	if got := w.Header().Get("Vary"); got != "Accept-Encoding" {
		t.Errorf("%s: Vary is %q", path, got)
	}
	if coding != "gzip" {
		return w.Body.String()
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
