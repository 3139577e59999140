package mixin

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// paragraphs gives the text under each heading of a page, by the anchor that
// the heading gets.
func paragraphs(page string) map[string]string {
	all := make(map[string]string)
	anchor := ""
	other := regexp.MustCompile(`[^a-z0-9 _-]`)
	for _, line := range strings.Split(page, "\n") {
		if heading := strings.TrimLeft(line, "#"); heading != line && strings.HasPrefix(heading, " ") {
			anchor = strings.ReplaceAll(other.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), ""), " ", "-")
			continue
		}
		all[anchor] += line + "\n"
	}
	return all
}

// TestAlertsAreDescribed holds each alert to a summary, a description, and a
// link to a paragraph that says what to do.
func TestAlertsAreDescribed(t *testing.T) {
	texts := paragraphs(read(t, docs+"operations.md"))
	alerts := 0
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		alerts++
		for _, name := range []string{"summary", "description", "runbook_url"} {
			if r.Annotations[name] == "" {
				t.Errorf("%s has no %s", r.Alert, name)
			}
		}
		if !slices.Contains([]string{"info", "warning", "critical"}, r.Labels["severity"]) {
			t.Errorf("%s has the severity %q", r.Alert, r.Labels["severity"])
		}
		anchor, found := strings.CutPrefix(r.Annotations["runbook_url"], "docs/operations.md#")
		if !found || len(strings.TrimSpace(texts[anchor])) < 80 {
			t.Errorf("%s: %s leads to no paragraph", r.Alert, r.Annotations["runbook_url"])
		}
	}
	if alerts < 13 {
		t.Errorf("there are only %d alerts", alerts)
	}
}

// TestParagraphsHaveAlerts finds runbooks of alerts that are no more.
func TestParagraphsHaveAlerts(t *testing.T) {
	known := make(map[string]bool)
	for _, r := range rules(t) {
		known[r.Alert] = true
	}
	headings := regexp.MustCompile(`(?m)^### (Push\w+|Job[A-Z]\w+)$`).FindAllStringSubmatch(read(t, docs+"operations.md"), -1)
	if len(headings) == 0 {
		t.Fatal("no headings are those of alerts")
	}
	for _, h := range headings {
		if !known[h[1]] {
			t.Errorf("docs/operations.md says what to do about %s, which is no alert", h[1])
		}
	}
}

// dashboard is what Grafana reads, as far as it is looked at here.
type dashboard struct {
	Templating struct {
		List []struct{ Name, Label, Type, Definition string }
	}
	Panels []struct {
		ID                       int
		Type, Title, Description string
		Targets                  []struct{ Expr string }
		GridPos                  struct{ X, Y, W, H int }
	}
}

func dashboards(t *testing.T, config string) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(render(t, config)["pushgateway.json"]), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDashboardIsDescribed(t *testing.T) {
	d := dashboards(t, "")
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name)
	}
	if want := []string{"datasource", "job", "instance", "pushed_job"}; !slices.Equal(names, want) {
		t.Errorf("variables are %v, want %v", names, want)
	}
	if len(d.Panels) < 20 {
		t.Errorf("there are only %d panels", len(d.Panels))
	}
	for i, p := range d.Panels {
		if p.ID != i+1 {
			t.Errorf("panel %d has id %d", i+1, p.ID)
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" {
			t.Errorf("panel %d, %q, has no title or no description", p.ID, p.Title)
		}
		for _, target := range p.Targets {
			if !strings.Contains(target.Expr, `=~"$`) {
				t.Errorf("%s: %s ignores the variables", p.Title, target.Expr)
			}
		}
	}
}

// TestPanelsDoNotOverlap looks for two panels in one place.
func TestPanelsDoNotOverlap(t *testing.T) {
	type place struct{ x, y int }
	taken := make(map[place]string)
	for _, p := range dashboards(t, "").Panels {
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[place{x, y}]; other != "" {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				taken[place{x, y}] = p.Title
			}
		}
	}
}

// TestSelectorsReachTheDashboard looks for the selectors in every query.
func TestSelectorsReachTheDashboard(t *testing.T) {
	d := dashboards(t, `pushgatewaySelector: 'cluster="eu"', pushedSelector: 'cluster="eu"'`)
	metric := regexp.MustCompile(`\b(?:pushgateway|push|job|process)_[a-z_]*(?:seconds|bytes|total|sum|count|groups|series|out|code|running|writable|info)\b(\{cluster="eu"[,}])?`)
	found := 0
	check := func(query string) {
		for _, m := range metric.FindAllStringSubmatch(query, -1) {
			if found++; m[1] == "" {
				t.Errorf("%s in %s lacks its selector", m[0], query)
			}
		}
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			check(target.Expr)
		}
	}
	for _, v := range d.Templating.List {
		check(v.Definition)
	}
	if found < 30 {
		t.Errorf("only %d metrics were found", found)
	}
}

// TestMetricsExist holds alerts, rules and panels to metrics that are
// documented.
func TestMetricsExist(t *testing.T) {
	known := make(map[string]bool)
	for _, m := range regexp.MustCompile("`([a-z_]+)[`{]").FindAllStringSubmatch(read(t, docs+"metrics.md")+read(t, docs+"jobs.md"), -1) {
		known[m[1]] = true
		known[m[1]+"_sum"], known[m[1]+"_count"] = true, true
	}
	var queries []string
	for _, r := range rules(t) {
		queries = append(queries, r.Expr)
	}
	for _, p := range dashboards(t, "").Panels {
		for _, target := range p.Targets {
			queries = append(queries, target.Expr)
		}
	}
	name := regexp.MustCompile(`\b(?:pushgateway|push|job)_[a-z_]+\b`)
	for _, q := range queries {
		for _, m := range name.FindAllString(strings.ReplaceAll(q, "$pushed_job", ""), -1) {
			if !known[m] {
				t.Errorf("%s in %s is documented nowhere", m, q)
			}
		}
	}
}
