package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"pushgateway/internal/natstest"
	"pushgateway/internal/testproc"
)

// TestClusterPrometheus lets a real Prometheus scrape two gateways with the
// jobs of docs/cluster.md, the groups through a balancer that changes the
// gateway with each request. It must take no series twice, and see no counter
// go back.
func TestClusterPrometheus(t *testing.T) {
	c := natstest.Start(t, 1)
	a, b := reachable(t, c), reachable(t, c)
	balancer := httptest.NewServer(balanced(t, a, b))
	t.Cleanup(balancer.Close)
	place := strings.TrimPrefix(balancer.URL, "http://")
	addr := startPrometheus(t, fmt.Sprintf(`global: {scrape_interval: 200ms, evaluation_interval: 1s}
scrape_configs:
- job_name: groups
  honor_labels: true
  params: {own: ["false"]}
  static_configs: [{targets: ['%s']}]
- job_name: gateways
  http_sd_configs: [{url: 'http://%s/api/v1/targets', refresh_interval: 1s}]
`, place, place))
	for i := range 60 {
		[]*server{a, b}[i%2].push("/metrics/job/j", fmt.Sprintf("# TYPE work_total counter\nwork_total %d\n", i+1), http.StatusOK)
	}
	await(t, addr, `work_total{job="j"}`, "60")
	await(t, addr, `count({__name__="work_total"})`, "1")
	await(t, addr, `resets(work_total[1m])`, "0")
	await(t, addr, `sum(up{job="gateways"})`, "2")
	await(t, addr, `count(pushgateway_groups)`, "2")
	await(t, addr, `count(pushgateway_groups{job="groups"}) or vector(0)`, "0")
}

// reachable starts a gateway that tells others where it is.
func reachable(t *testing.T, c *natstest.Cluster) *server {
	t.Helper()
	address := testproc.FreeAddress(t)
	return joinCluster(t, c, "S", "--web.listen-address="+address, "--cluster.advertise-address="+address)
}

// balanced passes requests to gateways in turn.
func balanced(t *testing.T, servers ...*server) http.Handler {
	t.Helper()
	var proxies []http.Handler
	for _, s := range servers {
		to, err := url.Parse(s.base)
		if err != nil {
			t.Fatal(err)
		}
		proxies = append(proxies, httputil.NewSingleHostReverseProxy(to))
	}
	var next atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxies[next.Add(1)%uint64(len(proxies))].ServeHTTP(w, r)
	})
}
