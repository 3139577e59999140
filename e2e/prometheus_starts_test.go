package e2e

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var prometheus3 = flag.String("prometheus3", "", "binary of Prometheus 3, for tests for which Debian's is too old; build makes that of tools/prometheus, which takes minutes")

// newPrometheus returns the binary of Prometheus 3.
func newPrometheus(t *testing.T) (binary string) {
	t.Helper()
	switch *prometheus3 {
	case "":
		t.Skip("make release-test runs this")
	case "build":
	default:
		return *prometheus3
	}
	binary = filepath.Join(t.TempDir(), "prometheus")
	cmd := exec.Command("go", "-C", "../tools/prometheus", "build", "-tags", "remove_all_sd", "-o", binary, "github.com/prometheus/prometheus/cmd/prometheus")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return binary
}

// TestPrometheusStartTimes lets a Prometheus scrape sums that reads start times.
// It stores a 0 at the start of each, so increase() sees the first value, too.
func TestPrometheusStartTimes(t *testing.T) {
	binary := newPrometheus(t)
	for _, protocol := range []string{"PrometheusProto", "OpenMetricsText1.0.0", "OpenMetricsText0.0.1"} {
		t.Run(protocol, func(t *testing.T) {
			s := start(t, "--web.enable-openmetrics")
			addr := runPrometheus(t, binary, scrapeConfig(s)+fmt.Sprintf("  scrape_protocols: [%s]\n", protocol), "--enable-feature=created-timestamp-zero-ingestion")
			await(t, addr, `up{job="pushgateway"}`, "1")
			for range 2 {
				s.add("a", counted(3)+
					"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 5\nh_count 2\n"+
					"# TYPE s summary\ns_sum 5\ns_count 2\n", http.StatusOK)
			}
			s.want(http.StatusOK, http.MethodPost, "/metrics/job/b", "# TYPE plain_total counter\nplain_total 3\n")
			for name, want := range map[string]string{"mails_total": "6", `h_bucket{le="+Inf"}`: "4", "h_sum": "10", "h_count": "4", "s_sum": "10", "s_count": "4"} {
				await(t, addr, "max_over_time("+name+"[5m])", want)
				await(t, addr, "min_over_time("+name+"[5m])", "0")
				await(t, addr, "increase("+name+"[5m]) > bool 0.99 * "+want, "1")
			}
			await(t, addr, "min_over_time(plain_total[5m])", "3")
		})
	}
}
