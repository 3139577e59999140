package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/natstest"
)

// TestClusterRecovery does what docs/cluster.md says about servers that are lost
// for good, and about a stream that is gone.
func TestClusterRecovery(t *testing.T) {
	file, all := makeMovable(t)
	c := natstest.Start(t, 3)
	move(t, "import", append(connection(c, "S"), file)...)
	s := joinCluster(t, c, "S", movable("--push.disable-consistency-check")...)
	s.wantEverything(all)

	c.Stop(0)
	c.Stop(1)
	copied := filepath.Join(t.TempDir(), "copy")
	move(t, "backup", "--url="+s.base, copied)
	rest := natstest.Start(t, 1)
	move(t, "import", append(connection(rest, "S"), "--cluster.replicas=1", copied)...)
	again := joinCluster(t, rest, "S", movable("--push.disable-consistency-check")...)
	again.wantEverything(all)
	addOnce(again, "one", true)

	removeStream(t, rest, "S")
	again.eventually("a refusal", func() bool { return again.do("GET", "/-/ready?for=push", "").status == 503 })
	move(t, "backup", "--url="+again.base, copied)
	move(t, "import", append(connection(rest, "S"), "--cluster.replicas=1", copied)...)
	again.proc.Stop()
	last := joinCluster(t, rest, "S", movable("--push.disable-consistency-check")...)
	last.wantEverything(all)
	addOnce(last, "one", true)
	addOnce(last, "two", false)
}

// removeStream deletes a stream behind the back of its gateways.
func removeStream(t *testing.T, c *natstest.Cluster, stream string) {
	t.Helper()
	conn, err := nats.Connect(strings.Join(c.URLs(), ","))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	m, err := conn.Request("$JS.API.STREAM.DELETE."+stream, nil, 5*time.Second)
	if err != nil || !strings.Contains(string(m.Data), `"success":true`) {
		t.Fatalf("%v %s", err, m.Data)
	}
}
