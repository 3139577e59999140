package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// replacing lets the groups of the new team take names.
const replacing = `rules:
  - match: '{team="new"}'
    on_conflict: replace
    long_ago: 7d
`

// squatters are groups that keep others from a name N. Each group of the new
// team is {job=J,team="new"}, and that of another team {job=J,team="none"}.
var squatters = map[string]struct {
	old        []metric.Label // beside the job
	body, live string         // of the old group and of the others
	was, is    string         // lines that are exposed before, and after
}{
	"types":            {nil, "# TYPE N counter\nN 1\n", "# TYPE N gauge\nN 2\n", `N{instance="",job="J"} 1`, `N{instance="",job="J",team="new"} 2`},
	"suffix of new":    {nil, "N_count 1\n", "# TYPE N histogram\nN_bucket{le=\"+Inf\"} 2\nN_sum 2\nN_count 2\n", `N_count{instance="",job="J"} 1`, `N_count{instance="",job="J",team="new"} 2`},
	"suffix of old":    {nil, "# TYPE N summary\nN_sum 1\nN_count 1\n", "N_sum 2\n", `N_sum{instance="",job="J"} 1`, `N_sum{instance="",job="J",team="new"} 2`},
	"equal series":     {[]metric.Label{{Name: "x", Value: "1"}}, "N{team=\"new\"} 1\nN{team=\"none\"} 1\n", "N{x=\"1\"} 2\n", `N{instance="",job="J",team="new",x="1"} 1`, `N{instance="",job="J",team="new",x="1"} 2`},
	"equal histograms": {[]metric.Label{{Name: "x", Value: "1"}}, "# TYPE N histogram\nN_count{team=\"new\"} 1\nN_sum{team=\"new\"} 1\nN_count{team=\"none\"} 1\nN_sum{team=\"none\"} 1\n", "# TYPE N histogram\nN_count{x=\"1\"} 2\nN_sum{x=\"1\"} 2\n", `N_count{instance="",job="J",team="new",x="1"} 1`, `N_count{instance="",job="J",team="new",x="1"} 2`},
}

// ways are the ways to push to a group of a team.
var ways = map[string]func(s *server, job, team, body string) answer{
	"PUT": func(s *server, job, team, body string) answer { return s.do(http.MethodPut, teamPath(job, team), body) },
	"POST": func(s *server, job, team, body string) answer {
		return s.do(http.MethodPost, teamPath(job, team), body)
	},
	"series": func(s *server, job, team, body string) answer {
		return s.do(http.MethodPost, teamPath(job, team)+"?merge=series", body)
	},
	"protobuf": func(s *server, job, team, body string) answer {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(body))
		if err != nil {
			s.t.Fatal(err)
		}
		var all []*dto.MetricFamily
		for _, f := range families {
			all = append(all, f)
		}
		return s.do(http.MethodPut, teamPath(job, team), delimited(s.t, all), "Content-Type", protobufDelimited)
	},
	"batch": func(s *server, job, team, body string) answer {
		labeled := regexp.MustCompile(`(?m)^(\w+)(?:\{(.*)\})? `).ReplaceAllString(body, fmt.Sprintf(`$1{job=%q,team=%q,$2} `, job, team))
		return s.do(http.MethodPut, "/api/v1/push?group_by=job,team", labeled)
	},
}

func teamPath(job, team string) string { return "/metrics/job/" + job + "/team/" + team }

// squatter is a group of squatters, for one way to push.
type squatter struct {
	kind, way, job, name string
	key                  grouping.Key
}

func (q squatter) fill(text string) string {
	return strings.NewReplacer("J", q.job, "N", q.name).Replace(text)
}

// kept is a line of the old group that contradicts nothing.
func (q squatter) kept() string {
	labels := q.key.Labels()
	if len(labels) > 1 {
		return q.fill(`kept_N{instance="",job="J",x="1"} 1`)
	}
	return q.fill(`kept_N{instance="",job="J"} 1`)
}

// makeSquatters imports old groups, one for each kind and way.
func makeSquatters(t *testing.T) (all []squatter, file string) {
	t.Helper()
	var groups []*gateway.Group
	at := time.Now().Add(-(2*365+3)*24*time.Hour - time.Hour)
	for kind, c := range squatters {
		for way := range ways {
			q := squatter{kind: kind, way: way, job: fmt.Sprint("job", len(all)), name: fmt.Sprint("m", len(all))}
			var err error
			if q.key, err = grouping.NewKey(q.job, c.old...); err != nil {
				t.Fatal(err)
			}
			g := gateway.Group{Key: q.key, Pushed: at}
			for _, b := range renderText(t, q.key, q.fill(c.body)+q.fill("kept_N 1\n")) {
				g.Families = append(g.Families, gateway.Held{Block: b, Pushed: at})
			}
			all, groups = append(all, q), append(groups, gateway.Restore(g))
		}
	}
	old := filepath.Join(t.TempDir(), "old")
	writeGob(t, old, groups)
	if code, _, errs := command(t, "import", old); code != 0 {
		t.Fatal(errs)
	}
	return all, old + ".db"
}

