package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// refusal is a push that was not taken, as the overview tells of it.
type refusal struct {
	Client, Method, Path, Reason, Error string

	Agent string `json:"user_agent"`
	Times int
}

type withRefusals struct{ Refusals []refusal }

// TestRefusals tells who pushes what cannot be taken, also where no group shows
// it.
func TestRefusals(t *testing.T) {
	s := start(t)
	if got := dataOf[withRefusals](s, "/api/v1/overview", nil).Refusals; got == nil || len(got) > 0 {
		t.Errorf("nothing was refused: got %v", got)
	}
	const pushes = 30
	for range pushes {
		s.push("/metrics/job/a%20b", "m 1", http.StatusBadRequest, "User-Agent", "nightly/1")
	}
	s.push("/metrics/job/a%20b", "m 1 1\n", http.StatusBadRequest)
	s.push("/api/v1/push?group_by=job,", "m 1\n", http.StatusBadRequest)
	got := dataOf[withRefusals](s, "/api/v1/overview", nil).Refusals
	if len(got) != 3 {
		t.Fatalf("got %+v", got)
	}
	first := refusal{"127.0.0.1", "PUT", "/metrics/job/a%20b", "syntax", "line 1: the last line has no newline at its end; add one", "nightly/1", pushes}
	if got[2] != first {
		t.Errorf("got %+v, want %+v", got[2], first)
	}
	if got[1].Reason != "timestamps" || got[1].Path != first.Path || got[0].Reason != "parameter" || got[0].Path != "/api/v1/push" {
		t.Errorf("got %+v", got[:2])
	}
	// Debugging is off, so these are warnings.
	lines := strings.Count(s.log.String(), "msg=Refused client=127.0.0.1 user_agent=nightly/1 method=PUT path=/metrics/job/a%20b reason=syntax err=\"line 1: ")
	if lines == 0 || lines >= pushes {
		t.Errorf("%d lines in the log of %d refused pushes", lines, pushes)
	}
}

// TestRefusalsAreBounded keeps the latest, and not all of a long path.
func TestRefusalsAreBounded(t *testing.T) {
	s := start(t)
	for i := range 50 {
		s.push(fmt.Sprintf("/metrics/job/%d/%s", i, strings.Repeat("ü", 3000)), "m 1\n", http.StatusBadRequest)
	}
	got := dataOf[withRefusals](s, "/api/v1/overview", nil).Refusals
	if len(got) != 20 || !strings.HasPrefix(got[0].Path, "/metrics/job/49/") || len(got[0].Path) > 1000 || len(got[0].Error) > 1000 {
		t.Errorf("%d are kept, the latest is %+v", len(got), got[0])
	}
}

// TestHints says what the sender of a body that is no text most probably did.
func TestHints(t *testing.T) {
	s := start(t)
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct{ contentType, body, hint string }{
		{"", "\x1f\x8b\x08\x00", "Content-Encoding: gzip"},
		{form, "\x28\xb5\x2f\xfd\x00", "Content-Encoding: zstd"},
		{form, "# TYPE m gaugem 1", "--data-binary instead of -d"},
		{"multipart/form-data; boundary=x", "--x\r\n", "--data-binary instead of -F"},
		{"application/json", "{\"m\": 1}\n", "the body is JSON"},
		{"text/plain", "m x\n", ""},
		{form, "m x\n", ""},
	} {
		for _, path := range []string{"/metrics/job/a", "/api/v1/push?group_by=job"} {
			a := s.do(http.MethodPost, path, c.body, "Content-Type", c.contentType)
			if a.status != http.StatusBadRequest || !strings.Contains(a.body, "line 1: ") || !strings.Contains(a.body, c.hint) {
				t.Errorf("%q, %s: got %d %q, want a hint with %q", c.body, c.contentType, a.status, a.body, c.hint)
			}
			if c.hint == "" && strings.Contains(a.body, "(") {
				t.Errorf("%q, %s: got %q", c.body, c.contentType, a.body)
			}
		}
	}
}
