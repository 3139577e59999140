package attack

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
)

// refusedBody is one that is refused for what it says.
const refusedBody = "m 1 1234567\n"

// TestRefusedPushesClaimNothing fails for a group that exposes the same times as
// somebody else's, which is pushed to afterwards.
func TestRefusedPushesClaimNothing(t *testing.T) {
	g := besiege(t)
	g.want(http.StatusBadRequest, http.MethodPut, "/metrics/job/victim/instance@base64/=", refusedBody)
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/victim", "m 1\n")
	g.want(http.StatusBadRequest, http.MethodPut, "/metrics/job/victim/instance@base64/=", refusedBody)
	text := g.want(http.StatusOK, http.MethodGet, "/metrics", "")
	if n := strings.Count(text, `push_failure_time_seconds{instance="",job="victim"}`); n != 1 {
		t.Errorf("a scrape has the failure time %d times", n)
	}
}

// TestFamilyWithoutSeriesClaimsNothing pushes a type for a name, and no series.
func TestFamilyWithoutSeriesClaimsNothing(t *testing.T) {
	g := besiege(t)
	var body bytes.Buffer
	for name, of := range map[string]dto.MetricType{"taken": dto.MetricType_GAUGE, "taken_bucket": dto.MetricType_COUNTER, "h": dto.MetricType_HISTOGRAM} {
		f := &dto.MetricFamily{Name: proto.String(name), Type: of.Enum()}
		if _, err := protodelim.MarshalTo(&body, f); err != nil {
			t.Fatal(err)
		}
	}
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/squat", body.String(),
		"Content-Type", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited")
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/victim", "# TYPE taken histogram\ntaken_bucket{le=\"+Inf\"} 1\ntaken_sum 1\ntaken_count 1\nh_count 1\n")
}

// TestFloodOfRefusals fails for far more groups than are kept, and for some with
// long keys: a neighbour's failures stay, and scrapes do not grow without end.
func TestFloodOfRefusals(t *testing.T) {
	g := besiege(t)
	client := clientFrom(neighbour, patience)
	for i := range 10 {
		if status, text, err := ask(client, http.MethodPut, fmt.Sprintf("%s/metrics/job/nightly%d", g.base, i), refusedBody); status != http.StatusBadRequest {
			t.Fatalf("got %d %q, %v", status, text, err)
		}
	}
	for i := range 50 {
		g.want(http.StatusBadRequest, http.MethodPut, fmt.Sprintf("/metrics/job/long%d/l/%s", i, strings.Repeat("x", 31_000)), refusedBody)
	}
	for round := range 2 {
		var body strings.Builder
		body.WriteString("# TYPE go_goroutines counter\n")
		for i := range 10_000 {
			fmt.Fprintf(&body, "go_goroutines{job=\"flood%d_%d\"} 1\n", round, i)
		}
		g.want(http.StatusBadRequest, http.MethodPut, "/api/v1/push?group_by=job", body.String())
	}
	text := g.want(http.StatusOK, http.MethodGet, "/metrics", "")
	for i := range 10 {
		if !strings.Contains(text, fmt.Sprintf(`push_failure_time_seconds{instance="",job="nightly%d"} 1`, i)) {
			t.Errorf("the failure of nightly%d is gone", i)
		}
	}
	if n := strings.Count(text, "push_failure_time_seconds{"); n > 10_100 || len(text) > 8<<20 {
		t.Errorf("a scrape has %d failure times in %d bytes", n, len(text))
	}
}
