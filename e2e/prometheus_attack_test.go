package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

// TestPrometheusUnderAttack lets real Prometheus servers, of an older version
// than the parser of the other tests, scrape what each attack leaves behind: in
// OpenMetrics, and in protobuf with native histograms.
func TestPrometheusUnderAttack(t *testing.T) {
	t.Parallel() // mostly it waits
	config := "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: pushgateway\n  honor_labels: true\n  static_configs:\n"
	all := slices.Concat(attacks(), nameAttacks(), histogramAttacks(), oddProtobuf())
	for _, a := range all {
		s := start(t, "--web.enable-openmetrics")
		for i, p := range a.pushes {
			s.attack(p, i)
		}
		config += fmt.Sprintf("  - {targets: ['%s'], labels: {attack: %q}}\n", s.addr, a.name)
	}
	wantScraped(t, startPrometheus(t, config), len(all))
	wantScraped(t, startPrometheus(t, config, "--enable-feature=native-histograms,exemplar-storage"), len(all))
}

// attack pushes to a group of its own where that is possible, so that a later
// push does not take an earlier one away.
func (s *server) attack(p attackPush, i int) {
	s.t.Helper()
	body, contentType := p.text, "text/plain"
	if p.families != nil {
		body, contentType = delimited(s.t, p.families), protobufDelimited
	}
	path := p.path
	if p.families != nil {
		path = fmt.Sprintf("/job/p/i/%d", i)
	}
	s.do(http.MethodPut, "/metrics"+path, body, "Content-Type", contentType)
}

// wantScraped waits until a Prometheus has scraped all its targets, and for
// nothing to be wrong with them.
func wantScraped(t *testing.T, addr string, targets int) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		res, err := http.Get("http://" + addr + "/api/v1/targets")
		if err != nil {
			continue
		}
		var a struct {
			Data struct {
				ActiveTargets []struct {
					Labels            map[string]string
					Health, LastError string
				}
			}
		}
		err = json.NewDecoder(res.Body).Decode(&a)
		res.Body.Close()
		scraped := 0
		for _, target := range a.Data.ActiveTargets {
			switch target.Health {
			case "up":
				scraped++
			case "down":
				t.Errorf("%s: %s", target.Labels["attack"], target.LastError)
			}
		}
		if t.Failed() || err == nil && scraped == targets {
			return
		}
	}
	t.Error("Prometheus does not scrape them all")
}
