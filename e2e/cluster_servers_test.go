package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pushgateway/internal/natstest"
)

// TestClusterConnections has a server that takes fewer connections than there are
// gateways. The one that finds no place waits and says so, and so does one that
// loses its place. Both go on once there is room.
func TestClusterConnections(t *testing.T) {
	t.Parallel()
	c := natstest.StartWith(t, "max_connections: 1")
	first := joinCluster(t, c, "S")
	first.push("/metrics/job/j", "m 1\n", http.StatusOK)
	second := unready(t, clusterArgs(c, "S")...)
	second.eventually("what it waits for", func() bool {
		return strings.Contains(second.want(http.StatusServiceUnavailable, http.MethodGet, "/-/ready", "").body, "max_connections")
	})
	c.Reload("max_connections: 10")
	second.recovers()
	second.exposes(`m{instance="",job="j"} 1`, true)
}

// TestClusterPayloadLowered lowers the maximum of a message under a gateway. A push
// that was accepted before is refused, with both sizes, and holds up no other one.
func TestClusterPayloadLowered(t *testing.T) {
	t.Parallel()
	c := natstest.StartWith(t, "max_payload: 1MB")
	s := joinCluster(t, c, "S")
	large := randomMetrics(4000)
	s.push("/metrics/job/large", large, http.StatusOK)
	c.Reload("max_payload: 8192")
	s.eventually("a refusal", func() bool {
		got := s.do(http.MethodPut, "/metrics/job/large", large)
		return got.status == http.StatusRequestEntityTooLarge && strings.Contains(got.body, "the NATS servers accept messages of 8192 bytes")
	})
	s.push("/metrics/job/small", "m 1\n", http.StatusOK)
	s.push("/metrics/job/large", "m 1\n", http.StatusOK)
}

// TestClusterFewerServers has three servers, one of them without JetStream. The gateway
// says that a replica finds no place, also if it is connected to that server.
func TestClusterFewerServers(t *testing.T) {
	t.Parallel()
	c := natstest.StartPartly(t, 3)
	for _, urls := range [][]string{c.URLs(), c.URLs()[2:]} {
		args := []string{"--cluster.stream=S"}
		for _, url := range urls {
			args = append(args, "--cluster.url="+url)
		}
		s := unready(t, args...)
		s.eventually("what it waits for", func() bool {
			return strings.Contains(s.want(http.StatusServiceUnavailable, http.MethodGet, "/-/ready", "").body, "enable JetStream on as many servers as --cluster.replicas")
		})
	}
}

// TestClusterPermissions takes from a user one of the permissions that the
// documentation lists at a time. A gateway that cannot do without it waits, and names
// it. The others are needed later, or have a substitute.
func TestClusterPermissions(t *testing.T) {
	t.Parallel()
	publish, subscribe := permissions(t, "S")
	needed := []string{"pg.S.>", "$JS.API.STREAM.INFO.S", "$JS.API.STREAM.CREATE.S", "$JS.API.DIRECT.GET.S", "_INBOX.>"}
	for i, taken := range slices.Concat(publish, subscribe) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			without := func(all []string) []string {
				return slices.DeleteFunc(slices.Clone(all), func(one string) bool { return one == taken })
			}
			c, credentials := natstest.StartSecured(t, nil, without(publish), without(subscribe))
			args := append(clusterArgs(c, "S"), "--cluster.credentials-file="+credentials)
			if !slices.Contains(needed, taken) {
				s := start(t, args...)
				s.push("/metrics/job/j", "m 1\n", http.StatusOK)
				s.exposes(`m{instance="",job="j"} 1`, true)
				return
			}
			s := unready(t, args...)
			s.eventually("that it names "+taken, func() bool {
				log := s.log.String()
				return strings.Contains(log, "Permissions Violation for ") && strings.Contains(log, strings.TrimSuffix(taken, ">"))
			})
			s.want(http.StatusServiceUnavailable, http.MethodGet, "/-/ready", "")
		})
	}
}
