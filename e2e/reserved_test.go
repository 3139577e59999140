package e2e

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// reserving is the flag with what docs/security.md recommends.
const reserving = "--push.reserved-names=up|scrape_.*|ALERTS.*"

// TestReservedNames pushes names that the flag keeps from pushes, and others,
// by every way in.
func TestReservedNames(t *testing.T) {
	s := start(t, reserving, "--web.enable-openmetrics", "--push.enable-utf8-names")
	for _, c := range []struct{ name, body, says string }{
		{"a gauge", "# TYPE up gauge\nup 1\n", `family "up": the name `},
		{"without a type", "up{job=\"x\"} 1\n", `family "up": the name `},
		{"by the expression", "scrape_duration_seconds 1\n", `family "scrape_duration_seconds": the name `},
		{"an alert", "ALERTS{alertname=\"A\",alertstate=\"firing\"} 1\n", `family "ALERTS": the name `},
		{"behind others", "# TYPE a gauge\na 1\nup 1\n", `family "up": the name `},
		{"as a quoted name", "{\"up\"} 1\n", `family "up": the name `},
		{"a summary", "# TYPE up summary\nup_sum 1\nup_count 1\n", `family "up": the name `},
		{"by a line", "# TYPE scrape summary\nscrape_sum 1\nscrape_count 1\n", `family "scrape": its exposed name "scrape_count" `},
		{"by a bucket", "# TYPE scrape histogram\nscrape_bucket{le=\"+Inf\"} 1\nscrape_sum 1\nscrape_count 1\n", `family "scrape": its exposed name "scrape_count" `},
		{"by a line of OpenMetrics", "# TYPE scrape counter\nscrape 1\n", `family "scrape": its exposed name "scrape_total" `},
		{"by escaping", "{\"scrape.duration\"} 1\n", `family "scrape.duration": its exposed name "scrape_duration" `},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, answer := range s.with(t).pushAllWays(c.body, http.StatusBadRequest) {
				if !strings.Contains(answer, c.says+`is reserved by --push.reserved-names="up|scrape_.*|ALERTS.*"; push it under another name`) {
					t.Errorf("the answer does not say what is reserved: %s", answer)
				}
			}
		})
	}
	for _, body := range []string{"upp 1\n", "a_up 1\n", "# TYPE a summary\na_sum 1\na_count 1\n", "rescrape_x 1\n", "# TYPE scrape gauge\nscrape 1\n", "{\"u.p\"} 1\n"} {
		s.pushAllWays(body, http.StatusOK)
		s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/j", "")
	}
}

// pushAllWays pushes a text in the ways that a group can be pushed to, and wants
// a status. It gives the answers.
func (s *server) pushAllWays(text string, want int) (answers []string) {
	s.t.Helper()
	for _, way := range [][2]string{{http.MethodPut, ""}, {http.MethodPost, ""}, {http.MethodPost, "?merge=series"}} {
		answers = append(answers, s.want(want, way[0], "/metrics/job/j"+way[1], text).body)
	}
	return answers
}

// TestReservedNamesOfStartTimes pushes start times, whose lines have a reserved name in
// OpenMetrics.
func TestReservedNamesOfStartTimes(t *testing.T) {
	s := start(t, "--push.reserved-names=.*_created", "--web.enable-openmetrics")
	openMetrics := []string{"Content-Type", "application/openmetrics-text; version=1.0.0"}
	for body, want := range map[string]int{
		"# TYPE a counter\na_total 1\na_created 5\n# EOF\n":                                     http.StatusBadRequest,
		"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 1\nh_created 5\n# EOF\n": http.StatusBadRequest,
		"# TYPE a counter\na_total 1\n# EOF\n":                                                  http.StatusOK,
	} {
		s.push("/metrics/job/j", body, want, openMetrics...)
	}
}

// TestReservedNamesProtobuf has no text that would give the names away.
func TestReservedNamesProtobuf(t *testing.T) {
	s := start(t, reserving)
	native := &dto.MetricFamily{Name: proto.String("up"), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Histogram: &dto.Histogram{
		SampleCount: proto.Uint64(1), SampleSum: proto.Float64(1), Schema: proto.Int32(0), ZeroThreshold: proto.Float64(1e-9), ZeroCount: proto.Uint64(1),
	}}}}
	s.push("/metrics/job/j", delimited(t, []*dto.MetricFamily{native}), http.StatusBadRequest, "Content-Type", protobufDelimited)
	gauge := &dto.MetricFamily{Name: proto.String("scrape_x"), Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: proto.Float64(1)}}}}
	s.push("/metrics/job/j", delimited(t, []*dto.MetricFamily{gauge}), http.StatusBadRequest, "Content-Type", protobufDelimited)
}

// TestReservedNamesOfMany pushes several groups at once: only those are refused
// that use such a name.
func TestReservedNamesOfMany(t *testing.T) {
	s := start(t, reserving)
	a := s.want(http.StatusBadRequest, http.MethodPost, "/api/v1/push?group_by=job", "# TYPE a gauge\na{job=\"good\"} 1\na{job=\"bad\"} 1\n# TYPE up gauge\nup{job=\"bad\"} 1\n")
	if !strings.Contains(a.body, `"taken":1`) || !strings.Contains(a.body, "is reserved by --push.reserved-names=") {
		t.Errorf("got %s", a.body)
	}
	if body := s.scrape().body; !strings.Contains(body, `a{instance="",job="good"} 1`) || strings.Contains(body, `a{instance="",job="bad"}`) {
		t.Errorf("not only the good group was taken:\n%s", body)
	}
}

// TestReservedNamesAreStored starts with the flag on groups that use such names:
// they stay, and can be deleted. That one was pushed before does not let it in
// again.
func TestReservedNamesAreStored(t *testing.T) {
	file := "--persistence.file=" + filepath.Join(t.TempDir(), "metrics")
	const body = "# TYPE up gauge\nup 1\n"
	s := start(t, file)
	for range 3 { // it is filled in
		s.push("/metrics/job/j", body, http.StatusOK)
	}
	s.proc.Stop()
	s = start(t, file, reserving)
	for range 3 {
		s.push("/metrics/job/j", "# TYPE up gauge\nup 2\n", http.StatusBadRequest)
	}
	if got := s.scrape().body; !strings.Contains(got, `up{instance="",job="j"} 1`) {
		t.Errorf("the group is gone:\n%s", got)
	}
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/j", "")
	if got := s.scrape().body; strings.Contains(got, `up{`) {
		t.Errorf("the group cannot be deleted:\n%s", got)
	}
}

// TestReservedNamesOff takes every name by default, as 1.11 does.
func TestReservedNamesOff(t *testing.T) {
	for _, args := range [][]string{nil, {"--push.reserved-names="}} {
		start(t, args...).push("/metrics/job/j", "up 1\nscrape_duration_seconds 1\nALERTS 1\n", http.StatusOK)
	}
}
