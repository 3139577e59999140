package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/intake"
	"pushgateway/internal/jobs"
)

// TestJobsOverTime asks how a job is again and again. What nobody pushes to changes by
// time alone.
func TestJobsOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := gateway.Open(t.Context(), gateway.Config{Journal: new(gateway.Memory)})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		in := intake.New(g, intake.Config{})
		h := New(Config{Gateway: g, TelemetryPath: "/metrics", UI: http.NotFoundHandler(), Instrument: func(_ string, h http.HandlerFunc) http.HandlerFunc { return h }})
		push := func(key, query string) {
			body := fmt.Sprintf("job_last_success_timestamp_seconds %d\njob_expected_interval_seconds 60\n", time.Now().Unix())
			if _, err := in.Push(t.Context(), intake.Request{Key: key, Query: query, Body: strings.NewReader(body), Length: int64(len(body))}); err != nil {
				t.Fatal(err)
			}
		}
		push("job/a", "")
		push("job/b", "ttl=90s")
		for _, step := range []struct {
			after time.Duration
			want  string
		}{
			{0, "a ok , b ok "},
			{66 * time.Second, "a ok , b ok "},
			{time.Second, "a late expected every 1m, no success for 1m 7s, b late expected every 1m, no success for 1m 7s"},
			{23 * time.Second, "a late expected every 1m, no success for 1m 30s"},
			{time.Hour, "a late expected every 1m, no success for 1h 1m"},
		} {
			time.Sleep(step.after)
			if got := jobStates(t, h); got != step.want {
				t.Errorf("%s later: %s, want %s", step.after, got, step.want)
			}
		}
		push("job/a", "")
		time.Sleep(surveyAge)
		if got := jobStates(t, h); got != "a ok " {
			t.Errorf("after a push: %s", got)
		}
	})
}

// jobStates returns the jobs that a page shows, with states and reasons.
func jobStates(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/jobs", nil))
	var found struct {
		Data struct {
			Jobs []struct {
				Labels        map[string]string
				State, Reason string
			}
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &found); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, j := range found.Data.Jobs {
		all = append(all, j.Labels["job"]+" "+j.State+" "+j.Reason)
	}
	return strings.Join(all, ", ")
}

// BenchmarkJobs has pages open that ask for jobs every 5 s, among 100,000 groups
// that change all the time. An operation is 5 s of all pages.
func BenchmarkJobs(b *testing.B) {
	const groups, every = 100_000, 5 * time.Second
	g, err := gateway.Open(b.Context(), gateway.Config{Journal: new(gateway.Memory), Runs: func(old, group *gateway.Group, size int) []byte {
		return jobs.After(old, group, nil, 50, size)
	}})
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	in := intake.New(g, intake.Config{})
	push := func(i int) {
		body := fmt.Sprintf("job_exit_code %d\njob_last_completion_timestamp_seconds %d\njob_duration_seconds 5\n", i/100%2, time.Now().Unix()-int64(i)%7)
		if _, err := in.Push(b.Context(), intake.Request{Key: fmt.Sprintf("job/j%d/instance/%d", i%1000, i), Body: strings.NewReader(body), Length: int64(len(body))}); err != nil {
			b.Fatal(err)
		}
	}
	for i := range groups {
		push(i)
	}
	for _, pages := range []int{1, 10} {
		for _, query := range []string{"limit=100&runs=30", "limit=100&runs=30&by=instance"} {
			b.Run(fmt.Sprintf("%d pages, %s", pages, query), func(b *testing.B) {
				h := New(Config{Gateway: g, Prefix: "", TelemetryPath: "/metrics", UI: http.NotFoundHandler(), Instrument: func(_ string, h http.HandlerFunc) http.HandlerFunc { return h }})
				var spent time.Duration
				for b.Loop() {
					for page := range pages {
						time.Sleep(every / time.Duration(pages))
						push(page)
						begun := time.Now()
						w := httptest.NewRecorder()
						r := httptest.NewRequest(http.MethodGet, "/api/v1/jobs?"+query, nil)
						r.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
						h.ServeHTTP(w, r)
						if spent += time.Since(begun); w.Code != http.StatusOK {
							b.Fatal(w.Code, w.Body)
						}
					}
				}
				b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "busy-µs/op")
			})
		}
	}
}
