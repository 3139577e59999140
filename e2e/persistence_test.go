package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// everything is what clients can see of the groups: every format and escaping
// without what the gateway tells of itself, and the answers of the API.
func (s *server) everything() map[string]string {
	s.t.Helper()
	all := make(map[string]string)
	for _, accept := range accepts() {
		all[accept] = withoutOwn(s.t, s.scrape("Accept", accept))
	}
	for _, path := range []string{"/api/v1/metrics", "/api/v1/groups?limit=10000"} {
		all[path] = lastRefusal.ReplaceAllString(s.get(path).body, "")
	}
	return all
}

// lastRefusal is what the API tells of the last refused push to a group. It is not
// stored.
var lastRefusal = regexp.MustCompile(`,"last_refusal":\{(?:"(?:\\.|[^"\\])*"|[^"}])*\}`)

// withoutOwn takes the gateway's own families out of a scrape, and leaves the
// rest as it is.
func withoutOwn(t testing.TB, a answer) string {
	t.Helper()
	var b strings.Builder
	if mediaType(a.header.Get("Content-Type")) != "application/vnd.google.protobuf" {
		for line := range strings.Lines(a.body) {
			if !ownFamily.MatchString(line) {
				b.WriteString(line)
			}
		}
		return b.String()
	}
	for rest := []byte(a.body); len(rest) > 0; {
		message, n := protowire.ConsumeBytes(rest)
		var f dto.MetricFamily
		if n < 0 || proto.Unmarshal(message, &f) != nil {
			t.Fatalf("this is not a family: %q", clip(string(rest)))
		}
		if !ownFamily.MatchString(f.GetName()) {
			b.Write(rest[:n])
		}
		rest = rest[n:]
	}
	return b.String()
}

// wantEverything compares byte for byte with what could be seen before.
func (s *server) wantEverything(want map[string]string) {
	s.t.Helper()
	for what, got := range s.everything() {
		if got != want[what] {
			s.t.Errorf("%s: %s", what, firstDifference(got, want[what]))
		}
	}
}

// firstDifference shows where two texts begin to differ.
func firstDifference(got, want string) string {
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	from := max(0, at-60)
	return fmt.Sprintf("from byte %d of %d on, got %q, want %q of %d", at, len(got), clip(got[from:]), clip(want[from:]), len(want))
}

const textAsPushed = "text/plain;version=0.0.4;escaping=allow-utf-8"

// pushEverything makes groups of every kind that there is, and gives what must
// be seen of them.
func (s *server) pushEverything() map[string]string {
	s.t.Helper()
	for _, g := range stored {
		s.push(g.path, g.body, http.StatusOK)
	}
	s.push("/metrics/job/proto/instance/i", delimited(s.t, richFamilies()), http.StatusOK, "Content-Type", protobufDelimited)
	s.push("/metrics/job/utf8/U__foo_2e_bar/%C3%A4%20b", "# HELP \"metric.with dots\" H\\nelp.\n# TYPE \"metric.with dots\" gauge\n{\"metric.with dots\",\"label.x\"=\"1\"} 5\n", http.StatusOK)

	s.push("/metrics/job/merged", "older 1\nreplaced 1\n", http.StatusOK)
	s.want(http.StatusOK, http.MethodPost, "/metrics/job/merged", "newer 1\nreplaced 2\n")

	s.push("/metrics/job/fails", "kept 1\n", http.StatusOK)
	s.push("/metrics/job/fails", "kept 2 1000\n", http.StatusBadRequest)
	s.push("/metrics/job/never", "nothing 1 1000\n", http.StatusBadRequest)

	s.push("/metrics/job/gone", "gone 1\n", http.StatusOK)
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/gone", "")
	s.push("/metrics/job/last", "last 1\n", http.StatusOK) // and with it the failure times are on disk

	all := s.everything()
	for where, what := range map[string]string{
		textAsPushed: `{"metric.with dots","foo.bar"="ä b",instance="",job="utf8","label.x"="1"} 5`,
		accepts()[1]: "trace-of-native",
		accepts()[2]: "trace-of-counter",
	} {
		if !strings.Contains(all[where], what) {
			s.t.Errorf("%s has no %s", where, what)
		}
	}
	for _, job := range []string{"fails", "never"} {
		if s.value(fmt.Sprintf(`push_failure_time_seconds{instance="",job=%q}`, job)) == 0 {
			s.t.Errorf("the failure of %s has left no time", job)
		}
	}
	if older, newer := s.familyTime("merged", "older"), s.familyTime("merged", "newer"); !older.Before(newer) {
		s.t.Errorf("merged families have the times %v and %v", older, newer)
	}
	return all
}

