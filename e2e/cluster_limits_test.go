package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pushgateway/internal/natstest"
)

// TestClusterLimits has two members with limits of what is stored. They hold
// for what both have stored, whichever has taken it.
func TestClusterLimits(t *testing.T) {
	c := natstest.Start(t, 1)
	for name, file := range map[string]string{
		"groups":         "limits: {max_groups: 6}\n",
		"series":         "limits: {max_series: 12}\n",
		"groups-per-job": "rules: [{match: '{}', max_groups_per_job: 6}]\n",
		"series-per-job": "rules: [{match: '{}', max_series_per_job: 12}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			config := "--config.file=" + newConfig(t, file).path
			both := []*server{joinCluster(t, c, name, config), joinCluster(t, c, name, config)}
			path := func(i int) string { return fmt.Sprint("/metrics/job/j/n/", i) }
			for i := range 6 {
				both[i%2].push(path(i), "m 1\nn 2\n", http.StatusOK)
				both[1-i%2].exposes(fmt.Sprintf(`m{instance="",job="j",n="%d"} 1`, i), true)
			}
			for i, s := range both {
				s.push(path(6+i), "m 1\nn 2\n", http.StatusTooManyRequests)
				s.push(path(i), "m 3\nn 4\n", http.StatusOK)
			}
			both[1].want(http.StatusAccepted, http.MethodDelete, path(0), "")
			both[0].exposes(`m{instance="",job="j",n="0"} 3`, false)
			both[0].push(path(6), "m 1\nn 2\n", http.StatusOK)
			both[1].exposes(`m{instance="",job="j",n="6"} 1`, true)
			both[1].push(path(7), "m 1\nn 2\n", http.StatusTooManyRequests)
		})
	}
}

// TestClusterLabelSets has two members with a limit of sets of label names. It
// holds for the groups of both.
func TestClusterLabelSets(t *testing.T) {
	c := natstest.Start(t, 1)
	config := "--config.file=" + newConfig(t, "limits: {max_label_sets: 3}\n").path
	both := []*server{joinCluster(t, c, "S", config), joinCluster(t, c, "S", config)}
	path := func(i int) string { return fmt.Sprintf("/metrics/job/j/n%d/x", i) }
	for i := range 3 {
		both[i%2].push(path(i), "m 1\n", http.StatusOK)
		both[1-i%2].exposes(fmt.Sprintf(`m{instance="",job="j",n%d="x"} 1`, i), true)
	}
	for i, s := range both {
		s.push(path(3+i), "m 1\n", http.StatusTooManyRequests)
		s.push(fmt.Sprintf("/metrics/job/k/n%d/x", i), "m 1\n", http.StatusOK)
	}
	both[0].want(http.StatusAccepted, http.MethodDelete, path(2), "")
	both[1].exposes(`m{instance="",job="j",n2="x"} 1`, false)
	both[1].push(path(3), "m 1\n", http.StatusOK)
	both[0].exposes(`m{instance="",job="j",n3="x"} 1`, true)
	both[0].push(path(4), "m 1\n", http.StatusTooManyRequests)
}

// TestClusterLimitsAtOnce pushes more groups than fit to both members at the
// same time. What is stored is at most what fits, and what was under way.
func TestClusterLimitsAtOnce(t *testing.T) {
	const most, each, clients = 150, 200, 3
	c := natstest.Start(t, 1)
	config := "--config.file=" + newConfig(t, fmt.Sprintf("limits: {max_groups: %d}\n", most)).path
	both := []*server{joinCluster(t, c, "S", config), joinCluster(t, c, "S", config)}
	var wg sync.WaitGroup
	var stored atomic.Int64
	for m, s := range both {
		for client := range clients {
			wg.Go(func() {
				for i := client; i < each; i += clients {
					switch got := s.do(http.MethodPut, fmt.Sprintf("/metrics/job/j/m/%d/n/%d", m, i), "m 1\n"); got.status {
					case http.StatusOK:
						stored.Add(1)
					case http.StatusTooManyRequests:
					default:
						t.Errorf("got %d %s", got.status, got.body)
					}
				}
			})
		}
	}
	wg.Wait()
	t.Logf("%d groups of %d are stored", stored.Load(), most)
	if n := stored.Load(); n < most || n > most*4/3 {
		t.Errorf("%d groups are stored, and the limit is %d", n, most)
	}
	for _, s := range both {
		s.exposes(fmt.Sprint("pushgateway_groups ", stored.Load()), true)
		s.push("/metrics/job/another", "m 1\n", http.StatusTooManyRequests)
	}
}

