package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// rows gives the jobs of the rows that are in the page.
const rows = `[...document.querySelectorAll(".rows .row .chip:first-child")].map((c) => c.lastChild.textContent).join(" ")`

// search types into the search box.
func (tb *tab) search(text string) {
	tb.t.Helper()
	// As one event, so that no character follows if the page has taken the key.
	slash := input.DispatchKeyEvent(input.KeyDown).WithKey("/").WithCode("Slash").WithText("/")
	tb.run(slash, input.DispatchKeyEvent(input.KeyUp).WithKey("/").WithCode("Slash"))
	tb.until(`document.activeElement.id === "search"`)
	if text != "" {
		tb.keys(text)
	}
}

func TestGroups(t *testing.T) {
	s := start(t)
	s.push("job/backup/instance/db1", "m 1\nn 1\n", http.StatusOK)
	s.push("job/backup/instance/db2", "m 1\n", http.StatusOK)
	s.push("job/certs", "m 1\n", http.StatusOK)
	s.push("job/certs", "m 1 1000\n", http.StatusBadRequest)
	s.push("job/expires", "m 1\n", http.StatusOK, "X-Pushgateway-TTL", "90m")
	for _, screen := range []screen{desktop, phone} {
		t.Run(fmt.Sprint(screen.width), func(t *testing.T) {
			tb := s.with(t).open(screen, "?view=groups")
			tb.reads(".total", "4 groups.")
			tb.until(rows + ` === "backup backup certs expires"`)
			tb.reads("#row-2 .badge", "push refused")
			tb.reads("#row-0 .badge", "pushed")
			tb.reads("#row-3 .expiry", "in 1h")
			tb.until(`/UTC|GMT|\d\d:\d\d/.test(document.querySelector("#row-0 time").title)`)

			tb.unfold()
			tb.press("Push refused")
			tb.reads(".total", "1 group whose last push was refused.")
			tb.until(rows + ` === "certs"`)
			tb.press("All")
			tb.until(rows + ` === "backup backup certs expires"`)

			tb.click("#row-1 .chip:nth-child(2)")
			tb.reads(".total", `1 group matching {instance="db2"}.`)
			tb.until(`document.getElementById("search").value === '{instance="db2"}'`)
			tb.click("#row-0 .chip:first-child")
			tb.reads(".total", `1 group matching {instance="db2",job="backup"}.`)
		})
	}
}

// unfold shows the controls, which a phone hides.
func (tb *tab) unfold() {
	tb.t.Helper()
	if eval[bool](tb, `innerWidth < 760`) {
		tb.press("Filters")
	}
}

// with gives the same server to a subtest.
func (s *server) with(t testing.TB) *server { return &server{t: t, base: s.base, proc: s.proc} }

func TestSort(t *testing.T) {
	s := start(t)
	s.push("job/b", "m 1\n", http.StatusOK)
	s.push("job/c", "m{a=\"1\"} 1\nm{a=\"2\"} 1\nm{a=\"3\"} 1\n", http.StatusOK, "X-Pushgateway-TTL", "1h")
	s.push("job/a", "m 1\nn 1\n", http.StatusOK, "X-Pushgateway-TTL", "90m")
	s.push("job/b", "m 1 1000\n", http.StatusBadRequest)
	tb := s.open(desktop, "?view=groups")
	tb.until(rows + ` === "a b c"`)
	for _, column := range []struct{ name, first, second string }{
		{"Series", "c a b", "b a c"},
		{"Families", "a c b", "b c a"},
		{"Last push", "a c b", "b c a"},
		{"State", "b c a", "a c b"},
		{"Expires", "c a b", "b a c"},
		{"Group", "a b c", "c b a"},
	} {
		tb.press(column.name)
		tb.until(rows + fmt.Sprintf(" === %q", column.first))
		tb.press(column.name)
		tb.until(rows + fmt.Sprintf(" === %q", column.second))
		tb.until(`document.querySelectorAll(".head [aria-sort$=scending]").length === 1`)
	}
	tb = s.open(phone, "?view=groups")
	tb.until(rows + ` === "a b c"`)
	tb.run(chromedp.SetValue(".phone select", "-series", chromedp.ByQuery))
	tb.run(chromedp.Evaluate(`document.querySelector(".phone select").dispatchEvent(new Event("change"))`, nil))
	tb.until(rows + ` === "c a b"`)
}

