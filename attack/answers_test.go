package attack

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// manyFamilies pushes a group of many families, one of
// them with a name that escaping changes.
func (g *gateway) manyFamilies() {
	g.t.Helper()
	var body strings.Builder
	body.WriteString("{\"family.of.another.kind\"} 1\n")
	for i := range 50_000 {
		fmt.Fprintf(&body, "family_%d 1\n", i)
	}
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/large", body.String())
}

// TestAnswersThatWalkTheStateHaveTurns asks for what is large, as often at once
// as sockets allow.
func TestAnswersThatWalkTheStateHaveTurns(t *testing.T) {
	const (
		atOnce = 100
		// most is what answers may take at once, in bytes over what a gateway
		// takes that has answered one of each.
		most = 250 << 20
	)
	g := besiege(t, "--web.enable-admin-api", "--web.enable-openmetrics", "--push.enable-utf8-names")
	g.manyFamilies()
	g.fill(3_000, 10)
	asked := []string{
		"/api/v1/overview", "/api/v1/jobs", "/api/v1/group/job/large?format=text", "/api/v1/group/job/large", "/api/v1/groups?limit=10000",
		"/api/v1/labels", "/api/v1/label/job/values?limit=10000", "/api/v1/metrics", "/metrics",
	}
	for _, path := range asked {
		g.want(http.StatusOK, http.MethodGet, path, "")
	}
	g.forgetPeak()
	idle := g.peak()
	for _, path := range asked {
		var asking sync.WaitGroup
		client := clientFrom(attacker, time.Second)
		for range atOnce {
			asking.Go(func() {
				_, _, _ = ask(client, http.MethodGet, g.base+path, "", "Accept", "application/openmetrics-text; version=1.0.0")
			})
		}
		asking.Wait()
		if over := g.peak() - idle; over > most {
			t.Errorf("%d requests for %s at once took %d MB more", atOnce, path, over>>20)
		}
		g.forgetPeak()
	}
}

// TestAnswersEndWithTheirClients has more clients leave than have turns, among
// them some for a copy of everything: the next is served.
func TestAnswersEndWithTheirClients(t *testing.T) {
	g := besiege(t, "--web.enable-admin-api", "--push.enable-utf8-names")
	g.manyFamilies()
	g.fill(3_000, 1_000)
	client := clientFrom(attacker, 20*time.Millisecond)
	for _, path := range []string{"/api/v1/overview", "/api/v1/jobs", "/api/v1/group/job/large?format=text", "/api/v1/group/job/large", "/api/v1/groups?limit=10000", "/api/v1/admin/snapshot"} {
		var leaving sync.WaitGroup
		for range 40 {
			leaving.Go(func() { _, _, _ = ask(client, http.MethodGet, g.base+path, "") })
		}
		leaving.Wait()
		g.want(http.StatusOK, http.MethodGet, path, "")
	}
}

// TestEscapedScrapes asks many times at once for names that have to be escaped:
// each answer remembers the label sets that it has written.
func TestEscapedScrapes(t *testing.T) {
	g := besiege(t, "--push.enable-utf8-names")
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/large", many("{\"m\",\"a.b\"=\"%d\"} 1\n", 100_000))
	if over := g.scrapedAtOnce("text/plain;version=0.0.4;escaping=underscores"); over > 100<<20 {
		t.Errorf("scrapes at once took %d MB more", over>>20)
	}
}

// TestProtobufIsMadeOnce scrapes a large group as protobuf, as often at once as
// there are turns. The first scrape makes the protobuf of the text; each of them
// did, in as much memory.
func TestProtobufIsMadeOnce(t *testing.T) {
	g := besiege(t)
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/large", "# TYPE h histogram\n"+many("h_count{a=\"%d\"} 1\n", 100_000))
	if over := g.scrapedAtOnce("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"); over > 90<<20 {
		t.Errorf("scrapes at once took %d MB more", over>>20)
	}
}

// scrapedAtOnce begins as many scrapes in a format as there are turns, leaves
// soon, and returns how much memory they took at most, in bytes. A bystander
// must still be served.
func (g *gateway) scrapedAtOnce(accept string) (over int64) {
	g.t.Helper()
	g.forgetPeak()
	idle := g.peak()
	client := clientFrom(attacker, 200*time.Millisecond)
	var asking sync.WaitGroup
	for range 30 {
		asking.Go(func() { _, _, _ = ask(client, http.MethodGet, g.base+"/metrics", "", "Accept", accept) })
	}
	asking.Wait()
	g.get("/metrics", "text/plain;version=0.0.4;escaping=allow-utf-8")
	return g.peak() - idle
}
