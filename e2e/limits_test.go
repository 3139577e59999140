package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// withLimits runs the gateway with a configuration file, whose path it returns.
func withLimits(t testing.TB, config string, args ...string) (s *server, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "gateway.yml")
	writeLimits(t, file, config)
	return start(t, append(args, "--config.file="+file, "--web.enable-lifecycle")...), file
}

func writeLimits(t testing.TB, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// relimit makes the gateway read another configuration.
func (s *server) relimit(file, config string) {
	s.t.Helper()
	writeLimits(s.t, file, config)
	s.want(http.StatusOK, http.MethodPost, "/-/reload", "")
}

// gauges returns a body with the names, each with one series.
func gauges(names ...string) string { return strings.Join(names, " 1\n") + " 1\n" }

// step is a request, and what must come of it.
type limitStep struct {
	method, path, body string
	status             int
	reason             string   // of a refusal, without limit_
	says               []string // in the answer
}

func put(path, body string, status int) limitStep {
	return limitStep{method: http.MethodPut, path: path, body: body, status: status}
}

func post(path, body string, status int) limitStep {
	return limitStep{method: http.MethodPost, path: path, body: body, status: status}
}

// over is a step that a limit refuses.
func (s limitStep) over(reason string, says ...string) limitStep {
	s.reason, s.says = reason, says
	return s
}

// take sends a request, and checks what came of it.
func (s *server) take(n int, st limitStep) {
	s.t.Helper()
	refused := `pushgateway_pushes_refused_total{reason="limit_` + st.reason + `"}`
	before := 0.0
	if st.reason != "" {
		before = s.value(refused)
	}
	a := s.do(st.method, st.path, st.body)
	if a.status != st.status {
		s.t.Errorf("step %d, %s %s: got %d %q, want %d", n, st.method, clip(st.path), a.status, clip(a.body), st.status)
	}
	if st.reason == "" {
		return
	}
	if is := s.value(refused); is != before+1 {
		s.t.Errorf("step %d: %s was %v, and is %v", n, refused, before, is)
	}
	for _, says := range append(st.says, "max_"+st.reason, "gateway.yml:") {
		if !strings.Contains(a.body, says) {
			s.t.Errorf("step %d: %q does not say %q", n, a.body, says)
		}
	}
	if again := a.header.Get("Retry-After"); (again != "") != (st.reason == "pushes_per_second") {
		s.t.Errorf("step %d: Retry-After is %q", n, again)
	}
}

// TestLimits pushes up to each limit and beyond it, and then less.
func TestLimits(t *testing.T) {
	const large, many = http.StatusRequestEntityTooLarge, http.StatusTooManyRequests
	const a, b, c = "/metrics/job/a", "/metrics/job/b", "/metrics/job/c"
	del := func(path string) limitStep {
		return limitStep{method: http.MethodDelete, path: path, status: http.StatusAccepted}
	}
	x, xy, xyz := gauges("x"), gauges("x", "y"), gauges("x", "y", "z")
	histogram := func(labels string) string {
		return "# TYPE h histogram\nh_bucket{" + labels + ",le=\"+Inf\"} 1\nh_sum{" + labels + "} 1\nh_count{" + labels + "} 1\n"
	}
	for name, tt := range map[string]struct {
		config string
		steps  []limitStep
	}{
		"max_groups": {"limits: {max_groups: 2}", []limitStep{
			put(a, x, 200), put(b, x, 200), put(c, x, many).over("groups", `{job="c"}`, "3 groups", "the limit of 2"), put(a, xy, 200),
			del(b), put(c, x, 200), put(b, x, many).over("groups"), put(b, "# bad", many).over("groups"),
		}},
		"max_groups, and failures": {"limits: {max_groups: 1}", []limitStep{
			put(b, `x{__y="1"} 1`+"\n", 400), put(a, x, 200), put(b, x, many).over("groups"), del(a), put(b, x, 200),
		}},
		"max_series": {"limits: {max_series: 3}", []limitStep{
			put(a, xy, 200), put(b, x, 200), post(b, gauges("y"), many).over("series", `{job="b"}`, "4 series", "the limit of 3"), post(b, gauges("x"), 200),
			put(c, x, many).over("series"), put(a, x, 200), put(c, x, 200), post(a+"?merge=series", `x{i="1"} 1`+"\n", many).over("series"), post(a+"?merge=series", x, 200),
		}},
		"max_series, unlike groups": {"limits: {max_series: 3}", []limitStep{
			put(a, histogram(`i="1"`), 200), put(b, xyz, many).over("series"), put(b, xy, 200), put(a, "", 200), post(b, gauges("z"), 200),
		}},
		"max_series, added up": {"limits: {max_series: 2}", []limitStep{
			post(a+"?merge=sum", "# TYPE x counter\nx 1\n", 200), post(b+"?merge=sum", "# TYPE x counter\nx 1\n", 200), post(a+"?merge=sum", "# TYPE x counter\nx 1\n", 200),
			post(a+"?merge=sum", "# TYPE x counter\nx{i=\"1\"} 1\n", many).over("series", `{job="a"}`), post(c+"?merge=sum", "# TYPE x counter\nx 1\n", many).over("series"),
		}},
		"max_label_sets": {"limits: {max_label_sets: 2}", []limitStep{
			put(a, x, 200), put(b, x, 200), put(a+"/i/1", x, 200), put(a+"/k/1", x, many).over("label_sets", `{job="a",k="1"}`, "the limit of 2"), put(a+"/i/2", x, 200),
			del(a + "/i/1"), put(a+"/k/1", x, many).over("label_sets"), del(a + "/i/2"), put(a+"/k/1", x, 200),
		}},
		"max_series_per_push": {"limits: {max_series_per_push: 2}", []limitStep{
			put(a, xy, 200), put(a, xyz, large).over("series_per_push", "more than 2 series", `"z"`), post(a, gauges("z"), 200),
			put("/api/v1/push?group_by=job", `x{job="p"} 1`+"\n"+`x{job="q"} 1`+"\n"+`x{job="r"} 1`+"\n", large).over("series_per_push"),
		}},
		"max_families_per_push": {"limits: {max_families_per_push: 2}", []limitStep{
			put(a, xy, 200), put(a, xyz, large).over("families_per_push", "more than 2 families", `"z"`), put(a, `x{i="1"} 1`+"\n"+`x{i="2"} 1`+"\n"+`x{i="3"} 1`+"\n", 200),
		}},
		"max_labels_per_series": {"limits: {max_labels_per_series: 3}", []limitStep{
			put(a, `x{b="1",c="1"} 1`+"\n", 200), put(a, `x{b="1",c="1",d="1"} 1`+"\n", large).over("labels_per_series", "more than 3 labels", `"x"`, "fewer labels"),
			put(a, histogram(`b="1",c="1"`), 200), put(a, histogram(`b="1",c="1",d="1"`), large).over("labels_per_series", `"h"`),
			put(a+"/b/1/c/1", x, 200), put(a+"/b/1/c/1/d/1", x, large).over("labels_per_series", "4 labels"), put("/metrics/job/d/b/1", `x{b="2",c="1"} 1`+"\n", 200),
		}},
		"max_label_name_length": {"limits: {max_label_name_length: 5}", []limitStep{
			put(a, `long_name{short="1"} 1`+"\n", 200), put(a, `x{longer="1"} 1`+"\n", large).over("label_name_length", `"longer" has 6 bytes`, "the limit of 5", `"x"`),
			put(a+"/short/1", x, 200), put(a+"/longer/1", x, large).over("label_name_length", `"longer"`),
		}},
		"max_label_value_length": {"limits: {max_label_value_length: 5}", []limitStep{
			put(a, `x{b="short"} 1`+"\n", 200), put(a, `x{b="longer"} 1`+"\n", large).over("label_value_length", `"b" has 6 bytes`, "the limit of 5", `"x"`),
			put("/metrics/job/short", x, 200), put("/metrics/job/longer", x, large).over("label_value_length", `"job"`), put("/metrics/job@base64/bG9uZ2Vy", x, large).over("label_value_length"),
		}},
		"max_groups_per_push": {"limits: {max_groups_per_push: 2}", []limitStep{
			put("/api/v1/push?group_by=job", `x{job="p"} 1`+"\n"+`x{job="q"} 1`+"\n", 200),
			put("/api/v1/push?group_by=job", `x{job="p"} 1`+"\n"+`x{job="q"} 1`+"\n"+`x{job="r"} 1`+"\n", large).over("groups_per_push"),
		}},
		"max_grouping_labels": {"limits: {max_grouping_labels: 2}", []limitStep{
			put(a+"/i/1", x, 200), put(a+"/i/1/k/2", x, large).over("grouping_labels", "3 labels", "the limit of 2"), put(a+"/i/1/k/2/l/3", x, large).over("grouping_labels"),
			put("/api/v1/push?group_by=job,i,k", `x{job="p",i="1",k="1"} 1`+"\n", large).over("grouping_labels"), put("/api/v1/push?group_by=job,i,k", `x{job="p",k="1"} 1`+"\n", 200),
		}},
		"max_body_bytes": {"limits: {max_body_bytes: 1KiB}", []limitStep{
			put(a, strings.Repeat("# x\n", 255)+x, 200), put(a, strings.Repeat("# x\n", 256)+x, large).over("body_bytes", "1024 bytes"),
		}},
		"max_series_per_group": {"limits: {max_series_per_group: 2}", []limitStep{
			put(a, xy, 200), post(a, gauges("z"), large).over("series_per_group", `{job="a"}`), put(b, xyz, large).over("series_per_group"),
		}},
		"max_series_per_job": {"rules: [{match: '{job=\"a\"}', max_series_per_job: 3}]", []limitStep{
			put(a, xy, 200), put(a+"/i/1", x, 200), put(a+"/i/2", x, many).over("series_per_job", `{i="2",job="a"}`, "4 series of its job", "the limit of 3", `in the rule for {job="a"}`),
			put(b, xyz, 200), put(b+"/i/1", x, 200), put(a, x, 200), put(a+"/i/2", x, 200), post(a, gauges("y"), many).over("series_per_job"), put("/metrics/job@base64/YQ/i/3", x, many).over("series_per_job"),
		}},
		"max_groups_per_job": {"rules: [{match: '{job=~\".*\"}', max_groups_per_job: 2}]", []limitStep{
			put(a, x, 200), put(a+"/i/1", x, 200), put(a+"/i/2", x, many).over("groups_per_job", "3 groups of its job", "the limit of 2"), put(b, x, 200), put(a, xyz, 200),
			del(a), put(a+"/i/2", x, 200),
		}},
		"several groups at once": {"limits: {max_series: 2}", []limitStep{
			put("/api/v1/push?group_by=job", `x{job="p"} 1`+"\n"+`x{job="q"} 1`+"\n"+`x{job="r"} 1`+"\n", many).over("series", "1 of 3 groups were refused"),
			put("/metrics/job/p", x, 200), put("/metrics/job/q", x, 200), put("/metrics/job/r", x, many).over("series"),
		}},
		"the first rule": {"rules: [{match: '{job=\"a\",i=\"1\"}'}, {match: '{job=\"a\"}', max_groups_per_job: 1}]", []limitStep{
			put(a+"/i/1", x, 200), put(a, x, many).over("groups_per_job"), put(b, x, 200),
		}},
		"max_pushes_per_second": {"rules: [{match: '{job=\"a\"}', max_pushes_per_second: 0.01}]", []limitStep{
			put(a, x, 200), put(a, x, many).over("pushes_per_second", `the job "a"`, "0.01 times a second"), put(b, x, 200), put(a+"/i/1", x, many).over("pushes_per_second"),
			put("/api/v1/push?group_by=job", `x{job="b"} 1`+"\n"+`x{job="a"} 1`+"\n", many).over("pushes_per_second"),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := withLimits(t, tt.config)
			for n, step := range tt.steps {
				s.take(n, step)
			}
		})
	}
}

// TestBurst pushes as often as a rate allows at once.
func TestBurst(t *testing.T) {
	s, _ := withLimits(t, "rules: [{match: '{job=\"a\"}', max_pushes_per_second: 3}]")
	const many = "/api/v1/push?group_by=job,i"
	s.push(many, `x{job="a",i="1"} 1`+"\n"+`x{job="a",i="2"} 1`+"\n"+`x{job="a",i="3"} 1`+"\n"+`x{job="a",i="4"} 1`+"\n", http.StatusOK)
	taken, refused := 1, 0
	for range 30 {
		switch a := s.do(http.MethodPut, "/metrics/job/a", "x 1\n"); a.status {
		case http.StatusOK:
			taken++
		case http.StatusTooManyRequests:
			refused++
			if a.header.Get("Retry-After") != "1" {
				t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
			}
		}
	}
	if taken < 3 || refused == 0 {
		t.Errorf("%d were taken and %d refused", taken, refused)
	}
}

// TestLimitsHoldExactly pushes from many clients at once.
func TestLimitsHoldExactly(t *testing.T) {
	for name, tt := range map[string]struct {
		config, used string
		most         float64
		args         []string
	}{
		"groups":         {"limits: {max_groups: 7}", `pushgateway_limit_used{limit="groups"}`, 7, nil},
		"series":         {"limits: {max_series: 15}", `pushgateway_limit_used{limit="series"}`, 15, nil},
		"unchecked":      {"limits: {max_series: 15}", `pushgateway_limit_used{limit="series"}`, 15, []string{"--push.disable-consistency-check"}},
		"series of jobs": {"rules: [{match: '{job=\"a\"}', max_series_per_job: 15}]", `pushgateway_limit_used{limit="series_per_job",rule="{job=\"a\"}"}`, 15, nil},
		"in a file":      {"limits: {max_series: 15}", `pushgateway_limit_used{limit="series"}`, 15, []string{"--persistence.file=" + filepath.Join(t.TempDir(), "m")}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := withLimits(t, tt.config, tt.args...)
			var all sync.WaitGroup
			for i := range 64 {
				all.Go(func() {
					for n := range 4 {
						merge := []string{"series", "sum"}[i%2]
						s.do(http.MethodPost, fmt.Sprintf("/metrics/job/a/i/%d?merge=%s", i%32, merge), fmt.Sprintf("# TYPE x counter\nx{n=\"%d\"} 1\n", n))
					}
				})
			}
			all.Wait()
			if got := s.value(tt.used); got != tt.most {
				t.Errorf("%s is %v, want %v", tt.used, got, tt.most)
			}
		})
	}
}