func TestSearch(t *testing.T) {
	s := start(t)
	for _, path := range []string{"job/backup/instance/db1", "job/backup/instance/web1", "job/certs/instance/web1"} {
		s.push(path, "m 1\n", http.StatusOK)
	}
	tb := s.open(desktop, "?view=groups")
	tb.reads(".total", "3 groups.")

	tb.search("WEB")
	tb.reads(".total", "2 groups with “WEB” in a label.")
	tb.keys(kb.Escape) // the completions, if there are any by now
	tb.keys(kb.Escape)
	tb.reads(".total", "3 groups.")

	// A selector, typed with the help of completion.
	tb.search("{in")
	tb.reads(".completions li", "instance")
	tb.keys(kb.ArrowDown + kb.Enter)
	tb.until(`document.getElementById("search").value === '{instance=""'`)
	tb.reads(".completions li", "web1")
	tb.keys(kb.ArrowDown + kb.ArrowDown + kb.Enter)
	tb.until(`document.getElementById("search").value === '{instance="web1"}'`)
	tb.reads(".total", `2 groups matching {instance="web1"}.`)

	// The view can be shared.
	shared := eval[string](tb, `location.search`)
	other := s.open(desktop, shared)
	other.reads(".total", `2 groups matching {instance="web1"}.`)
	other.until(`document.getElementById("search").value === '{instance="web1"}'`)
}

// TestSearchSlowly chooses from a list that an answer replaces meanwhile.
func TestSearchSlowly(t *testing.T) {
	s := start(t)
	s.push("job/backup/instance/db1", "m 1\n", http.StatusOK)
	tb := s.open(desktop, "?view=groups")
	tb.expect("400 (Bad Request)") // of a selector that is being typed
	tb.reads(".total", "1 group.")
	eval[bool](tb, `(() => {
		const now = window.fetch;
		const released = new Promise((release) => { window.release = release; });
		window.fetch = async (...args) => {
			if (args[0].includes("contains=in")) await released;
			return now(...args);
		};
		return true;
	})()`)
	tb.search("{")
	tb.reads(".completions li", "job")
	tb.keys("in" + kb.ArrowDown)
	tb.reads(".completions li[aria-selected=true]", "instance")
	eval[bool](tb, `(window.release(), true)`)
	tb.until(`document.querySelectorAll(".completions li").length === 1`)
	tb.keys(kb.Enter)
	tb.until(`document.getElementById("search").value === '{instance=""'`)
}

// TestSearchByMouse takes completions with the mouse, for plain text.
func TestSearchByMouse(t *testing.T) {
	s := start(t)
	s.push("job/backup", "m 1\n", http.StatusOK)
	s.push("job/certs", "m 1\n", http.StatusOK)
	tb := s.open(phone, "?view=groups")
	tb.reads(".total", "2 groups.")
	tb.click("#search")
	tb.keys("bac")
	tb.reads(".completions li", "backup")
	tb.click(".completions li")
	tb.reads(".total", `1 group matching {job="backup"}.`)
}

func TestSearchErrors(t *testing.T) {
	s := start(t)
	s.push("job/backup", "m 1\n", http.StatusOK)
	tb := s.open(desktop, "?view=groups")
	tb.expect("400 (Bad Request)")
	tb.reads(".total", "1 group.")
	tb.search(`{job="`) // nobody is asked yet
	tb.reads(".hint", "The selector is not complete yet.")
	tb.until(rows + ` === "backup"`)
	tb.keys(`nope", job=~"("}`)
	tb.reads(".problem", "missing closing )")
	tb.until(rows + ` === "backup"`)
	tb.keys(strings.Repeat(kb.Backspace, 11) + "}")
	tb.reads(".empty", "No group matches")
	tb.press("Show all groups")
	tb.reads(".total", "1 group.")
	tb.gone(".problem")
}

