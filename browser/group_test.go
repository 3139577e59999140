package browser

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
)

// shell runs a command that the page shows.
func (s *server) shell(command string) {
	s.t.Helper()
	if out, err := exec.Command("sh", "-ec", command).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

const drawable = `# HELP latency_seconds How long it took.
# TYPE latency_seconds histogram
latency_seconds_bucket{le="0.1"} 1
latency_seconds_bucket{le="1"} 5
latency_seconds_bucket{le="+Inf"} 6
latency_seconds_sum 7
latency_seconds_count 6
# TYPE size_bytes summary
size_bytes{quantile="0.5"} 10
size_bytes{quantile="0.99"} 90
size_bytes_sum 100
size_bytes_count 5
# HELP rows_total Rows by table.
# TYPE rows_total counter
rows_total{table="orders"} 12
rows_total{table="users"} 1.7e9
`

// pushNative pushes a native histogram.
func (s *server) pushNative(path string) {
	s.t.Helper()
	var body bytes.Buffer
	_, err := protodelim.MarshalTo(&body, &dto.MetricFamily{
		Name: proto.String("native_seconds"), Type: dto.MetricType_HISTOGRAM.Enum(),
		Metric: []*dto.Metric{{Histogram: &dto.Histogram{
			SampleCount: proto.Uint64(39), SampleSum: proto.Float64(60), Schema: proto.Int32(1), ZeroThreshold: proto.Float64(0.001), ZeroCount: proto.Uint64(2),
			PositiveSpan: []*dto.BucketSpan{{Offset: proto.Int32(-3), Length: proto.Uint32(8)}}, PositiveDelta: []int64{1, 1, 2, 4, 2, -3, -3, -3},
		}}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.push(path, body.String(), http.StatusOK, "Content-Type", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited")
}

func TestGroup(t *testing.T) {
	s := start(t)
	s.push("job/etl/path@base64/L3Zhci90bXA", drawable, http.StatusOK)
	for _, screen := range []screen{desktop, phone} {
		t.Run(fmt.Sprint(screen.width), func(t *testing.T) {
			tb := s.with(t).open(screen, "?view=groups")
			tb.click("#row-0 .age")
			tb.reads("h1", "/var/tmp")
			tb.reads(`[data-family="latency_seconds"] summary`, "How long it took.")
			tb.reads(`[data-family="latency_seconds"] .type`, "histogram")
			tb.until(drawnIn("latency_seconds"))
			tb.until(`document.querySelector('[data-family="latency_seconds"] .chart').ariaLabel.includes("most in (0.1, 1]")`)
			tb.until(`document.querySelector('[data-family="size_bytes"] .marks').ariaLabel === "Quantiles: 0.5 is 10, 0.99 is 90"`)
			tb.until(`document.querySelectorAll('[data-family="size_bytes"] .mark').length === 2`)
			tb.press("Buckets as a table")
			tb.reads(".bucket-table", "(0.1, 1]")
			tb.reads(`[data-family="rows_total"] td`, `{table="orders"}`)

			tb.click("#series-search")
			tb.keys("users")
			tb.reads(`[data-family="rows_total"] td`, "1,700,000,000")
			tb.until(`document.querySelector('[data-family="rows_total"] td.number').title === "1.7e+09; as a Unix time: " + document.querySelector('[data-family="rows_total"] td.number').title.slice(25)`)
			tb.gone(`[data-family="latency_seconds"]`)
			tb.until(`document.querySelectorAll('[data-family="rows_total"] tbody tr').length === 1`)
		})
	}
}

// drawnIn is true once the chart of a family has been painted.
func drawnIn(family string) string {
	return fmt.Sprintf(`(() => {
		const c = document.querySelector('[data-family=%q] canvas');
		return c && new Set(new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer)).size > 3;
	})()`, family)
}

func TestNativeHistogram(t *testing.T) {
	s := start(t)
	s.pushNative("job/native")
	tb := s.open(desktop, "?group=job/native")
	tb.until(drawnIn("native_seconds"))
	tb.until(`document.querySelector(".chart").ariaLabel.startsWith("Native histogram of 39 observations in 9 buckets")`)
	tb.press("Buckets as a table")
	tb.reads(".bucket-table", "[-0.001, 0.001]")
}

// TestLines shows what scrapes get, and copies it.
func TestLines(t *testing.T) {
	s := start(t)
	s.push("job/etl", drawable, http.StatusOK)
	tb := s.open(desktop, "?group=job/etl")
	tb.reads(".lines", `rows_total{instance="",job="etl",table="orders"} 12`)
	tb.run(browser.SetPermission(&browser.PermissionDescriptor{Name: "clipboard-read"}, browser.PermissionSettingGranted))
	tb.press("Copy all")
	tb.reads("#told", "Copied all lines.")
	want := "# HELP rows_total Rows by table.\n# TYPE rows_total counter\nrows_total{instance=\"\",job=\"etl\",table=\"orders\"} 12\nrows_total{instance=\"\",job=\"etl\",table=\"users\"} 1.7e+09\n"
	if got := eval[string](tb, `navigator.clipboard.readText()`); !strings.Contains(got, want) || !strings.Contains(got, "latency_seconds_bucket") {
		t.Errorf("copied %q, want %q in it", got, want)
	}
	// What is marked is copied as it was pushed.
	tb.run(chromedp.Evaluate(`getSelection().selectAllChildren(document.querySelector('[data-family="rows_total"] table')); document.execCommand("copy")`, nil))
	if got := eval[string](tb, `navigator.clipboard.readText()`); !strings.Contains(got, "1.7e+09") {
		t.Errorf("copied %q, want the numbers as they were pushed", got)
	}
}

// TestCommands runs what the page tells to run.
func TestCommands(t *testing.T) {
	s := start(t, "--push.enable-utf8-names")
	for _, path := range []string{"job/it's", "job/a/x@base64/=", "job@base64/Li4", "job/b/U__b_2e_c/%25%20ü"} {
		s.push(path, "m 1\n", http.StatusOK)
	}
	tb := s.open(desktop, "?view=groups")
	for left := 4; left > 0; left-- {
		tb.reads(".total", fmt.Sprintf("%d group", left))
		tb.click("#row-0 .age")
		tb.reads(".command", "my_metric 3.14")
		commands := eval[[]string](tb, `[...document.querySelectorAll(".command pre")].map((p) => p.textContent)`)
		s.shell(strings.Replace(commands[0], "curl", "curl -sf", 1))
		tb.refresh()
		tb.reads(".lines", "my_metric{")
		s.shell(strings.Replace(commands[1], "curl", "curl -sf", 1))
		tb.expect("404 (Not Found)")
		tb.refresh()
		tb.reads("h1", "This group is gone")
		tb.press("All groups")
	}
	tb.reads(".empty", "No groups yet")
}

// TestRefusedPush tells why the last push was refused.
func TestRefusedPush(t *testing.T) {
	s := start(t)
	s.push("job/a", "# TYPE m gauge\nm 1\n", http.StatusOK)
	s.push("job/a", "m 1\nm 2\n", http.StatusBadRequest)
	tb := s.open(desktop, "?group=job/a")
	tb.reads(".banner pre", "occurs twice")
	tb.reads(".banner.bad", "The group still has its earlier metrics.")
	s.push("job/a", "# TYPE m gauge\nm 1\n", http.StatusOK)
	tb.refresh()
	tb.gone(".banner.bad")
	tb.reads(".heading .badge", "pushed")
	s.push("job/never", "m 1\nm 2\n", http.StatusBadRequest)
	tb.visit("?group=job/never")
	tb.reads(".banner.bad", "No push to this group has succeeded yet, so it has no metrics.")
}

// TestLargeGroup does not draw thousands of series at once.
func TestLargeGroup(t *testing.T) {
	var body strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&body, "m{n=\"%04d\"} 1\n", i)
	}
	s := start(t)
	s.push("job/large", body.String(), http.StatusOK)
	tb := s.open(desktop, "?group=job/large")
	tb.until(`document.querySelectorAll(".family tbody tr").length === 50`)
	tb.run(chromedp.Focus("#series-search", chromedp.ByQuery))
	tb.keys("4999")
	tb.until(`document.querySelectorAll(".family tbody tr").length === 1`)
	for range 4 {
		tb.keys(kb.Backspace)
	}
	tb.press("Show all 5,000 series")
	tb.until(`document.querySelectorAll(".family tbody tr").length === 5000`)
}
