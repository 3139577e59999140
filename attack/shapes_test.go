package attack

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestShapes makes groups with 10,000 sets of label names, and pushes series that
// all of them could have. Somebody deletes meanwhile, and nobody waits for it.
func TestShapes(t *testing.T) {
	g := besiege(t, "--web.enable-admin-api")
	const labels = 14
	var all strings.Builder
	names := []string{"job"}
	for bit := range labels {
		fmt.Fprintf(&all, ",l%d=\"v\"", bit)
		names = append(names, fmt.Sprint("l", bit))
	}
	// Each group has a series that says its number, and lacks some of the labels.
	var groups strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&groups, "m{job=\"shape\",i=\"%d\"", i)
		for bit := range labels {
			if i>>bit&1 == 1 {
				fmt.Fprintf(&groups, ",l%d=\"v\"", bit)
			}
		}
		groups.WriteString("} 1\n")
	}
	g.want(http.StatusOK, http.MethodPut, "/api/v1/push?group_by="+strings.Join(names, ","), groups.String())

	var series strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&series, "m{of=\"%d\"%s} 1\n", i, all.String())
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			// A shape of its own, of which the label is in no other series.
			g.want(http.StatusOK, http.MethodPut, fmt.Sprintf("/metrics/job/shape/own%d/v", i), series.String())
		})
	}
	wg.Go(func() {
		g.want(http.StatusOK, http.MethodPost, "/api/v1/admin/delete_groups?match[]=%7Bown0%3D%22v%22%7D", "")
	})
	wg.Wait()
	equal := fmt.Sprintf("m{i=\"%d\"%s} 1\n", 1<<(labels-1)-1, strings.Replace(all.String(), fmt.Sprintf(",l%d=\"v\"", labels-1), "", 1))
	if text := g.want(http.StatusBadRequest, http.MethodPut, "/metrics/job/shape/l0/v", equal); !strings.Contains(text, "same labels") {
		t.Errorf("an equal series: %q", clip(text))
	}
}
