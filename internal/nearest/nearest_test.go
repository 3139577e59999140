package nearest_test

import (
	"testing"

	"pushgateway/internal/nearest"
)

func TestTo(t *testing.T) {
	known := []string{"web.listen-address", "web.config.file", "jobs", "groups", "get", "push", "max_series", "max_series_per_push"}
	for unknown, want := range map[string]string{
		"gruops": "groups", "job": "jobs", "jobss": "jobs", "JOBS": "jobs", "pushing": "push", "pusj": "push",
		"wbe.listen-address": "web.listen-address", "web.listen": "web.listen-address", "wbe.listen": "web.listen-address", "listen-address": "web.listen-address",
		"max_series_per_pusch": "max_series_per_push", "max_series_per": "max_series",
		"nonsense": "", "": "", "größe": "",
	} {
		if got := nearest.To(unknown, known); got != want {
			t.Errorf("%q: %q, want %q", unknown, got, want)
		}
	}
	if got := nearest.Instead("xxxxxxxx", known); got != "use web.listen-address, web.config.file, jobs, groups, get, push, max_series or max_series_per_push" {
		t.Error(got)
	}
}
