package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestAllFamiliesAreNamed wants all that is wrong with a push in one answer.
func TestAllFamiliesAreNamed(t *testing.T) {
	many := func(format string) string {
		var b strings.Builder
		for i := range 14 {
			fmt.Fprintf(&b, format, i, i)
		}
		return b.String()
	}
	const timed = "pushed metrics must not have timestamps: Prometheus would drop the series as stale after five minutes; push without them, or start the gateway with --push.timestamps=strip"
	s := start(t)
	s.push("/metrics/job/old", "# TYPE g gauge\ng 1\n# TYPE k gauge\nk 1\n"+many("# TYPE t%d gauge\nt%d 1\n"), http.StatusOK)
	for name, c := range map[string]struct{ path, body, want string }{
		"one":        {"/job/a", "m 1 1\nn 1\n", `family "m": ` + timed},
		"timestamps": {"/job/a", "m 1 1\nn 1\no 1 1\n", `families "m", "o": ` + timed},
		"many":       {"/job/a", many("m%d{n=\"%d\"} 1 1\n"), `families "m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9": ` + timed + "; and 4 more families"},
		"reasons": {"/job/a", "m{__a=\"1\"} 1\nn 1\no{b=\"1\"} 1\no{b=\"1\"} 2\np{__a=\"1\"} 1\n", `families "m", "p": the label name "__a" is reserved: names that start with __ belong to Prometheus; ` +
			`family "o": the series o{b="1"} occurs twice in the push; push it once`},
		"both": {"/job/a", "m{__a=\"1\"} 1\nn 1 1\n", `family "m": the label name "__a" is reserved: names that start with __ belong to Prometheus; family "n": ` + timed},
		"types": {"/job/a", "# TYPE g counter\ng 1\n# TYPE k counter\nk 1\nm 1\n",
			`families "g", "k": its type is gauge in group {job="old"}, but counter in this push; use one type everywhere, or another name`},
		"many types": {"/job/a", many("# TYPE t%d counter\nt%d 1\n"), "; and 4 more families"},
		"merged": {"/job/old?merge=series", "# TYPE g counter\ng 1\n# TYPE k counter\nk 1\n",
			`families "g", "k": its type is gauge in the group, but counter in this push, so their series cannot be merged; push the same type, or replace the family without merge=series`},
		"without a job": {"", "m 1\nn{job=\"a\"} 1\no{x=\"1\"} 1\n",
			`family "m": the series m has no job label, which group_by needs; nothing was stored; family "o": the series o{x="1"} has no job label`},

		"replaced": {"/job/a/x/0", "m{x=\"1\"} 1\nm{x=\"2\"} 2\n",
			`family "m": the series m{x="1"} and m{x="2"} become equal, since the grouping key sets "x"; leave it out of the key, or rename it in the body`},
		"replaced, two":           {"/job/a/x/0", "m{job=\"a\",x=\"1\"} 1\nm{job=\"b\",x=\"2\"} 2\n", `become equal, since the grouping key sets "job", "x"; leave it`},
		"replaced, one has none":  {"/job/a/x/0", "m{y=\"1\"} 1\nm{x=\"2\",y=\"1\"} 2\n", `the series m{y="1"} and m{x="2",y="1"} become equal, since the grouping key sets "x"`},
		"replaced in a histogram": {"/job/a", "# TYPE h histogram\nh_count{job=\"x\"} 1\nh_sum{job=\"x\"} 1\nh_count{job=\"y\"} 1\n", `the grouping key sets "job"`},
		"instance":                {"/job/a", "m 1\nm{instance=\"\"} 2\n", `family "m": the series m and m{instance=""} are equal, since a series without an instance gets an empty one; push one of them`},
		"escapes":                 {"/job/a", "m{a=\"\x1b[31m\"} 1\nm{a=\"\x1b[31m\"} 1\n", `the series m{a="\x1b[31m"} occurs twice`},
	} {
		t.Run(name, func(t *testing.T) {
			method, path := http.MethodPost, "/metrics"+c.path
			if c.path == "" {
				path = "/api/v1/push?group_by=job"
			}
			a := s.with(t).want(http.StatusBadRequest, method, path, c.body)
			if !strings.Contains(unquoted(a.body), c.want) {
				t.Errorf("got %q, want %q", a.body, c.want)
			}
		})
	}
}
