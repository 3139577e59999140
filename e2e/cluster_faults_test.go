package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/natstest"
)

var clusterFaults = flag.Bool("cluster.faults", false, "also fail servers in ways that take most of a minute each")

func needsFaults(t *testing.T) {
	t.Helper()
	if !*clusterFaults {
		t.Skip("it takes most of a minute, and runs with make siege")
	}
}

// TestClusterLeaderLost kills the leader of the stream while an import, a delete by
// selector and a wipe go on. Each ends with what it says.
func TestClusterLeaderLost(t *testing.T) {
	needsFaults(t)
	const groups = 1500
	file := filepath.Join(t.TempDir(), "metrics.db")
	s := start(t, "--persistence.file="+file)
	var body strings.Builder
	for i := range groups {
		fmt.Fprintf(&body, "m{job=\"j%d\"} %d\n", i, i)
	}
	s.want(http.StatusOK, http.MethodPut, "/api/v1/push?group_by=job", body.String())
	s.proc.Stop()
	servers := natstest.Launch(t, 3)
	a := joinCluster(t, servers, "S")
	whileLeaderDies := func(what func()) {
		t.Helper()
		ended := make(chan bool)
		go func() {
			defer close(ended)
			what()
		}()
		time.Sleep(50 * time.Millisecond)
		leader := servers.Leader("S")
		if leader >= 0 {
			servers.Kill(leader)
		}
		<-ended
		if leader >= 0 {
			servers.Run(leader)
		}
		a.recovers()
		servers.AwaitCurrent("S")
	}
	whileLeaderDies(func() {
		code, out, errs := command(t, append([]string{"import", "--replace"}, append(connection(servers, "S"), file)...)...)
		if code != 0 || !strings.Contains(out, fmt.Sprint("has ", groups, " groups of ")) {
			t.Errorf("the import: exit code %d, %q, %q", code, clip(out), clip(errs))
		}
	})
	a.exposes(fmt.Sprint("pushgateway_groups ", groups), true)

	var got answer
	whileLeaderDies(func() {
		got = a.do(http.MethodPost, "/api/v1/admin/delete_groups?match[]={job=~\"j.*[02468]\"}", "")
	})
	least, most := groups/2, groups-deletedBy(t, got)
	if got.status == http.StatusOK { // otherwise more may have been deleted than it says
		least = most
	}
	b := joinCluster(t, servers, "S")
	b.eventually("that both have the groups that were not deleted", func() bool {
		left := groupCount(b)
		return left == groupCount(a) && least <= left && left <= most
	})

	whileLeaderDies(func() { a.do(http.MethodPut, "/api/v1/admin/wipe", "") })
	a.eventually("that all is deleted", func() bool { return a.do(http.MethodPut, "/api/v1/admin/wipe", "").status == http.StatusAccepted })
	b.exposes("pushgateway_groups 0", true)
}

// groupCount returns how many groups a gateway has.
func groupCount(s *server) (n int) {
	s.t.Helper()
	_, after, _ := strings.Cut(s.scrape().body, "\npushgateway_groups ")
	if _, err := fmt.Sscan(after, &n); err != nil {
		s.t.Error(err)
	}
	return n
}

// deletedBy returns how many groups an answer says that it has deleted.
func deletedBy(t *testing.T, got answer) int {
	t.Helper()
	var said struct {
		Data    struct{ Deleted int }
		Deleted int
	}
	if err := json.Unmarshal([]byte(got.body), &said); err != nil {
		t.Errorf("a delete by selector: %d %q", got.status, clip(got.body))
	}
	return max(said.Deleted, said.Data.Deleted)
}

// TestClusterDiskFull lets servers fail to write. With one of three, pushes go on. With
// two, they are refused, and scrapes go on. Once there is room and the servers were
// restarted, pushes are accepted, and nothing is lost.
func TestClusterDiskFull(t *testing.T) {
	needsFaults(t)
	servers := natstest.Launch(t, 3)
	a := joinCluster(t, servers, "S")
	a.push("/metrics/job/j", "m 1\n", http.StatusOK)
	acknowledged := 0
	pushMore := func() (status int) {
		if status = a.do(http.MethodPut, fmt.Sprint("/metrics/job/k/n/", acknowledged), "m 1\n").status; status == http.StatusOK {
			acknowledged++
		}
		return status
	}
	first := servers.Leader("S")
	servers.Full(first, true)
	a.eventually("pushes beside a full disk", func() bool { pushMore(); return acknowledged >= 20 })
	second := (first + 1) % 3
	servers.Full(second, true)
	a.eventually("a refusal", func() bool { return pushMore() == http.StatusServiceUnavailable })
	a.exposes(`m{instance="",job="j"} 1`, true)
	a.get("/-/ready")
	for _, i := range []int{first, second} {
		servers.Kill(i)
		servers.Run(i)
	}
	a.recovers()
	a.eventually("pushes again", func() bool { return pushMore() == http.StatusOK })
	b := joinCluster(t, servers, "S")
	for i := range acknowledged {
		b.exposes(fmt.Sprintf(`m{instance="",job="k",n="%d"} 1`, i), true)
	}
}
