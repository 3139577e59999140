package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"pushgateway/internal/config"
	"pushgateway/internal/guard"
	"pushgateway/internal/intake"
	"pushgateway/internal/live"
)

// TestExportsWithinLimits holds limits of the configuration against exports, as
// against other pushes. Of an export that is taken in part, the rest is rejected.
func TestExportsWithinLimits(t *testing.T) {
	long := strings.Repeat("x", 30)
	for name, tt := range map[string]struct {
		config   string
		exports  []string // the last one is over the limit
		want     int
		reason   string
		says     string
		rejected bool
	}{
		"families":     {"limits: {max_families_per_push: 1}", []string{exportOf("a", "b")}, 413, "limit_families_per_push", "max_families_per_push in f.yml:1", false},
		"series":       {"limits: {max_series_per_push: 1}", []string{exportOf("a", "b")}, 413, "limit_series_per_push", "max_series_per_push in f.yml:1", false},
		"groups":       {"limits: {max_groups_per_push: 1}", []string{exportOf("a", "b")}, 413, "limit_groups_per_push", "max_groups_per_push in f.yml:1", false},
		"stored":       {"limits: {max_groups: 1}", []string{exportOf("a"), exportOf("b")}, 429, "limit_groups", "max_groups in f.yml:1", false},
		"some stored":  {"limits: {max_groups: 1}", []string{exportOf("a", "b")}, 200, "limit_groups", "max_groups in f.yml:1", true},
		"length":       {"limits: {max_label_value_length: 20}", []string{exportOf(long)}, 413, "limit_label_value_length", "max_label_value_length in f.yml:1", false},
		"some lengths": {"limits: {max_label_value_length: 20}", []string{exportOf("a", long)}, 200, "limit_label_value_length", "max_label_value_length in f.yml:1", true},
		"name":         {"limits: {max_name_length: 3}", []string{strings.ReplaceAll(exportOf("a"), `"name":"m"`, `"name":"long"`)}, 413, "limit_name_length", "max_name_length in f.yml:1", false},
		"rate":         {"rules: [{match: '{}', max_pushes_per_second: 0.01}]", []string{exportOf("a"), exportOf("a")}, 429, "limit_pushes_per_second", "max_pushes_per_second in f.yml:1", false},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := config.Parse("f.yml", []byte(tt.config))
			if err != nil {
				t.Fatal(err)
			}
			counted := make(map[string]int)
			c := configured(t)
			c.Intake = intake.New(c.Gateway, intake.Config{})
			c.Settings = live.Fixed(live.New(parsed, guard.Limits{}.WithDefaults()))
			c.Refused = func(reason string) { counted[reason]++ }
			h := New(c)
			for i, export := range tt.exports {
				w := as(h, "", http.MethodPost, "/v1/metrics", export)
				if i < len(tt.exports)-1 {
					if w.Code != http.StatusOK || w.Body.String() != "{}" {
						t.Fatalf("export %d: got %d %s", i, w.Code, w.Body)
					}
					continue
				}
				if w.Code != tt.want || !strings.Contains(w.Body.String(), tt.says) || strings.Contains(w.Body.String(), "partialSuccess") != tt.rejected {
					t.Errorf("got %d %s", w.Code, w.Body)
				}
			}
			if len(counted) != 1 || counted[tt.reason] != 1 {
				t.Errorf("counted are %v, want one %s", counted, tt.reason)
			}
		})
	}
}
