package server_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushgateway/internal/httpapi"
	"pushgateway/internal/intake"
	"pushgateway/internal/server"
	"pushgateway/internal/storage"
)

func open(t *testing.T, file string) (*server.Server, error) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	return server.Open(t.Context(), server.Config{Storage: storage.Config{File: file, Logger: logger}, Logger: logger})
}

// ask sends a request to the whole HTTP surface.
func ask(t *testing.T, s *server.Server, method, path, body string) string {
	t.Helper()
	answer := httptest.NewRecorder()
	s.Handler(httpapi.Config{TelemetryPath: "/metrics", UI: http.NotFoundHandler()}, intake.Config{}).ServeHTTP(answer, httptest.NewRequest(method, path, strings.NewReader(body)))
	if answer.Code != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// TestReopened pushes, and opens the same storage again.
func TestReopened(t *testing.T) {
	for name, tt := range map[string]struct {
		file string
		kept bool
	}{
		"memory": {"", false},
		"a file": {filepath.Join(t.TempDir(), "groups"), true},
	} {
		for _, pushed := range []bool{false, true} {
			s, err := open(t, tt.file)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			scrape := ask(t, s, http.MethodGet, "/metrics", "")
			if has := strings.Contains(scrape, `m{instance="",job="a"} 1`); has != (pushed && tt.kept) {
				t.Errorf("%s: the group is exposed: %v", name, has)
			}
			if own := strings.Contains(scrape, "\npushgateway_journal_file_size_bytes "); own != tt.kept {
				t.Errorf("%s: the size of a file is exposed: %v", name, own)
			}
			ask(t, s, http.MethodPut, "/metrics/job/a", "m 1\n")
			if err := s.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestOpenFails opens files that cannot be used. The error says what to do, and
// the files stay as they are.
func TestOpenFails(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "journal")
	s, err := open(t, journal)
	if err != nil {
		t.Fatal(err)
	}
	ask(t, s, http.MethodPut, "/metrics/job/a", "m 1\n")
	if _, err := open(t, journal); err == nil || !strings.Contains(err.Error(), "stop that process first") {
		t.Errorf("a file in use: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ content, says string }{
		"damaged":    {strings.ReplaceAll(string(whole), "job", "jab"), "start with --persistence.salvage"},
		"cut":        {string(whole[:len(whole)/2]), "start with --persistence.salvage"},
		"other data": {"my notes\n", "Name another file"},
	} {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, file); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want %q", name, err, tt.says)
		}
		if after, err := os.ReadFile(file); err != nil || string(after) != tt.content {
			t.Errorf("%s: the file was changed, %v", name, err)
		}
	}
}

// TestCloseRescues removes the file of a running server. Close writes the groups
// to a new one.
func TestCloseRescues(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "groups")
	s, err := open(t, file)
	if err != nil {
		t.Fatal(err)
	}
	ask(t, s, http.MethodPut, "/metrics/job/a", "m 1\n")
	if err := os.Remove(file); err != nil {
		t.Skip("this system does not let an open file be removed: ", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("there are %q, %v; want one new file", found, err)
	}
	again, err := open(t, found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if scrape := ask(t, again, http.MethodGet, "/metrics", ""); !strings.Contains(scrape, `m{instance="",job="a"} 1`) {
		t.Errorf("the group is not in the new file:\n%s", scrape)
	}
}

// halfway is an answer to a client that reads its first part, and the rest later.
type halfway struct {
	*httptest.ResponseRecorder
	meanwhile func()
	once      sync.Once
}

func (h *halfway) Write(b []byte) (int, error) {
	h.once.Do(h.meanwhile)
	return h.ResponseRecorder.Write(b)
}

// TestOwnMetricsBelongToTheView ends a group while a scrape is answered that began
// before.
func TestOwnMetricsBelongToTheView(t *testing.T) {
	var late atomic.Int64
	s, err := server.Open(t.Context(), server.Config{Now: func() time.Time { return time.Unix(1_760_000_000+late.Load(), 0) }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var body strings.Builder // more than what is prepared of an answer that nobody reads
	for i := range 20_000 {
		fmt.Fprintf(&body, "m{n=\"%0200d\"} 1\n", i)
	}
	ask(t, s, http.MethodPut, "/metrics/job/a?ttl=1h", body.String())
	answer := &halfway{ResponseRecorder: httptest.NewRecorder(), meanwhile: func() {
		late.Store(3600)
		ask(t, s, http.MethodGet, "/api/v1/overview", "")
	}}
	s.Handler(httpapi.Config{TelemetryPath: "/metrics", UI: http.NotFoundHandler()}, intake.Config{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	wantOwn(t, answer.Body.String(), "groups 1", "series 20000", "groups_expired_total 0", "next_group_expiry_timestamp_seconds 1.7600036e+09")
	wantOwn(t, ask(t, s, http.MethodGet, "/metrics", ""), "groups 0", "series 0", "groups_expired_total 1", "next_group_expiry_timestamp_seconds 0")
	wantOwn(t, ask(t, s, http.MethodGet, "/-/metrics", ""), "groups 0", "series 0", "groups_expired_total 1", "next_group_expiry_timestamp_seconds 0")
}

// wantOwn looks for lines of the gateway's own metrics.
func wantOwn(t *testing.T, scrape string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(scrape, "\npushgateway_"+line+"\n") {
			t.Errorf("the scrape lacks pushgateway_%s", line)
		}
	}
}