// TestLimitsLowered lowers limits below what is stored, by a reload and by a
// restart.
func TestLimitsLowered(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "x{n=\"%d\"} 1\n", i)
		}
		return b.String()
	}
	const lowered = "limits: {max_series: 10, max_groups: 1, max_label_sets: 1}\nrules: [{match: '{job=\"a\"}', max_series_per_job: 5, max_groups_per_job: 1}]"
	check := func(s *server) {
		for n, step := range []limitStep{
			put("/metrics/job/a", many(100), 200),
			put("/metrics/job/a", many(50), 200),
			post("/metrics/job/a", "y 1\n", http.StatusTooManyRequests).over("series"),
			post("/metrics/job/a?merge=series", "x{n=\"50\"} 1\n", http.StatusTooManyRequests).over("series"),
			post("/metrics/job/a?merge=series", "x{n=\"49\"} 2\n", 200),
			put("/metrics/job/a/i/1", "x 1\n", 200),
			put("/metrics/job/b", "x 1\n", http.StatusTooManyRequests).over("groups"),
			put("/metrics/job/a", many(7), 200),
			post("/metrics/job/a", "y 1\n", http.StatusTooManyRequests).over("series_per_job"),
		} {
			s.take(n, step)
		}
		const used = `pushgateway_limit_used{limit="series_per_job",rule="{job=\"a\"}"}`
		if got := s.value(used); got != 8 {
			t.Errorf("%s is %v", used, got)
		}
		if got := s.value(`pushgateway_limit{limit="series"}`); got != 10 {
			t.Errorf("the limit is %v", got)
		}
	}
	fill := func(s *server) {
		s.push("/metrics/job/a", many(100), 200)
		s.push("/metrics/job/a/i/1", "x 1\n", 200)
	}
	t.Run("by a reload", func(t *testing.T) {
		s, file := withLimits(t, "limits: {max_series: 1000}")
		fill(s)
		s.relimit(file, lowered)
		check(s)
		s.relimit(file, "")
		s.push("/metrics/job/b", many(1000), 200)
		if body := s.scrape().body; strings.Contains(body, "pushgateway_limit{") {
			t.Error("limits are exposed that are no more")
		}
	})
	t.Run("by a restart", func(t *testing.T) {
		file := "--persistence.file=" + filepath.Join(t.TempDir(), "m")
		s := start(t, file)
		fill(s)
		s.proc.Stop()
		s, _ = withLimits(t, lowered, file)
		if got := s.value(`pushgateway_limit_used{limit="groups_per_job",rule="{job=\"a\"}"}`); got != 2 {
			t.Errorf("%v groups of the job", got)
		}
		check(s)
	})
}