// value is that of a series in the exposition.
func (s *server) value(series string) float64 {
	s.t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(s.scrape().body)
	if m == nil {
		s.t.Fatalf("%s is not exposed", series)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// familyTime is when a family of a job was pushed.
func (s *server) familyTime(job, family string) time.Time {
	s.t.Helper()
	var all struct{ Data []map[string]json.RawMessage }
	if err := json.Unmarshal([]byte(s.get("/api/v1/metrics").body), &all); err != nil {
		s.t.Fatal(err)
	}
	for _, g := range all.Data {
		var labels map[string]string
		var f struct {
			At time.Time `json:"time_stamp"`
		}
		if json.Unmarshal(g["labels"], &labels) == nil && labels["job"] == job && json.Unmarshal(g[family], &f) == nil {
			return f.At
		}
	}
	s.t.Fatalf("job %s has no family %s", job, family)
	return time.Time{}
}

// richFamilies have what only protobuf can say.
func richFamilies() []*dto.MetricFamily {
	at := timestamppb.New(time.Unix(1_700_000_000, 123_456_789))
	exemplar := func(trace string) *dto.Exemplar {
		return &dto.Exemplar{Label: pairsOf("trace_id", trace), Value: proto.Float64(0.5), Timestamp: at}
	}
	counter := &dto.MetricFamily{Name: proto.String("rich_total"), Help: proto.String("With an exemplar."), Type: dto.MetricType_COUNTER.Enum(), Metric: []*dto.Metric{{
		Label: pairsOf("a", "b"), Counter: &dto.Counter{Value: proto.Float64(3), Exemplar: exemplar("trace-of-counter"), CreatedTimestamp: at},
	}}}
	native := nativeFamily(2, 3, 1, 0)
	native.Metric[0].Histogram.Exemplars = []*dto.Exemplar{exemplar("trace-of-native")}
	native.Metric[0].Histogram.CreatedTimestamp = at
	classic := &dto.MetricFamily{Name: proto.String("classic"), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Histogram: &dto.Histogram{
		SampleCount: proto.Uint64(2), SampleSum: proto.Float64(1), Bucket: []*dto.Bucket{
			{UpperBound: proto.Float64(0.5), CumulativeCount: proto.Uint64(1), Exemplar: exemplar("trace-of-bucket")},
			{UpperBound: proto.Float64(2), CumulativeCount: proto.Uint64(2)},
		},
	}}}}
	gauges := &dto.MetricFamily{Name: proto.String("gauges"), Type: dto.MetricType_GAUGE_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Histogram: &dto.Histogram{
		SampleCountFloat: proto.Float64(2.5), SampleSum: proto.Float64(-1), Schema: proto.Int32(0), ZeroThreshold: proto.Float64(0.001), ZeroCountFloat: proto.Float64(0.5),
		PositiveSpan: []*dto.BucketSpan{{Offset: proto.Int32(-2), Length: proto.Uint32(1)}}, PositiveCount: []float64{1.25},
		NegativeSpan: []*dto.BucketSpan{{Offset: proto.Int32(0), Length: proto.Uint32(1)}}, NegativeCount: []float64{0.75},
	}}}}
	return []*dto.MetricFamily{counter, native, classic, gauges}
}

// wantWhole has the command verify look at a file that must be whole.
func wantWhole(t *testing.T, file string) {
	t.Helper()
	if code, out, errs := command(t, "verify", file); code != 0 || !strings.Contains(out, "0 faults") || errs != "" {
		t.Errorf("verify %s: exit code %d, %s%s", filepath.Base(file), code, out, errs)
	}
}

