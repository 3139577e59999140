package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pushgateway/internal/natstest"
)

// TestClusterRotation has credentials that end while a gateway uses them. It says so,
// serves scrapes, and goes on once the file has others.
func TestClusterRotation(t *testing.T) {
	t.Parallel()
	c, _ := natstest.StartSecured(t, nil, nil, nil)
	file := c.Credentials(time.Now().Add(4 * time.Second))
	s := joinCluster(t, c, "S", "--cluster.credentials-file="+file)
	s.push("/metrics/job/j", "m 1\n", http.StatusOK)
	s.eventually("that the servers refuse the gateway", func() bool {
		return s.do(http.MethodGet, "/-/ready?for=push", "").status == http.StatusServiceUnavailable
	})
	s.exposes(`m{instance="",job="j"} 1`, true)
	if !strings.Contains(strings.ToLower(s.log.String()), "authentication expired") {
		t.Errorf("the log does not say why:\n%s", s.log)
	}
	fresh := must(os.ReadFile(c.Credentials(time.Time{})))
	if err := os.WriteFile(file, fresh, 0o600); err != nil {
		t.Fatal(err)
	}
	s.recovers()
	s.push("/metrics/job/j", "m 2\n", http.StatusOK)
}

// account is a part of a configuration file: an account with a user, which JetStream
// gives some storage, or nothing.
func account(storage string) string {
	limits := ""
	if storage != "" {
		limits = fmt.Sprintf("jetstream: { max_file: %s, max_mem: 1MB }, ", storage)
	}
	return "accounts: { A: { " + limits + "users: [ { user: a, password: b } ] } }"
}

// withUser are the addresses of servers, with the user of account.
func withUser(c *natstest.Cluster) addresses {
	return addresses{strings.Replace(c.URLs()[0], "nats://", "nats://a:b@", 1)}
}

// TestClusterAccount has an account that may use no JetStream, then too little storage
// for the stream, and then too little for what is pushed.
func TestClusterAccount(t *testing.T) {
	t.Parallel()
	c := natstest.StartWith(t, account(""))
	s := unready(t, clusterArgs(withUser(c), "S")...)
	s.eventually("what it waits for", func() bool {
		return strings.Contains(s.want(http.StatusServiceUnavailable, http.MethodGet, "/-/ready", "").body, "enable JetStream in the servers' configuration, and for the account")
	})
	c.Reload(account("3MB"))
	s.proc.AwaitExit(1)
	if log := s.log.String(); !strings.Contains(log, "or the storage that the account may use, or lower --cluster.max-bytes") {
		t.Errorf("the gateway ends with\n%s", log)
	}

	s = joinCluster(t, withUser(c), "S", "--cluster.max-bytes=2MiB")
	c.Reload(account("1MB"))
	body, acknowledged := randomMetrics(400), 0
	for {
		got := s.do(http.MethodPut, fmt.Sprint("/metrics/job/j/n/", acknowledged), body)
		if got.status != http.StatusOK {
			if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "raise the storage that the account may use") {
				t.Errorf("a push to a full account: %d %q", got.status, got.body)
			}
			break
		}
		if acknowledged++; acknowledged == 5000 {
			t.Fatal("the account was never full")
		}
	}
	s.get("/-/ready")
	c.Reload(account("30MB"))
	s.recovers()
	s.push("/metrics/job/j/n/new", body, http.StatusOK)
	s.exposes(fmt.Sprint("pushgateway_groups ", acknowledged+1), true)
}

// TestClusterNoServer names servers that do not exist. The gateway waits, and says so.
func TestClusterNoServer(t *testing.T) {
	t.Parallel()
	s := unready(t, "--cluster.url=nats://nats.invalid:4222")
	s.eventually("what it waits for", func() bool {
		body := s.want(http.StatusServiceUnavailable, http.MethodGet, "/-/ready", "").body
		return strings.Contains(body, "it waits: connecting to nats://nats.invalid:4222: ") && strings.Contains(body, "lookup nats.invalid")
	})
}