// TestPushLimitsLowered lowers limits below what a push has that was accepted
// before, and comes again.
func TestPushLimitsLowered(t *testing.T) {
	const large = http.StatusRequestEntityTooLarge
	for key, body := range map[string]string{
		"series_per_push":    "x{i=\"1\"} 1\nx{i=\"2\"} 1\n",
		"families_per_push":  "x 1\ny 1\n",
		"labels_per_series":  "x{i=\"1\",j=\"2\"} 1\n",
		"label_value_length": "x{i=\"1\",j=\"22\"} 1\n",
		"label_name_length":  "x{ii=\"1\",j=\"22\"} 1\n",
	} {
		s, file := withLimits(t, "")
		for range 3 { // then it takes a faster path
			s.push("/metrics/job/a", body, http.StatusOK)
		}
		s.relimit(file, "limits: {max_"+key+": 1}")
		s.take(0, put("/metrics/job/a", body, large).over(key))
		s.relimit(file, "")
		s.push("/metrics/job/a", body, http.StatusOK)
	}
}

// TestRuleTTL pushes to groups whose rule has a time to live.
func TestRuleTTL(t *testing.T) {
	const rules = "rules: [{match: '{job=\"a\"}', ttl: 2h}, {match: '{job=\"b\"}', ttl: 0s}]"
	for _, tt := range []struct {
		flags     []string
		job       string
		asks      string
		want      float64 // hours; 0 is for ever
		parameter bool
	}{
		{nil, "a", "", 2, false},
		{nil, "a", "1h", 1, false},
		{nil, "a", "3h", 2, false},
		{nil, "a", "0", 2, false},
		{nil, "a", "1h", 1, true},
		{nil, "b", "", 0, false},
		{nil, "b", "3h", 3, false},
		{nil, "c", "3h", 3, false},
		{nil, "c", "", 0, false},
		{[]string{"--push.ttl=5h"}, "a", "", 2, false},
		{[]string{"--push.ttl=5h"}, "b", "", 0, false},
		{[]string{"--push.ttl=5h"}, "c", "", 5, false},
	} {
		s, _ := withLimits(t, rules, tt.flags...)
		for _, path := range []string{"/metrics/job/" + tt.job + "/?", "/api/v1/push?group_by=job&"} {
			var header []string
			switch {
			case tt.parameter:
				path += "ttl=" + tt.asks
			case tt.asks != "":
				header = []string{"X-Pushgateway-TTL", tt.asks}
			}
			s.push(strings.Replace(path, "/?", "?", 1), fmt.Sprintf("x{job=%q} 1\n", tt.job), http.StatusOK, header...)
			series := fmt.Sprintf("{instance=\"\",job=%q}", tt.job)
			got := 0.0
			if strings.Contains(s.scrape().body, "push_expiry_time_seconds"+series) {
				got = (s.value("push_expiry_time_seconds"+series) - s.value("push_time_seconds"+series)) / 3600
			}
			if got < tt.want-0.01 || got > tt.want+0.01 {
				t.Errorf("%v: %s lives %v hours", tt, path, got)
			}
			s.want(http.StatusAccepted, http.MethodDelete, "/metrics/job/"+tt.job, "")
		}
	}
}

