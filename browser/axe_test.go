package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// axeFile is fetched by scripts/test-deps.
const axeFile = "axe-core-4.14.1/axe.min.js"

// violation is what axe finds wrong.
type violation struct {
	ID, Help string
	Nodes    []struct {
		HTML    string
		Summary string `json:"failureSummary"`
	}
}

// accessible lets axe look at what is shown, and again in the other colors, on
// which only some rules depend.
func (tb *tab) accessible(axe, what string) {
	tb.t.Helper()
	tb.run(chromedp.Evaluate(axe, nil))
	tb.violates(`{resultTypes: ["violations"]}`, what+", "+tb.screen.scheme())
	other := tb.screen
	other.dark = !other.dark
	tb.run(other.colors())
	tb.violates(`{resultTypes: ["violations"], runOnly: ["color-contrast", "link-in-text-block"]}`, what+", "+other.scheme())
	tb.run(tb.screen.colors())
}

// violates reports what axe finds with some options.
func (tb *tab) violates(options, what string) {
	tb.t.Helper()
	found := eval[string](tb, `axe.run(document, `+options+`).then((r) => JSON.stringify(r.violations))`)
	var violations []violation
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		tb.t.Fatal(err)
	}
	for _, v := range violations {
		tb.t.Errorf("%s: %s: %s (%d places)", what, v.ID, v.Help, len(v.Nodes))
		for _, n := range v.Nodes[:min(2, len(v.Nodes))] {
			tb.t.Logf("%s\n%s", n.HTML, n.Summary)
		}
	}
}

// TestAccessible looks at every page and dialog: names, roles, contrast, and
// what else can be found without a person.
func TestAccessible(t *testing.T) {
	axe, err := os.ReadFile(axeFile)
	if err != nil {
		t.Skip("there is no axe-core: scripts/test-deps fetches it")
	}
	s := start(t, "--push.disable-consistency-check", "--web.enable-admin-api")
	s.push("job/etl", drawable, http.StatusAccepted)
	s.push("job/b", "# TYPE rows_total gauge\nrows_total 1\n", http.StatusAccepted)
	s.push("job/expires", "m 1\n", http.StatusAccepted, "X-Pushgateway-TTL", "1h")
	s.push("job/bad", "m 1 1000\n", http.StatusAccepted)
	s.push("job/lost", "m 1", http.StatusBadRequest)
	empty := start(t)
	for _, screen := range []screen{desktop, {375, 812, true}} {
		look := func(s *server, what, address, ready string, press ...string) {
			t.Run(fmt.Sprintf("%s at %d, dark %t", what, screen.width, screen.dark), func(t *testing.T) {
				tb := s.with(t).open(screen, address)
				tb.expect("404 (Not Found)") // of a group that never was
				tb.until(fmt.Sprintf(`document.querySelector(%q) !== null`, ready))
				if what == "clean-up" {
					tb.unfold()
				}
				for _, name := range press {
					tb.press(name)
				}
				tb.accessible(string(axe), what)
			})
		}
		look(s, "jobs", "", "table.states .badge")
		look(s, "groups", "?view=groups", "#row-3 .badge")
		look(s, "clean-up", "?q=etl", "#row-0 .badge", "Clean up…")
		look(s, "group", "?group=job/etl", ".chart canvas", "Buckets as a table")
		look(s, "refused group", "?group=job/bad", ".banner.bad strong")
		look(s, "group of which nothing is stored", "?group=job/lost", ".refusals .why")
		look(s, "overview", "?view=overview", ".hidden-list li")
		look(s, "status", "status", ".permissions li")
		look(empty, "no groups", "", ".empty pre")
	}
}
