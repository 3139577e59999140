package attack

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// limited besieges a gateway with a configuration, once the bystander has a group.
func limited(t *testing.T, config string, args ...string) *gateway {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	g := begin(t, command(append(args, "--config.file="+file)...))
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/bystander", "bystander_total 0\n")
	return besieged(t, g)
}

// flood pushes from many connections for a while, and counts the answers.
func (g *gateway) flood(push func(client *http.Client, n int) int) (taken, refused int) {
	const connections, lasting = 16, 2 * time.Second
	var ok, no, other atomic.Int64
	var all sync.WaitGroup
	end := time.Now().Add(lasting)
	for i := range connections {
		all.Go(func() {
			client := clientFrom(attacker, patience)
			defer client.CloseIdleConnections()
			for n := i; time.Now().Before(end); n += connections {
				switch push(client, n) {
				case http.StatusOK:
					ok.Add(1)
				case http.StatusTooManyRequests:
					no.Add(1)
				default:
					other.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := other.Load(); n > 0 {
		g.t.Errorf("%d pushes had another outcome", n)
	}
	return int(ok.Load()), int(no.Load())
}

// used returns how much of a limit is used.
func (g *gateway) used(labels string) int {
	g.t.Helper()
	text := g.want(http.StatusOK, http.MethodGet, "/metrics", "")
	m := regexp.MustCompile(`(?m)^pushgateway_limit_used\{` + regexp.QuoteMeta(labels) + `\} (\d+)$`).FindStringSubmatch(text)
	if m == nil {
		g.t.Fatalf("there is no limit with the labels %s", labels)
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// TestFloodBeyondLimits pushes ever new groups, series and sets of labels in every
// way that there is.
func TestFloodBeyondLimits(t *testing.T) {
	g := limited(t, "limits: {max_groups: 100, max_series: 500, max_label_sets: 10}\nrules: [{match: '{job=\"flood\"}', max_series_per_job: 200, max_groups_per_job: 50}]",
		"--persistence.file="+filepath.Join(t.TempDir(), "m"))
	taken, refused := g.flood(func(client *http.Client, n int) int {
		method, path, body := http.MethodPost, "", fmt.Sprintf("x{n=\"%d\"} 1\n", n)
		switch n % 6 {
		case 0:
			path = fmt.Sprintf("/metrics/job/flood/i/%d", n)
		case 1:
			path = "/metrics/job@base64/" + base64.RawURLEncoding.EncodeToString([]byte("flood")) + fmt.Sprintf("/i/%d?merge=series", n%50)
		case 2:
			path = fmt.Sprintf("/metrics/job/%%66lood/l%d/1", n)
		case 3:
			path, body = "/api/v1/push?group_by=job,i", fmt.Sprintf("x{job=\"flood\",i=\"a%d\",n=\"1\"} 1\nx{job=\"flood\",i=\"b%d\",n=\"1\"} 1\n", n, n)
		case 4:
			path = fmt.Sprintf("/metrics/job/other%d", n)
		case 5:
			path, body = fmt.Sprintf("/metrics/job/other/i/%d", n%7), strings.Repeat("#\n", 1000)+body
		}
		status, _, err := ask(client, method, g.base+path, body)
		if err != nil {
			return 0
		}
		return status
	})
	if taken == 0 || refused == 0 {
		t.Errorf("%d were taken and %d refused", taken, refused)
	}
	for labels, most := range map[string]int{
		`limit="groups"`: 100, `limit="series"`: 500, `limit="label_sets"`: 10,
		`limit="groups_per_job",rule="{job=\"flood\"}"`: 50, `limit="series_per_job",rule="{job=\"flood\"}"`: 200,
	} {
		if got := g.used(labels); got > most {
			t.Errorf("%s: %d are used, and the limit is %d", labels, got, most)
		}
	}
	if groups := strings.Count(g.want(http.StatusOK, http.MethodGet, "/metrics", ""), "\npush_time_seconds{"); groups > 100 {
		t.Errorf("%d groups are exposed", groups)
	}
}

// TestFloodBeyondRate pushes large bodies, which are not read, at full speed.
func TestFloodBeyondRate(t *testing.T) {
	g := limited(t, "rules: [{match: '{job=~\"flood.*\"}', max_pushes_per_second: 5}]")
	idle := g.peak()
	body := strings.Repeat("# nothing\n", 5000)
	taken, refused := g.flood(func(client *http.Client, n int) int {
		status, _, err := ask(client, http.MethodPut, fmt.Sprintf("%s/metrics/job/flood%d/i/%d", g.base, n%2, n%100), body)
		if err != nil {
			return 0
		}
		return status
	})
	if taken < 10 || refused == 0 {
		t.Errorf("%d were taken and %d refused", taken, refused)
	}
	if grown := g.peak() - idle; grown > 100<<20 {
		t.Errorf("the gateway took %d MiB", grown>>20)
	}
}
