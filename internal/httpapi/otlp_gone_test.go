package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/gateway"
)

// gone is a counter in JSON with points that say that there is no value any more, each
// of a series, and grown points of others. Labels are values of the attribute s.
func gone(name string, gone, grown []string) string {
	var points []string
	for _, s := range gone {
		points = append(points, `{"flags":1,"attributes":[`+attributeOf("s", s)+`]}`)
	}
	for _, s := range grown {
		points = append(points, `{"asInt":"1","attributes":[`+attributeOf("s", s)+`]}`)
	}
	return fmt.Sprintf(`{"name":%q,"sum":{"isMonotonic":true,"aggregationTemporality":1,"dataPoints":[%s]}}`, name, strings.Join(points, ","))
}

// TestRemovalsBesideRefusals exports series without a value beside families that the
// gateway refuses. Those of a family that is refused stay, and others go.
func TestRemovalsBesideRefusals(t *testing.T) {
	const kept, removed = `h_count{instance="",job="a",s="1"} 1`, `y_total{instance="",job="a",s="1"} 1`
	point := func(s, value string) string { return `{` + value + `,"attributes":[` + attributeOf("s", s) + `]}` }
	histogram := func(kind string, points ...string) string {
		return fmt.Sprintf(`{"name":"h",%q:{"aggregationTemporality":1,"dataPoints":[%s]}}`, kind, strings.Join(points, ","))
	}
	classic := histogram("histogram", point("1", `"count":"1","sum":1`), point("2", `"count":"1","sum":1`))
	native := histogram("exponentialHistogram", point("1", `"flags":1`), point("2", `"count":"1","sum":1,"zeroCount":"1"`))
	for name, tt := range map[string]struct {
		resource string
		rejected int
		want     string // in the scrape
		not      string // "" if nothing has to be missing
	}{
		"of a histogram of another kind":    {resourceOf("a", native, growth("z")), 2, kept, ""},
		"of another family, with no values": {resourceOf("a", gone("y", []string{"1"}, nil), growth("taken")), 1, kept, removed},
		"of another family, with values":    {resourceOf("a", gone("y", []string{"1"}, []string{"2"}), growth("taken")), 1, kept, removed},
		"of all that is refused":            {resourceOf("a", gone("taken", []string{"1"}, []string{"2"})), 2, removed, ""},
		"of no group":                       {resourceOf("new", gone("y", []string{"1"}, nil), growth("taken")), 1, removed, `push_time_seconds{instance="",job="new"} 1`},
	} {
		h := New(configured(t))
		as(h, "", http.MethodPut, "/metrics/job/b", "# TYPE taken_total gauge\ntaken_total 1\n")
		export(h, resourceOf("a", classic, gone("y", nil, []string{"1"})))
		w := export(h, tt.resource)
		want := fmt.Sprintf(`{"partialSuccess":{"rejectedDataPoints":"%d",`, tt.rejected)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("%s: got %d %s, want %s", name, w.Code, w.Body, want)
		}
		if text := scraped(t, h); !strings.Contains(text, tt.want) || tt.not != "" && strings.Contains(text, tt.not) {
			t.Errorf("%s: want %s and not %s, got\n%s", name, tt.want, tt.not, text)
		}
	}
}

// TestRemovalAtLateMember removes a series at a member that has not seen its group yet.
func TestRemovalAtLateMember(t *testing.T) {
	for _, failed := range []bool{false, true} {
		c := newExportCluster(t, 0)
		if failed { // then the member knows the group, without any push to it
			as(c.members[0], "", http.MethodPost, "/metrics/job/a?merge=sum", "# TYPE x_total counter\nx_total -1\n")
		}
		c.members[0].journal.Lag(true)
		export(c.members[1], resourceOf("a", gone("x", nil, []string{"1", "2"})))
		if w := export(c.members[0], resourceOf("a", gone("x", []string{"1"}, nil))); w.Code != http.StatusOK || w.Body.String() != "{}" {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		c.members[0].journal.Lag(false)
		for i, m := range c.members {
			if text := scraped(t, m); strings.Contains(text, `x_total{instance="",job="a",s="1"}`) || !strings.Contains(text, `x_total{instance="",job="a",s="2"} 1`) {
				t.Errorf("after a failed push: %t, member %d exposes\n%s", failed, i, text)
			}
		}
	}
}

// TestRejectedIsForgotten sends an export again after the gateway has forgotten what it
// once rejected of it. The answers say what was rejected when it last counted.
func TestRejectedIsForgotten(t *testing.T) {
	c := newExportCluster(t, 0)
	body := resourceOf("a", growth("x"), growth("taken"))
	export(c.members[0], body)
	c.clock.Add(int64(gateway.ReceiptLife / time.Second))
	c.hold() // the name is free again
	for i, m := range c.members {
		if w := export(m, body); w.Code != http.StatusOK || w.Body.String() != "{}" || (w.Header().Get("Idempotency-Replayed") == "true") != (i > 0) {
			t.Errorf("time %d: got %d %s, %v", i+1, w.Code, w.Body, w.Header())
		}
	}
}
