package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reader takes an answer at some speed, as a connection with deadlines does.
type reader struct {
	*httptest.ResponseRecorder
	perKiB time.Duration
	failed bool

	mu       sync.Mutex
	deadline *time.Timer // nil if there is none
	passed   chan struct{}
}

func (r *reader) SetWriteDeadline(t time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deadline == nil || !r.deadline.Stop() {
		r.passed = make(chan struct{})
	}
	passed := r.passed
	r.deadline = time.AfterFunc(time.Until(t), func() { close(passed) })
	return nil
}

func (r *reader) Write(b []byte) (int, error) {
	r.mu.Lock()
	passed := r.passed
	r.mu.Unlock()
	select {
	case <-time.After(time.Duration(len(b)) * r.perKiB >> 10):
		return r.ResponseRecorder.Write(b)
	case <-passed:
		r.failed = true
		return 0, os.ErrDeadlineExceeded
	}
}

// scrape reads at a speed, with some more headers.
func (w *twin) scrape(ctx context.Context, perKiB time.Duration, headers ...string) *reader {
	return w.scrapeFrom(ctx, "192.0.2.1", perKiB, headers...)
}

func (w *twin) scrapeFrom(ctx context.Context, client string, perKiB time.Duration, headers ...string) *reader {
	return w.read(ctx, "/metrics", client, perKiB, headers...)
}

func (w *twin) read(ctx context.Context, path, client string, perKiB time.Duration, headers ...string) *reader {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	r.RemoteAddr = client + ":1234"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer := &reader{ResponseRecorder: httptest.NewRecorder(), perKiB: perKiB}
	w.handler.ServeHTTP(answer, r)
	return answer
}

// withMuch gives a gateway with some MB to scrape, which packing leaves as they
// are.
func withMuch(t *testing.T) *twin {
	w := newTwin(t, refillMode{}, time.Now)
	for g := range 6 {
		var text strings.Builder
		for i := range 7000 {
			fmt.Fprintf(&text, "m%d{i=\"%d\",x=\"%x\"} 1\n", g, i, strings.Repeat(fmt.Sprint(i*7919), 6))
		}
		if got := w.ask(http.MethodPut, fmt.Sprint("/metrics/job/", g), text.String(), ""); got != "200 " {
			t.Fatal(got)
		}
	}
	return w
}

// TestSlowReaders cuts off those who read too slowly, and nobody else.
func TestSlowReaders(t *testing.T) {
	for _, encoding := range []string{"", "gzip", "zstd"} {
		synctest.Test(t, func(t *testing.T) {
			w := withMuch(t)
			for perKiB, whole := range map[time.Duration]bool{0: true, 10 * time.Millisecond: true, 20 * time.Millisecond: false, time.Minute: false} {
				if got := w.scrape(t.Context(), perKiB, "Accept-Encoding", encoding); got.failed == whole {
					t.Errorf("%q, read at a KiB in %s: cut off is %t after %d bytes", encoding, perKiB, got.failed, got.Body.Len())
				}
			}
		})
	}
}

// TestSlowReadersOfTheAPI does the same to those who want metrics there.
func TestSlowReadersOfTheAPI(t *testing.T) {
	for _, path := range []string{"/api/v1/metrics", "/api/v1/group/job/1", "/api/v1/group/job/1?format=text"} {
		synctest.Test(t, func(t *testing.T) {
			w := withMuch(t)
			for perKiB, whole := range map[time.Duration]bool{0: true, 10 * time.Millisecond: true, 20 * time.Millisecond: false, time.Minute: false} {
				answer := w.read(t.Context(), path, "192.0.2.1", perKiB)
				if answer.failed == whole {
					t.Errorf("%s, read at a KiB in %s: cut off is %t after %d bytes", path, perKiB, answer.failed, answer.Body.Len())
				}
			}
		})
	}
}

// TestManyScrapes has more scrapes than may be answered at once.
func TestManyScrapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := withMuch(t)
		var all sync.WaitGroup
		for i := range 32 {
			all.Go(func() {
				if got := w.scrapeFrom(t.Context(), fmt.Sprint("192.0.2.", 100+i%4), time.Minute); !got.failed {
					t.Error("one that nobody reads was not cut off")
				}
			})
		}
		synctest.Wait()
		gone, leave := context.WithCancel(t.Context())
		all.Go(func() {
			if got := w.scrape(gone, 0); got.Body.Len() > 0 {
				t.Errorf("one whose client left while it waited: got %d bytes", got.Body.Len())
			}
		})
		synctest.Wait()
		leave()
		if got := w.scrape(t.Context(), 0, "X-Prometheus-Scrape-Timeout-Seconds", "1"); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
			t.Errorf("one that cannot wait: got %d %v", got.Code, got.Header())
		}
		if got := w.scrape(t.Context(), 0); got.Code != http.StatusOK || got.Body.Len() < 1<<20 {
			t.Errorf("one that waits: got %d with %d bytes", got.Code, got.Body.Len())
		}
		all.Wait()
	})
}

// TestManyLists has clients that do not read lists of all groups: they keep
// nobody from scraping, and are cut off.
func TestManyLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := withMuch(t)
		var all sync.WaitGroup
		for i := range 32 {
			all.Go(func() {
				if got := w.read(t.Context(), "/api/v1/metrics", fmt.Sprint("192.0.2.", 100+i%4), time.Minute); !got.failed {
					t.Error("one that nobody reads was not cut off")
				}
			})
		}
		synctest.Wait()
		begin := time.Now()
		if got := w.scrape(t.Context(), 0); got.Code != http.StatusOK || time.Since(begin) > 0 {
			t.Errorf("a scrape: got %d after %s", got.Code, time.Since(begin))
		}
		if got := w.read(t.Context(), "/api/v1/metrics", "192.0.2.1", 0, "X-Prometheus-Scrape-Timeout-Seconds", "1"); got.Code != http.StatusServiceUnavailable ||
			got.Header().Get("Content-Type") != "application/json" || !strings.HasPrefix(got.Body.String(), `{"status":"error","error":"32 such requests`) {
			t.Errorf("one more that cannot wait: got %d %v %s", got.Code, got.Header(), got.Body)
		}
		all.Wait()
		if got := w.read(t.Context(), "/api/v1/metrics", "192.0.2.1", 0); got.Code != http.StatusOK || !strings.HasSuffix(got.Body.String(), "]}\n") {
			t.Errorf("one more: got %d with %d bytes", got.Code, got.Body.Len())
		}
	})
}

// TestScrapesOfOneClient has one client that takes all places, and does not
// read: the others wait for it no longer than a quick answer takes.
func TestScrapesOfOneClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := withMuch(t)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { w.scrapeFrom(t.Context(), "192.0.2.2", time.Minute) })
		}
		synctest.Wait()
		begin := time.Now()
		if got := w.scrape(t.Context(), 0); got.Code != http.StatusOK || time.Since(begin) > 2*time.Second {
			t.Errorf("another client: got %d after %s", got.Code, time.Since(begin))
		}
		if got := w.scrapeFrom(t.Context(), "192.0.2.2", 0, "X-Prometheus-Scrape-Timeout-Seconds", "1"); got.Code != http.StatusServiceUnavailable {
			t.Errorf("the same client: got %d", got.Code)
		}
		all.Wait()
	})
}