// TestKeyboard goes from the search into the table, into a group and back.
func TestKeyboard(t *testing.T) {
	s := start(t)
	for i := range 300 {
		s.push(fmt.Sprintf("job/j%03d", i), "m 1\n", http.StatusOK)
	}
	tb := s.open(desktop, "?view=groups")
	tb.reads(".total", "300 groups.")
	tb.search("")
	tb.keys(kb.ArrowDown)
	tb.until(`document.querySelector(".row[aria-selected=true]")?.id === "row-0"`)
	tb.keys(kb.ArrowDown + kb.ArrowDown + kb.ArrowUp)
	tb.until(`document.querySelector(".row[aria-selected=true]")?.id === "row-1"`)
	for range 20 {
		tb.keys(kb.ArrowDown)
	}
	tb.until(`document.querySelector(".row[aria-selected=true]")?.id === "row-21"`)
	place := eval[float64](tb, `document.querySelector(".grid").scrollTop`)
	if place == 0 {
		t.Errorf("the table does not follow the selection")
	}
	tb.keys(kb.Enter)
	tb.reads("h1", "j021")
	tb.keys(kb.Escape)
	tb.until(fmt.Sprintf(`document.querySelector(".grid")?.scrollTop === %v`, place))
	tb.until(`document.querySelector(".row[aria-selected=true]")?.id === "row-21"`)
}

// TestKeyboardOnGone presses Enter on a group that has been deleted: no other
// one opens in its place.
func TestKeyboardOnGone(t *testing.T) {
	s := start(t)
	for _, job := range []string{"a", "b", "c"} {
		s.push("job/"+job, "m 1\n", http.StatusOK)
	}
	tb := s.open(desktop, "?view=groups")
	tb.until(rows + ` === "a b c"`)
	tb.search("")
	tb.keys(kb.ArrowDown + kb.ArrowDown)
	tb.until(`document.querySelector(".row[aria-selected=true]")?.innerText.includes("b")`)
	eval[bool](tb, `fetch("metrics/job/b", { method: "DELETE" }).then((a) => a.ok)`)
	tb.until(rows + ` === "a c"`)
	tb.keys(kb.Enter)
	tb.keys(kb.ArrowUp + kb.Enter)
	tb.reads("h1", "a")
}

// TestManyGroups keeps only what is in view in the page.
func TestManyGroups(t *testing.T) {
	s := start(t)
	s.fill(5000)
	tb := s.open(desktop, "?view=groups")
	tb.reads(".total", "5,000 groups.")
	few := `document.querySelectorAll(".rows .row").length < 40`
	tb.until(`document.getElementById("row-0")?.innerText.includes("many") && ` + few)
	tb.run(chromedp.Evaluate(`document.querySelector(".grid").scrollTop = 1e9`, nil))
	tb.until(`document.getElementById("row-4999")?.innerText.includes("04999") && ` + few)
	tb.run(chromedp.Evaluate(`document.querySelector(".grid").scrollTop = 2500 * 42`, nil))
	tb.until(`document.getElementById("row-2500")?.innerText.includes("02500") && ` + few)
}

// fill pushes many small groups, in few requests.
func (s *server) fill(groups int) {
	s.t.Helper()
	for from := 0; from < groups; from += 10_000 {
		var body strings.Builder
		for i := from; i < min(groups, from+10_000); i++ {
			fmt.Fprintf(&body, "last_success{job=\"many\",instance=\"host-%05d\"} 1\n", i)
		}
		s.pushMany(body.String())
	}
}

func (s *server) pushMany(body string) {
	s.t.Helper()
	res, err := client.Post(s.base+"api/v1/push?group_by=job,instance", "text/plain", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		s.t.Fatalf("pushing many groups: %s", res.Status)
	}
}

// TestNoGroups tells how to begin, with a command that works.
func TestNoGroups(t *testing.T) {
	s := start(t)
	tb := s.open(desktop, "?view=groups")
	tb.reads(".empty", "No groups yet")
	s.shell(eval[string](tb, `document.querySelector(".empty pre").textContent`))
	tb.reads("#row-0", "my_job") // by itself
}