// TestPersistEverything ends the gateway in both ways.
func TestPersistEverything(t *testing.T) {
	file := filepath.Join(t.TempDir(), "metrics")
	args := []string{"--persistence.file=" + file, "--push.enable-utf8-names", "--web.enable-openmetrics"}
	s := start(t, args...)
	all := s.pushEverything()
	s.proc.Kill()
	wantWhole(t, file)
	s = start(t, args...)
	s.wantEverything(all)
	s.proc.Stop()
	wantWhole(t, file)
	s = start(t, args...)
	s.wantEverything(all)

	// It goes on from there.
	s.want(http.StatusOK, http.MethodPost, "/metrics/job/merged", "older 2\n")
	s.push("/metrics/job/last", "last_but_one 1\n", http.StatusOK)
	s.push("/metrics/job/last", "last_but_one 1 1000\n", http.StatusBadRequest)
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/fails", "")
	all = s.everything()
	s.proc.Stop() // the failure time is written on the way
	s = start(t, args...)
	s.wantEverything(all)
	s.wantSeries([]string{`older{instance="",job="merged"} 2`, `newer{instance="",job="merged"} 1`}, []string{`kept{instance="",job="fails"} 1`})
	if s.value(`push_failure_time_seconds{instance="",job="last"}`) == 0 {
		t.Error("the last failure is forgotten")
	}
}

// TestPersistWipe wants all groups to be gone for good.
func TestPersistWipe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "metrics")
	args := []string{"--persistence.file=" + file, "--push.enable-utf8-names", "--web.enable-openmetrics", "--web.enable-admin-api"}
	s := start(t, args...)
	empty := s.everything()
	s.pushEverything()
	s.want(http.StatusAccepted, http.MethodPut, "/api/v1/admin/wipe", "")
	s.proc.Kill()
	wantWhole(t, file)
	s = start(t, args...)
	s.wantEverything(empty)
	s.pushEverything()
}

// TestPersistConflicts wants the older of two to be exposed after a restart
// too, whatever the order of their keys.
func TestPersistConflicts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "metrics")
	args := []string{"--persistence.file=" + file, "--push.disable-consistency-check", "--web.enable-openmetrics"}
	s := start(t, args...)
	for _, p := range [][2]string{
		{"z", "# TYPE typed gauge\ntyped 1\n"},
		{"a", "# TYPE typed counter\ntyped 1\n# TYPE h histogram\nh_count 1\nh_sum 1\n"},
		{"b", "h_count 1\n"},
		{"y/x/1", "same 1\n"},
		{"y", "same{x=\"1\"} 2\n"},
		{"m", "# TYPE typed summary\ntyped_count 1\ntyped_sum 2\n"},
		{"z", "# TYPE typed gauge\ntyped 2\n"}, // still the oldest
	} {
		s.push("/metrics/job/"+p[0], p[1], http.StatusAccepted)
	}
	exposed := []string{`typed{instance="",job="z"} 2`, `h_count{instance="",job="a"} 1`, `same{instance="",job="y",x="1"} 1`, "pushgateway_families_left_out 4"}
	s.wantSeries(exposed, nil)
	for _, end := range []func(*process){(*process).Kill, (*process).Stop} {
		all := s.everything()
		end(s.proc)
		s = start(t, args...)
		s.wantEverything(all)
		s.wantSeries(exposed, nil)
	}
	// What was left out comes to light in the order of its age.
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/z", "")
	s.wantSeries([]string{`typed{instance="",job="a"} 1`, "pushgateway_families_left_out 3"}, nil)
	all := s.everything()
	s.proc.Stop()
	start(t, args...).wantEverything(all)
}

// TestPersistUncheckedConflictsAreChecked starts with the check on a file from
// without it.
func TestPersistUncheckedConflictsAreChecked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "metrics")
	s := start(t, "--persistence.file="+file, "--push.disable-consistency-check")
	s.push("/metrics/job/b", "# TYPE m gauge\nm 1\n", http.StatusAccepted)
	s.push("/metrics/job/a", "# TYPE m counter\nm 1\n", http.StatusAccepted)
	s.proc.Stop()
	s = start(t, "--persistence.file="+file)
	s.wantSeries([]string{`m{instance="",job="b"} 1`, "pushgateway_families_left_out 1"}, nil)
	s.push("/metrics/job/c", "# TYPE m counter\nm 1\n", http.StatusBadRequest)
}

