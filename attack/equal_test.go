package attack

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"pushgateway/internal/testproc"
)

// TestGroupsThatShareASeries pushes one series to many groups, each with other
// labels in its key, to a gateway that takes that. Pairs of them would be gigabytes
// and minutes.
func TestGroupsThatShareASeries(t *testing.T) {
	const labels, groups = 14, 5000
	g := begin(t, command("--push.disable-consistency-check"))
	before := g.peak()
	var all strings.Builder
	for bit := range labels {
		fmt.Fprintf(&all, ",l%d=\"v\"", bit)
	}
	body := "shared{" + all.String()[1:] + "} 1\n"
	path := func(i int) string {
		var p strings.Builder
		p.WriteString("/metrics/job/shared")
		for bit := range labels {
			if i>>bit&1 == 1 {
				fmt.Fprintf(&p, "/l%d/v", bit)
			}
		}
		return p.String()
	}
	each := func(method, body string) {
		client := clientFrom(attacker, testproc.Patience)
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				for i := n; i < groups; i += 8 {
					if status, text, err := ask(client, method, g.base+path(i), body); err != nil || status != http.StatusAccepted {
						t.Errorf("%s %s: %d %q, %v", method, path(i), status, clip(text), err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	each(http.MethodPut, body)
	each(http.MethodPut, body)
	lines := func() int {
		_, text := g.get("/metrics", "text/plain")
		return strings.Count(string(text), "\nshared{")
	}
	if n := lines(); n != 1 {
		t.Errorf("the series is exposed %d times", n)
	}
	if text := g.want(http.StatusOK, http.MethodGet, "/api/v1/overview", ""); !strings.Contains(text, fmt.Sprintf("%d", groups-1)) {
		t.Errorf("the overview does not count %d that are left out: %s", groups-1, clip(text))
	}
	if taken := g.peak() - before; taken > 200<<20 {
		t.Errorf("it took %d MiB", taken>>20)
	}
	each(http.MethodDelete, "")
	if n := lines(); n != 0 {
		t.Errorf("the series is exposed %d times when its groups are gone", n)
	}
}
