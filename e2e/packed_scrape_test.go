package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// TestPackedScrapesAgain scrapes with curl while groups change. What is put together
// from pieces of earlier scrapes is what a scrape without compression gets.
func TestPackedScrapesAgain(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip(err)
	}
	s := start(t)
	push := func(group, value int) {
		body := fmt.Sprintf("# TYPE records gauge\nrecords{stage=\"extract\",shard=\"%[1]d\"} %[1]d\nrecords{stage=\"load\",shard=\"%[1]d\"} %[1]d\n", value)
		s.push(fmt.Sprint("/metrics/job/packed/instance/host-", group), body, http.StatusOK)
	}
	const groups = 600
	for group := range groups {
		push(group, 1)
	}
	const path, protobuf = "/metrics?own=false", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	for round := range 4 {
		push(round*round*37, round)
		s.want(http.StatusAccepted, http.MethodDelete, fmt.Sprint("/metrics/job/packed/instance/host-", 100*round+5), "")
		for _, accept := range []string{"text/plain;version=0.0.4", protobuf} {
			plain := s.get(path, "Accept", accept, "Accept-Encoding", "identity").body
			for _, coding := range []string{"gzip", "zstd", "deflate, gzip, br, zstd"} {
				out, err := exec.Command(curl, "-sS", "--compressed", "-H", "Accept: "+accept, "-H", "Accept-Encoding: "+coding, s.base+path).Output()
				if exit, failed := err.(*exec.ExitError); failed && strings.Contains(string(exit.Stderr), "encoding") && coding != "gzip" {
					t.Logf("%s is not tried, since this curl cannot read it: %s", coding, exit.Stderr)
					continue
				}
				if err != nil || string(out) != plain {
					t.Fatalf("round %d, %s, %s: curl gets %d bytes of %d, %v", round, accept, coding, len(out), len(plain), err)
				}
			}
		}
	}
}
