package attack

import (
	"net/http"
	"testing"
)

// TestGroupThatGrows pushes to one group until it has as many series as one may
// have: each small push would write all of it.
func TestGroupThatGrows(t *testing.T) {
	g := besiege(t)
	full := text(many("m{a=\"%d\"} 1\n", 1_000_000))
	if status, answer := g.send(full); status != http.StatusOK {
		t.Fatalf("got %d %q", status, answer)
	}
	more := g.want(http.StatusRequestEntityTooLarge, http.MethodPost, "/metrics/job/a", "n 1\n")
	if !containsAll(more, []string{`{job="a"}`, "1000001 series", "the limit of 1000000", "PUT"}) {
		t.Errorf("the answer is %q", more)
	}
	g.want(http.StatusOK, http.MethodPut, "/metrics/job/a", "m 1\nn 1\n")
	g.want(http.StatusOK, http.MethodPost, "/metrics/job/a", "o 1\n")
}