// TestPersistInterval is about pushes that are answered before they are on
// disk.
func TestPersistInterval(t *testing.T) {
	file := filepath.Join(t.TempDir(), "metrics")
	args := []string{"--persistence.file=" + file, "--persistence.interval=1h", "--push.enable-utf8-names", "--web.enable-openmetrics"}
	s := start(t, args...)
	all := s.pushEverything()
	if n := s.value("pushgateway_journal_commits_total"); n != 0 {
		t.Errorf("there were %v commits within the interval", n)
	}
	s.proc.Stop()
	s = start(t, args...)
	s.wantEverything(all)

	s.push("/metrics/job/last", "last 2\n", http.StatusOK)
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/merged", "")
	s.push("/metrics/job/lost", "lost 1\n", http.StatusOK)
	s.proc.Kill()
	wantWhole(t, file)
	s = start(t, args...)
	s.wantEverything(all)
	s.proc.Stop()

	s = start(t, "--persistence.file="+file, "--persistence.interval=20ms", "--push.enable-utf8-names", "--web.enable-openmetrics")
	s.push("/metrics/job/found", "found 1\n", http.StatusOK)
	all = s.everything()
	s.await("pushgateway_journal_commit_changes_sum", 1)
	s.proc.Kill()
	start(t, args...).wantEverything(all)
}

// await scrapes until a number is large enough.
func (s *server) await(series string, least float64) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); s.value(series) < least; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s stays below %v", series, least)
		}
	}
}

// TestPersistMetrics counts what the journal is said to do.
func TestPersistMetrics(t *testing.T) {
	file := filepath.Join(t.TempDir(), "metrics")
	s := start(t, "--persistence.file="+file)
	want := func(commits, changes float64) {
		t.Helper()
		for series, want := range map[string]float64{
			"pushgateway_journal_commits_total":                 commits,
			"pushgateway_journal_commit_changes_count":          commits,
			"pushgateway_journal_commit_changes_sum":            changes,
			"pushgateway_journal_commit_duration_seconds_count": commits,
			"pushgateway_journal_commit_failures_total":         0,
			"pushgateway_journal_writable":                      1,
		} {
			if got := s.value(series); got != want {
				t.Errorf("%s is %v, want %v", series, got, want)
			}
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.value("pushgateway_journal_file_size_bytes"); got != float64(info.Size()) {
			t.Errorf("the size is said to be %v, and is %d", got, info.Size())
		}
		for _, series := range []string{"pushgateway_journal_written_bytes_total", "pushgateway_journal_last_commit_timestamp_seconds", "pushgateway_journal_commit_duration_seconds_sum"} {
			if got := s.value(series); (got > 0) != (commits > 0) {
				t.Errorf("%s is %v after %v commits", series, got, commits)
			}
		}
	}
	want(0, 0)
	s.push("/metrics/job/a", "m 1\n", http.StatusOK)
	want(1, 1)
	written := s.value("pushgateway_journal_written_bytes_total")
	s.push("/metrics/job/b", "m 1\n", http.StatusOK)
	s.want(http.StatusOK, http.MethodPost, "/metrics/job/a", "n 1\n")
	want(3, 3)
	if now := s.value("pushgateway_journal_written_bytes_total"); now <= written {
		t.Errorf("%v bytes are written, after %v", now, written)
	}
	s.push("/metrics/job/a", "m 1 1000\n", http.StatusBadRequest) // its time is written with the next push
	want(3, 3)
	s.push("/metrics/job/b", "m 2\n", http.StatusOK)
	want(4, 5)
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/a", "")
	want(5, 6)
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/a", "") // there is none
	s.push("/metrics/job/a", "m x\n", http.StatusBadRequest)
	want(5, 6)
}

// TestPersistMetricsAreReserved wants a gateway to keep the names free for the
// day it is started with a file.
func TestPersistMetricsAreReserved(t *testing.T) {
	s := start(t)
	if strings.Contains(s.scrape().body, "pushgateway_journal_") {
		t.Error("a gateway without a file exposes metrics of one")
	}
	for _, name := range []string{
		"pushgateway_journal_commits_total", "pushgateway_journal_commit_failures_total", "pushgateway_journal_written_bytes_total",
		"pushgateway_journal_commit_changes", "pushgateway_journal_commit_duration_seconds",
		"pushgateway_journal_last_commit_timestamp_seconds", "pushgateway_journal_file_size_bytes", "pushgateway_journal_writable",
	} {
		if a := s.push("/metrics/job/a", name+" 1\n", http.StatusBadRequest); !strings.Contains(a.body, name) {
			t.Errorf("%s: the refusal does not name it: %s", name, a.body)
		}
	}
	s.push("/metrics/job/a", "# TYPE pushgateway_journal_writable gauge\npushgateway_journal_writable 1\n", http.StatusOK)
	s.wantSeries([]string{`pushgateway_journal_writable{instance="",job="a"} 1`}, nil)
}
