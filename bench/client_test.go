package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestConnReadsEveryFraming asks twice over one connection each time: what is
// left unread of one answer would break the next.
func TestConnReadsEveryFraming(t *testing.T) {
	long := strings.Repeat("0123456789", 50_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/empty":
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/short":
			_, _ = io.WriteString(w, "short")
		case "/chunks":
			_, _ = io.WriteString(w, long) // too long to be given a length
		case "/refused":
			http.Error(w, "no such thing", http.StatusBadRequest)
		}
	}))
	defer server.Close()
	c, err := dial(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for path, want := range map[string]string{"/empty": "", "/none": "", "/short": "short", "/chunks": long} {
		for range 2 {
			var b bytes.Buffer
			res, err := c.do(get(path), &b)
			if err != nil || b.String() != want {
				t.Errorf("%s: %d bytes, %v; want %d", path, b.Len(), err, len(want))
			}
			if wantChunks := path == "/chunks"; res.chunked != wantChunks {
				t.Errorf("%s: chunked is %v", path, res.chunked)
			}
		}
		if _, err := c.do(get("/refused"), nil); err == nil || !strings.Contains(err.Error(), "no such thing") {
			t.Errorf("a refusal gives the error %v", err)
		}
	}
}