// TestSquatting pushes names that groups hold which nobody has pushed to for two
// years: with a rule the push takes them, and without one the refusal names the
// group and its age. What was taken must stay so after a restart, in an export
// and in a backup, until the group that took it is deleted.
func TestSquatting(t *testing.T) {
	all, file := makeSquatters(t)
	config := "--config.file=" + newConfig(t, replacing).path
	s := start(t, config, "--persistence.file="+file, "--web.enable-admin-api")
	s.pushGood()
	var was, is []string
	for _, q := range all {
		t.Run(q.kind+"/"+q.way, func(t *testing.T) { s.with(t).squat(q) })
		c := squatters[q.kind]
		was, is = append(was, q.fill(c.was)), append(is, q.fill(c.is), q.kept())
	}
	taken := fmt.Sprint("pushgateway_families_left_out ", len(all))
	want := func(s *server) {
		t.Helper()
		s.wantSeries(append(is, taken), was)
		s.checkAlive()
	}
	want(s)
	s.wantSeries([]string{fmt.Sprint("pushgateway_names_taken_total ", len(all))}, nil)

	backup := filepath.Join(t.TempDir(), "backup.db")
	if code, _, errs := command(t, "backup", "--url="+s.base, backup); code != 0 {
		t.Fatal(errs)
	}
	code, exported, errs := command(t, "export", "--format=gob", backup)
	if code != 0 {
		t.Fatal(errs)
	}
	gob := filepath.Join(t.TempDir(), "exported")
	writeFile(t, gob, exported)
	for _, copied := range []string{backup, gob} {
		want(start(t, "--persistence.file="+copied))
	}
	s.proc.Stop()
	s = start(t, config, "--persistence.file="+file) // without a rule for what is stored
	want(s)
	for _, q := range all {
		s.want(http.StatusAccepted, http.MethodDelete, teamPath(q.job, "new"), "")
	}
	for range 2 {
		s.wantSeries(append(was, "pushgateway_families_left_out 0"), nil)
		s.checkAlive()
		s.proc.Stop()
		s = start(t, config, "--persistence.file="+file)
	}
}

// squat pushes against one old group.
func (s *server) squat(q squatter) {
	c, push := squatters[q.kind], ways[q.way]
	refusal := func(a answer, holder, age string) {
		s.t.Helper()
		if text := strings.ReplaceAll(a.body, `\"`, `"`); a.status != http.StatusBadRequest || !strings.Contains(text, holder) || !regexp.MustCompile(age).MatchString(text) {
			s.t.Errorf("got %d %q, want a refusal with %s and %s", a.status, a.body, holder, age)
		}
	}
	live := fmt.Sprintf("{job=%q,team=\"new\"}", q.job)
	refusal(push(s, q.job, "none", q.fill(c.live)), q.key.String(), "last push to that group: 2y 3d ago; delete it if its job is gone")
	s.wantSeries([]string{q.fill(c.was)}, []string{q.fill(c.is)})
	for range 2 {
		if a := push(s, q.job, "new", q.fill(c.live)); a.status != http.StatusOK {
			s.t.Fatalf("a push that takes the name: got %d %q", a.status, a.body)
		}
		s.wantSeries([]string{q.fill(c.is), q.kept()}, []string{q.fill(c.was)})
	}
	refusal(s.do(http.MethodPut, pathOf(q.key), q.fill(c.body)), live, `last push to that group: (just now|\d+s ago)`)
	refusal(s.do(http.MethodPost, pathOf(q.key)+"?merge=series", q.fill(c.body)), live, "last push")
	if a := s.do(http.MethodPost, pathOf(q.key), q.fill("kept_N 1\n")); a.status != http.StatusOK {
		s.t.Errorf("a push of another family to the old group: got %d %q", a.status, a.body)
	}
	a := s.get(strings.Replace(pathOf(q.key), "/metrics/", "/api/v1/group/", 1))
	if want := fmt.Sprintf(`"by":{"job":%q,"team":"new"}`, q.job); !strings.Contains(a.body, want) || !strings.Contains(a.body, "another group that took the name") {
		s.t.Errorf("the group is %s, want %s", a.body, want)
	}
	if q.way != "PUT" {
		return
	}
	if code, out, errs := command(s.t, "groups", "--url="+s.base, "-o", "wide", "-m", fmt.Sprintf("{job=%q,team=\"\"}", q.job)); code != 0 || !strings.Contains(out, " by "+live) {
		s.t.Errorf("groups: %d %q %s", code, out, errs)
	}
}

func pathOf(key grouping.Key) string { return "/metrics/" + key.Path() }

// TestSquattingTooSoon holds a name with a group that was pushed to a moment ago,
// and with several groups of which only some are old.
func TestSquattingTooSoon(t *testing.T) {
	all, file := makeSquatters(t)
	s := start(t, "--config.file="+newConfig(t, replacing).path, "--persistence.file="+file)
	q := all[0]
	for _, q = range all {
		if q.kind == "types" {
			break
		}
	}
	c := squatters[q.kind]
	s.push("/metrics/job/fresh", q.fill(c.body), http.StatusOK)
	a := s.push(teamPath(q.job, "new"), q.fill(c.live), http.StatusBadRequest)
	if !strings.Contains(a.body, `{job="fresh"}`) || !strings.Contains(a.body, "rules[0].long_ago=1w is longer") && !strings.Contains(a.body, "rules[0].long_ago=7d is longer") {
		t.Errorf("got %q", a.body)
	}
	s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/fresh", "")
	s.push(teamPath(q.job, "new"), q.fill(c.live), http.StatusOK)
	s.push("/metrics/job/fresh", q.fill(c.body), http.StatusBadRequest)
}
