package accesslog_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"pushgateway/internal/accesslog"
)

// written is a log in memory.
type written struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *written) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *written) lines(t *testing.T) (all []map[string]any) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for text := range strings.Lines(w.text.String()) {
		var one map[string]any
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// serve starts a server whose requests are logged. finish ends it and returns
// the lines.
func serve(t *testing.T, c accesslog.Config, h http.HandlerFunc) (s *httptest.Server, finish func() []map[string]any) {
	t.Helper()
	var to written
	c.Logger = slog.New(slog.NewJSONHandler(&to, nil))
	c.Client = func(*http.Request) string { return "192.0.2.1" }
	log := accesslog.New(c)
	logged := log.Handler(h)
	var all sync.WaitGroup // of requests: over HTTP/2 the server does not wait for handlers
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.Add(1)
		defer all.Done()
		logged.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, func() []map[string]any {
		s.Close()
		all.Wait()
		log.Close()
		return to.lines(t)
	}
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		name, path, body string
		handler          http.HandlerFunc
		want             map[string]any
	}{
		{"nothing written", "/a", "", func(http.ResponseWriter, *http.Request) {}, map[string]any{"status": 200.0, "sent": 0.0, "received": 0.0}},
		{"a status", "/a", "", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 404) }, map[string]any{"status": 404.0, "sent": 3.0}},
		{"a hint before the status", "/a", "", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusAccepted)
		}, map[string]any{"status": 202.0}},
		{"a body", "/a", "four", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "12")
			_, _ = io.Copy(w, strings.NewReader("345"))
		}, map[string]any{"status": 200.0, "received": 4.0, "sent": 5.0}},
		{"a panic", "/a", "", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		}, map[string]any{"status": 200.0, "aborted": true}},
		{"a note", "/a", "", func(_ http.ResponseWriter, r *http.Request) {
			accesslog.Of(r.Context()).Route("push")
			accesslog.Of(r.Context()).Principal("ci\x1b")
		}, map[string]any{"route": "push", "principal": `ci\x1b`}},
		{"a long path", "/" + strings.Repeat("x", 5000), "", func(http.ResponseWriter, *http.Request) {}, map[string]any{"path": "/" + strings.Repeat("x", 199) + "…"}},
		{"a path with control characters", "/a%1b%0ab", "", func(http.ResponseWriter, *http.Request) {}, map[string]any{"path": "/a%1b%0ab"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, finish := serve(t, accesslog.Config{All: true}, c.handler)
			res, err := s.Client().Post(s.URL+c.path, "text/plain", strings.NewReader(c.body))
			if err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			lines := finish()
			if len(lines) != 1 || lines[0]["msg"] != "Request" || lines[0]["level"] != "INFO" || lines[0]["client"] != "192.0.2.1" || lines[0]["method"] != "POST" {
				t.Fatalf("got %v", lines)
			}
			for name, want := range c.want {
				if got := lines[0][name]; got != want {
					t.Errorf("%s: got %v, want %v", name, got, want)
				}
			}
		})
	}
}

// TestClientsThatLeave are logged, though they get no answer.
func TestClientsThatLeave(t *testing.T) {
	begun := make(chan struct{})
	s, finish := serve(t, accesslog.Config{All: true}, func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	})
	ctx, leave := context.WithCancel(context.Background())
	go func() { <-begun; leave() }()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/hang", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := s.Client().Do(req); err == nil {
		t.Fatalf("got %s", res.Status)
	}
	if lines := finish(); len(lines) != 1 || lines[0]["status"] != 499.0 || lines[0]["aborted"] != true {
		t.Errorf("got %v", lines)
	}
}

// TestSlow logs only what takes long, not too often, with what it waited for.
func TestSlow(t *testing.T) {
	const slow = 30 * time.Millisecond
	s, finish := serve(t, accesslog.Config{Slow: slow}, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			end := accesslog.Of(r.Context()).Waiting(accesslog.ForTurn)
			time.Sleep(2 * slow)
			end()
		}
	})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			res, err := s.Client().Get(s.URL + "/slow")
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
		})
	}
	all.Wait()
	lines := finish()
	if len(lines) < 10 || len(lines) >= 50 {
		t.Errorf("%d lines", len(lines))
	}
	for _, l := range lines {
		if l["msg"] != "Slow request" || l["level"] != "WARN" || l["path"] != "/slow" || l["waited_for_turn"].(float64) < slow.Seconds() {
			t.Errorf("got %v", l)
		}
	}
}

// stuck is a log that nobody reads.
type stuck chan struct{}

func (s stuck) Write(b []byte) (int, error) {
	<-s
	return len(b), nil
}

// TestLogThatNobodyReads delays no request, and not the end.
func TestLogThatNobodyReads(t *testing.T) {
	to := make(stuck)
	log := accesslog.New(accesslog.Config{Logger: slog.New(slog.NewTextHandler(to, nil)), All: true, Client: func(*http.Request) string { return "" }})
	h := log.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for range 10_000 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	log.Close()
	close(to)
	log.Close()
}

// TestOffCostsNothing holds that there is nothing in front of the handler.
func TestOffCostsNothing(t *testing.T) {
	log := accesslog.New(accesslog.Config{})
	mux := http.NewServeMux()
	if h := log.Handler(mux); h != http.Handler(mux) {
		t.Errorf("got %T", h)
	}
	log.Close()
}

// TestWriterStaysWhole holds that what handlers can do with an answer, they can
// do with one that is logged.
func TestWriterStaysWhole(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			log := accesslog.New(accesslog.Config{Logger: slog.New(slog.DiscardHandler), All: true, Client: func(*http.Request) string { return "" }})
			defer log.Close()
			flushed := make(chan struct{})
			s := httptest.NewUnstartedServer(log.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, ok := w.(io.ReaderFrom); !ok {
					t.Error("no io.ReaderFrom")
				}
				control := http.NewResponseController(w)
				_, _ = io.WriteString(w, "first\n")
				w.(http.Flusher).Flush()
				<-flushed
				for what, err := range map[string]error{
					"flush": control.Flush(), "write deadline": control.SetWriteDeadline(time.Now().Add(time.Minute)), "read deadline": control.SetReadDeadline(time.Now().Add(time.Minute)),
				} {
					if err != nil {
						t.Errorf("%s: %v", what, err)
					}
				}
			})))
			s.EnableHTTP2 = http2
			s.StartTLS()
			defer s.Close()
			res, err := s.Client().Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if line, err := bufio.NewReader(res.Body).ReadString('\n'); line != "first\n" {
				t.Errorf("got %q, %v", line, err)
			}
			close(flushed)
			_, _ = io.Copy(io.Discard, res.Body)
		})
	}
}

// TestHijack is for protocols other than HTTP.
func TestHijack(t *testing.T) {
	log := accesslog.New(accesslog.Config{Logger: slog.New(slog.DiscardHandler), All: true, Client: func(*http.Request) string { return "" }})
	defer log.Close()
	s := httptest.NewServer(log.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(c, "hello")
		c.Close()
	})))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if b, err := io.ReadAll(c); string(b) != "hello" {
		t.Errorf("got %q, %v", b, err)
	}
}
