package e2e

import (
	"encoding/json"
	"math"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"pushgateway/internal/natstest"
)

// listed is a gateway in the list of members.
type listed struct {
	Address  string
	Version  string
	Self     bool
	Heard    time.Time
	Revision uint64
	Behind   uint64  `json:"lag_messages"`
	Lag      float64 `json:"lag_seconds"`
	Skew     float64 `json:"clock_skew_seconds"`
}

func (s *server) members() []listed {
	s.t.Helper()
	var got struct{ Data struct{ Members []listed } }
	if a := s.get("/api/v1/members"); json.Unmarshal([]byte(a.body), &got) != nil || !strings.Contains(a.body, `"members":[`) {
		s.t.Fatalf("the members are %s", a.body)
	}
	return got.Data.Members
}

// TestClusterList lists the members of a cluster, one of which is paused. The
// others must tell that it lags.
func TestClusterList(t *testing.T) {
	if got := start(t).members(); len(got) != 0 {
		t.Errorf("a gateway alone has the members %v", got)
	}
	c := natstest.Start(t, 1)
	a, b := joinCluster(t, c, "S", "--cluster.advertise-address=a:9091"), joinCluster(t, c, "S", "--cluster.advertise-address=b:9091")
	var all []listed
	a.eventually("two members without a lag", func() bool {
		all = a.members()
		return len(all) == 2 && all[0].Revision > 0 && all[1].Revision > 0 && all[0].Lag+all[1].Lag == 0
	})
	out, err := exec.Command(binary, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"a:9091", "b:9091"} {
		m := all[i]
		if m.Address != want || m.Self != (i == 0) || m.Version == "" || !strings.Contains(string(out), m.Version) || m.Heard.IsZero() || math.Abs(m.Skew) > 60 {
			t.Errorf("a member is listed as %+v, version %s", m, out)
		}
	}
	if got := b.members(); got[0].Self || !got[1].Self {
		t.Errorf("the other member lists %+v", got)
	}
	if err := b.proc.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	a.eventually("the lag of a paused member", func() bool { return a.members()[1].Lag > 0 })
	if a.members()[0].Lag != 0 {
		t.Error("the member that is not paused lags, too")
	}
	if err := b.proc.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	a.eventually("no lag", func() bool { return a.members()[1].Lag == 0 })
	b.proc.Stop()
	a.eventually("one member", func() bool { return len(a.members()) == 1 })
	a.want(http.StatusMethodNotAllowed, http.MethodPost, "/api/v1/members", "")
}
