package e2e

import (
	"net/http"
	"strings"
	"testing"

	"pushgateway/internal/natstest"
)

// TestClusterTexts reads what a gateway says of where groups are kept. None of
// it may speak of a file.
func TestClusterTexts(t *testing.T) {
	c := natstest.Start(t, 1)
	s := joinCluster(t, c, "S", "--cluster.advertise-address=a:9091")
	s.push("/metrics/job/j", "m 1\n", http.StatusOK)
	s.eventually("the stream in the overview", func() bool {
		body := s.get("/api/v1/overview").body
		return strings.Contains(body, `"storage":{"kind":"stream","name":"S","size_bytes":`) &&
			strings.Contains(body, `"max_size_bytes":1073741824,"members":["a:9091"]}`)
	})
	for _, line := range strings.Split(s.get("/-/metrics").body, "\n") {
		if strings.HasPrefix(line, "# HELP pushgateway_journal_") && strings.Contains(line, "file") && !strings.Contains(line, "_file_size_bytes Size of the stream") {
			t.Errorf("a metric of a stream speaks of a file: %s", line)
		}
	}
	for _, want := range []string{
		"Checked the stream and the NATS server", "replicas=1", "version=2.", "Read the stream",
		"Not checked", "sync_interval of the servers, versions of the other servers, damage of replicas",
	} {
		if log := s.log.String(); !strings.Contains(log, want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
}