// TestClusterSums adds to the same series through both members at once. Each
// addition counts once.
func TestClusterSums(t *testing.T) {
	const each, clients = 40, 3
	c := natstest.Start(t, 1)
	both := []*server{joinCluster(t, c, "S"), joinCluster(t, c, "S")}
	body := "# TYPE c counter\nc{x=\"a\"} 1\nc{x=\"b\"} 2\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n"
	var wg sync.WaitGroup
	for m, s := range both {
		for range clients {
			wg.Go(func() {
				for i := range each {
					s.want(http.StatusOK, http.MethodPost, "/metrics/job/j?merge=sum", body)
					s.want(http.StatusOK, http.MethodPost, "/metrics/job/k?merge=sum", fmt.Sprintf("# TYPE c counter\nc{m=\"%d\",i=\"%d\"} 1\n", m, i))
				}
			})
		}
	}
	wg.Wait()
	n := len(both) * clients * each
	for _, s := range both {
		for _, line := range []string{
			fmt.Sprintf(`c{instance="",job="j",x="a"} %d`, n), fmt.Sprintf(`c{instance="",job="j",x="b"} %d`, 2*n),
			fmt.Sprintf(`h_bucket{instance="",job="j",le="1"} %d`, n), fmt.Sprintf(`h_count{instance="",job="j"} %d`, 2*n), fmt.Sprintf(`h_sum{instance="",job="j"} %d`, 3*n),
			fmt.Sprintf(`c{i="%d",instance="",job="k",m="0"} %d`, each-1, clients), fmt.Sprintf(`c{i="0",instance="",job="k",m="1"} %d`, clients),
		} {
			s.exposes(line, true)
		}
	}
	membersMet(t, both)
}

// TestClusterKeys sends each addition to both members at the same moment, with
// the same key. It counts once.
func TestClusterKeys(t *testing.T) {
	const pushes = 40
	c := natstest.Start(t, 1)
	both := []*server{joinCluster(t, c, "S"), joinCluster(t, c, "S")}
	for i := range pushes {
		var wg sync.WaitGroup
		for _, s := range both {
			wg.Go(func() {
				s.want(http.StatusOK, http.MethodPost, "/metrics/job/j?merge=sum", "# TYPE c counter\nc 1\n", "Idempotency-Key", fmt.Sprintf(`"key %d"`, i))
			})
		}
		wg.Wait()
	}
	for _, s := range both {
		s.exposes(fmt.Sprintf(`c{instance="",job="j"} %d`, pushes), true)
	}
}

// membersMet fails if no member has outrun another one.
func membersMet(t *testing.T, both []*server) {
	t.Helper()
	conflicts := 0
	for _, s := range both {
		if !strings.Contains(s.get("/-/metrics").body, "pushgateway_cluster_conflicts_total 0\n") {
			conflicts++
		}
	}
	if conflicts == 0 {
		t.Error("the members never met, so the test shows nothing")
	}
}

// TestClusterUnlikeLimits has two members with different limits, as while they are
// changed. Each refuses pushes by its own, and exposes what the other one has taken.
func TestClusterUnlikeLimits(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1)
	limits := func(file string) string { return "--config.file=" + newConfig(t, file).path }
	strict := joinCluster(t, c, "S", limits("limits: {max_groups: 2, max_series: 4, max_series_per_group: 2}\n"))
	free := joinCluster(t, c, "S", limits("limits: {max_groups: 100}\n"))
	path := func(i int) string { return fmt.Sprint("/metrics/job/j/n/", i) }
	for i := range 4 {
		free.push(path(i), "m 1\nn 1\no 1\n", http.StatusOK)
		strict.exposes(fmt.Sprintf(`o{instance="",job="j",n="%d"} 1`, i), true)
	}
	strict.push(path(4), "m 1\n", http.StatusTooManyRequests)
	strict.push(path(0), "m 2\n", http.StatusOK) // it shrinks
	free.exposes(`m{instance="",job="j",n="0"} 2`, true)
	free.exposes(`o{instance="",job="j",n="0"} 1`, false)
	free.push(path(4), "m 1\n", http.StatusOK)
	strict.exposes(`m{instance="",job="j",n="4"} 1`, true)
	strict.want(http.StatusAccepted, http.MethodDelete, path(4), "")
	free.exposes(`m{instance="",job="j",n="4"} 1`, false)
}
