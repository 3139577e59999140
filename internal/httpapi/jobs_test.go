package httpapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/gateway"
	"pushgateway/internal/intake"
	"pushgateway/internal/jobs"
)

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