// TestNoLimits wants nothing of limits where none are set.
func TestNoLimits(t *testing.T) {
	s := start(t)
	s.push("/metrics/job/a", "x 1\n", http.StatusOK)
	if i := slices.Index(strings.Split(s.scrape().body, "\n"), "# TYPE pushgateway_limit gauge"); i >= 0 {
		t.Error("there are limits")
	}
	long := s.push("/metrics/job/a", "x{a=\""+strings.Repeat("b", 1<<20+1)+"\"} 1\n", http.StatusBadRequest)
	if strings.Contains(long.body, "max_") {
		t.Errorf("the built-in bound is named by a key: %s", long.body)
	}
}

// TestLimitsOfExports exports metrics over limits in the OpenTelemetry protocol.
func TestLimitsOfExports(t *testing.T) {
	const two = `{"name":"g","gauge":{"dataPoints":[{"asInt":"1"},{"asInt":"1","attributes":[{"key":"n","value":{"intValue":"1"}}]}]}},{"name":"h","gauge":{"dataPoints":[{"asInt":"1"}]}}`
	for key, tt := range map[string]struct {
		config string
		status int
	}{
		"series_per_push":    {"limits: {max_series_per_push: 2}", http.StatusRequestEntityTooLarge},
		"families_per_push":  {"limits: {max_families_per_push: 1}", http.StatusRequestEntityTooLarge},
		"labels_per_series":  {"limits: {max_labels_per_series: 2}", http.StatusRequestEntityTooLarge},
		"label_sets":         {"limits: {max_label_sets: 1}", http.StatusTooManyRequests},
		"series":             {"limits: {max_series: 2}", http.StatusTooManyRequests},
		"series_per_job":     {"rules: [{match: '{job=\"a\"}', max_series_per_job: 2}]", http.StatusTooManyRequests},
		"pushes_per_second":  {"rules: [{match: '{job=\"a\"}', max_pushes_per_second: 0.01}]", http.StatusTooManyRequests},
		"grouping_labels":    {"limits: {max_grouping_labels: 1}", http.StatusRequestEntityTooLarge},
		"label_value_length": {"limits: {max_label_value_length: 3}", http.StatusRequestEntityTooLarge},
	} {
		s, _ := withLimits(t, tt.config)
		s.push("/metrics/job/a", "x 1\n", http.StatusOK)
		instance := attributeOf("service.instance.id", "long")
		a := s.want(tt.status, http.MethodPost, "/v1/metrics", exportOf(instance, two), "Content-Type", otlpJSON)
		if !strings.Contains(a.body, "max_"+key) || !strings.Contains(a.body, "gateway.yml:1") {
			t.Errorf("%s: the answer is %s", key, a.body)
		}
		if strings.Contains(s.scrape().body, "\ng{") {
			t.Errorf("%s: something of the export is stored", key)
		}
	}
}
