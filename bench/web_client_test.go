package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestBothClientsPushTheSame has a server that takes one push, serves a page
// and refuses the next push.
func TestBothClientsPushTheSame(t *testing.T) {
	type push struct{ method, path, contentType, body string }
	got := make(chan push, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "i-1"):
			http.Error(w, "no such thing", http.StatusBadRequest)
		case r.URL.Path == "/long" && r.Header.Get("Accept-Encoding") == "gzip":
			_, _ = w.Write(make([]byte, 100_000))
		default:
			got <- push{r.Method, r.URL.Path, r.Header.Get("Content-Type"), string(body)}
		}
	}))
	defer server.Close()
	l := newLoad(1000)
	want := push{"PUT", "/metrics/job/bench/instance/i-0", contentType, l.body(0)}
	for _, web := range []bool{false, true} {
		target := &target{process: &process{addr: server.Listener.Addr().String()}, web: web}
		c, err := target.newClient()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.push(l, 0); err != nil {
			t.Fatal(err)
		}
		if p := <-got; p != want {
			t.Errorf("net/http %v: %+v", web, p)
		}
		if n, err := c.(reader).read(get("/long", "Accept-Encoding: gzip")); err != nil || n != 100_000 {
			t.Errorf("net/http %v: an answer of %d bytes, %v", web, n, err)
		}
		if err := c.push(l, 1); err == nil || !strings.Contains(err.Error(), "no such thing") {
			t.Errorf("net/http %v: a refusal gives the error %v", web, err)
		}
	}
}
