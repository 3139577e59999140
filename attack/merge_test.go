package attack

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMergeIntoLargeGroup merges a series into a large group, again and again:
// each copies what is stored, and reads none of it. Other groups of the same name
// have other label names, so that series must be compared.
func TestMergeIntoLargeGroup(t *testing.T) {
	const series, merges = 200_000, 5
	g := besiege(t)
	for name, kind := range map[string]struct{ head, line string }{
		"gauges":     {"# TYPE m gauge\n", "m{a=\"%d\"} 1\n"},
		"histograms": {"# TYPE h histogram\n", "h_count{a=\"%d\"} 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			g := g.with(t)
			for i := range 9 {
				g.want(http.StatusOK, http.MethodPut, fmt.Sprintf("/metrics/job/%s/other%d/v", name, i), kind.head+fmt.Sprintf(kind.line, 0))
			}
			path := "/metrics/job/" + name
			before := g.cpu()
			g.want(http.StatusOK, http.MethodPut, path, kind.head+many(kind.line, series))
			put := g.cpu() - before
			before = g.cpu()
			for i := range merges {
				g.want(http.StatusOK, http.MethodPost, path+"?merge=series", kind.head+fmt.Sprintf(kind.line, series-5+i))
			}
			if taken := (g.cpu() - before) / merges; taken > put/2 {
				t.Errorf("a merge takes %v of the gateway's time, and all that is stored took %v", taken.Round(time.Millisecond), put.Round(time.Millisecond))
			}
		})
	}
}

// TestMergesEndWithTheirClients merges into a large group for many clients that
// leave while they wait for it. Each copied what is stored, one after the other.
func TestMergesEndWithTheirClients(t *testing.T) {
	const series, merges, counted = 60_000, 100, 3
	g := besiege(t)
	const head, path = "# TYPE h histogram\n", "/metrics/job/large?merge=series"
	body := head + fmt.Sprintf("h_count{a=\"%d\"} 1\n", 5)
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/large", head+many("h_count{a=\"%d\"} 1\n", series))
	before := g.cpu()
	for range counted {
		g.want(http.StatusOK, http.MethodPost, path, body)
	}
	each := (g.cpu() - before) / counted
	before = g.cpu()
	client := clientFrom(attacker, 100*time.Millisecond)
	var leaving sync.WaitGroup
	for range merges {
		leaving.Go(func() { _, _, _ = ask(client, http.MethodPost, g.base+path, body) })
	}
	leaving.Wait()
	g.want(http.StatusOK, http.MethodPost, path, body)
	if taken := g.cpu() - before; taken > merges/2*each {
		t.Errorf("%d merges of which the clients left took %v of the gateway's time, and one takes %v", merges, taken, each)
	}
}

// TestMergeIntoManyGroups pushes 20 families to each of 1,250 groups in one body,
// and again. What is merged takes no more than its size from the bound.
func TestMergeIntoManyGroups(t *testing.T) {
	g := begin(t, command("--push.max-inflight-bytes=67108864"))
	var body strings.Builder
	for i := range 20 * 1250 {
		fmt.Fprintf(&body, "f%d{job=\"%d\"} 1\n", i%20, i/20)
	}
	for range 2 {
		g.want(http.StatusOK, http.MethodPost, "/api/v1/push?group_by=job&merge=series", body.String())
	}
	g.want(http.StatusOK, http.MethodPost, "/api/v1/push?group_by=job&merge=series", strings.ReplaceAll(body.String(), "job=", "x=\"1\",job="))
}