// TestClusterCutOff cuts the way to the servers while a wipe and an import go on, and
// pauses a gateway while others change groups.
func TestClusterCutOff(t *testing.T) {
	t.Parallel()
	const groups = 1500
	file := filepath.Join(t.TempDir(), "metrics.db")
	s := start(t, "--persistence.file="+file)
	var body strings.Builder
	for i := range groups {
		fmt.Fprintf(&body, "m{job=\"j%d\"} %d\n", i, i)
	}
	s.want(http.StatusOK, http.MethodPut, "/api/v1/push?group_by=job", body.String())
	s.proc.Stop()
	c := natstest.Start(t, 1)
	links, urls := natstest.NewLinks(t, c)
	whileCut := func(what func()) {
		ended := make(chan bool)
		go func() {
			defer close(ended)
			what()
		}()
		time.Sleep(150 * time.Millisecond)
		links[0].Lose(true, true)
		time.Sleep(3 * time.Second)
		links[0].Mend()
		<-ended
	}
	whileCut(func() {
		code, out, errs := command(t, append([]string{"import", "--cluster.replicas=1"}, append(connection(addresses(urls), "S"), file)...)...)
		if code != 0 || !strings.Contains(out, fmt.Sprint("has ", groups, " groups of ")) {
			t.Errorf("the import: exit code %d, %q, %q", code, clip(out), clip(errs))
		}
	})
	a, b := joinCluster(t, addresses(urls), "S"), joinCluster(t, c, "S")
	a.exposes(fmt.Sprint("pushgateway_groups ", groups), true)

	if err := b.proc.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	a.push("/metrics/job/j0", "n 1\n", http.StatusOK)
	a.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/j1", "")
	time.Sleep(6 * time.Second) // its connection ends
	if err := b.proc.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	b.exposes(`n{instance="",job="j0"} 1`, true)
	b.exposes(`m{instance="",job="j1"} 1`, false)
	b.push("/metrics/job/j1", "n 1\n", http.StatusOK)

	whileCut(func() {
		got := a.do(http.MethodPut, "/api/v1/admin/wipe", "")
		if got.status != http.StatusAccepted && got.status != http.StatusServiceUnavailable {
			t.Errorf("a wipe without a connection: %d %q", got.status, got.body)
		}
	})
	a.recovers()
	a.want(http.StatusAccepted, http.MethodPut, "/api/v1/admin/wipe", "")
	for _, s := range []*server{a, b} {
		s.exposes("pushgateway_groups 0", true)
	}
}

// TestClusterAccountLimits has an account that may have no further stream, or none as
// large as the gateway wants. A gateway that must make its stream says what to do. One
// whose stream exists starts and goes on.
func TestClusterAccountLimits(t *testing.T) {
	t.Parallel()
	limited := func(limits string) string {
		return "accounts: { A: { jetstream: { max_file: 30MB, max_mem: 1MB, " + limits + " }, users: [ { user: a, password: b } ] } }"
	}
	c := natstest.StartWith(t, limited("max_streams: 1"))
	args := func(stream string) []string {
		return append(clusterArgs(withUser(c), stream), "--cluster.max-bytes=2MiB")
	}
	s := start(t, args("S")...)
	s.push("/metrics/job/j", "m 1\n", http.StatusOK)
	for _, tt := range []struct{ limits, says string }{
		{"max_streams: 1", "raise the number of streams that the account may have"},
		{"disk_max_stream_bytes: 1MB", "lower --cluster.max-bytes"},
	} {
		c.Reload(limited(tt.limits))
		code, _, log := command(t, append([]string{"--web.listen-address=127.0.0.1:0"}, args("T")...)...)
		if code != 1 || !strings.Contains(log, tt.says) {
			t.Errorf("%s: the gateway ends with %d and\n%s", tt.limits, code, log)
		}
		s.push("/metrics/job/j", "m 2\n", http.StatusOK)
		again := start(t, args("S")...)
		again.exposes(`m{instance="",job="j"} 2`, true)
		again.proc.Stop()
	}
	c.Reload(limited("max_streams: 2, max_consumers: 1"))
	start(t, args("T")...).push("/metrics/job/j", "m 3\n", http.StatusOK)
	c.Reload(limited("max_streams: 1, max_consumers: 1"))
	for _, stream := range []string{"S", "T"} {
		start(t, args(stream)...).push("/metrics/job/j", "m 4\n", http.StatusOK)
	}
}

// TestClusterNeighborDeleted has two clusters in one NATS, and deletes the stream of one
// of them. The other one notices nothing.
func TestClusterNeighborDeleted(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 3)
	s, other := joinCluster(t, c, "S"), joinCluster(t, c, "S2")
	s.push("/metrics/job/j", "m 1\n", http.StatusOK)
	other.push("/metrics/job/j", "m 2\n", http.StatusOK)
	removeStream(t, c, "S2")
	other.eventually("that the gateway misses its stream", func() bool {
		return other.do(http.MethodGet, "/-/ready?for=push", "").status == http.StatusServiceUnavailable
	})
	other.exposes(`m{instance="",job="j"} 2`, true)
	joinCluster(t, c, "S2").push("/metrics/job/k", "m 3\n", http.StatusOK) // makes it anew
	s.get("/-/ready?for=push")
	s.push("/metrics/job/j", "m 4\n", http.StatusOK)
	joinCluster(t, c, "S").exposes(`m{instance="",job="j"} 4`, true)
	for _, word := range []string{"WARN", "ERROR"} {
		if log := s.log.String(); strings.Contains(log, word) {
			t.Errorf("the neighbor's log has\n%s", log)
		}
	}
}
