package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pushgateway/internal/httpapi"
)

// TestGateThatStaysClosed wants nobody to be waited for once the process is to
// end.
func TestGateThatStaysClosed(t *testing.T) {
	g := httpapi.NewGate("/gw", "/metrics")
	waited := make(chan *httptest.ResponseRecorder)
	go func() {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/gw/metrics", nil)
		r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "3000")
		g.At(httpapi.Everything).ServeHTTP(w, r)
		waited <- w
	}()
	g.Close()
	if w := <-waited; w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "is starting") {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
}
