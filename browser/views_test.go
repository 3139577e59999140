package browser

import (
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// jobsShown gives the jobs of the rows.
const jobsShown = `[...document.querySelectorAll("td.job a")].map((a) => a.innerText).join(", ")`

// TestStates looks at 300 jobs in all states, as somebody would at night.
func TestStates(t *testing.T) {
	s := start(t)
	s.inAllStates(300)
	axe, _ := os.ReadFile(axeFile) // without it, nobody looks
	for _, screen := range []screen{desktop, {375, 812, true}} {
		t.Run(fmt.Sprintf("%d dark %t", screen.width, screen.dark), func(t *testing.T) {
			tb := s.with(t).open(screen, "")
			tb.expect("404 (Not Found)") // of a group that never was
			tb.until(`[...document.querySelectorAll("nav.states a")].map((a) => a.textContent).join(", ") === "all 301, failing 3, late 2, running too long 1, push refused 1, stale 1, ok 278, unknown 15"`)
			tb.until(`document.querySelectorAll("td.job").length === 100`)
			tb.small(t)
			tb.reads("tr:nth-child(1) .why", "exit code 124: it took longer than its timeout")
			tb.reads("tr:nth-child(1) .slower", "usually ")
			tb.until(`/^The last 13 runs: \d+ failed\. The latest failed after 57m; usual are .*\.$/.test(document.querySelector("tr:nth-child(1) svg.runs").ariaLabel)`)
			tb.until(`document.querySelectorAll("tr:nth-child(1) .run").length === 13 && document.querySelectorAll("tr:nth-child(1) .run")[12].matches(".failed")`)
			tb.reads(".notice", "2 more pushes were refused, which no state of a job tells of.")
			tb.reads("#untold", "More refused pushes")
			tb.reads(".refusals li", "/metrics/job/legacy_importer/env/staging")
			tb.reads(".refusals li", "/metrics/job/database_backup_00/instance/host-000.example.org")
			tb.until(`document.documentElement.scrollWidth <= innerWidth`)
			tb.click(".refusals a[href*=legacy_importer]")
			tb.reads("h1", "Nothing is stored here: pushes were refused")
			tb.reads(".refusals li", "the last line has no newline at its end")
			tb.visit("?view=jobs&state=failing")
			tb.until(`document.querySelectorAll("td.job").length === 3`)
			if len(axe) > 0 { // which takes long for many rows
				tb.accessible(string(axe), "jobs")
			}
			tb.visit("?group=job/log_rotation_00/instance/host-003.example.org")
			tb.card(screen)
			if len(axe) > 0 {
				tb.accessible(string(axe), "a run")
			}
		})
	}
}

// small holds what was loaded to a size.
func (tb *tab) small(t *testing.T) {
	t.Helper()
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if t.Logf("the first view takes %.0f bytes", tb.bytes); tb.bytes == 0 || tb.bytes > 150_000 {
		t.Errorf("the first view takes %.0f bytes over the wire, want no more than 150,000", tb.bytes)
	}
}

// card looks at the card of a run that took too long.
func (tb *tab) card(screen screen) {
	tb.t.Helper()
	for fact, want := range map[string]string{
		"Started": "2h 5", "Ended": "1h 5", "Took": "57m\n", "Exit code": "124\nit took longer than its timeout", "CPU": "28m\n50 % of one core",
		"Memory": "1.2 GB", "Last success": "1d 1h ago", "Expected": "every 1d", "Next": "due 1h 5",
	} {
		tb.until(fmt.Sprintf(`[...document.querySelectorAll(".run-card .facts div")].some((d) => d.querySelector("dt").innerText === %q && d.querySelector("dd").innerText.startsWith(%q))`, fact, want))
	}
	tb.until(`document.querySelector(".run-card [data-raw='1234000000']").title === "1234000000"`)
	tb.reads(`[data-family="dump_size_bytes"] td`, "5.1 GB")
	tb.until(`[...document.querySelectorAll(".family")].map((f) => f.dataset.family.startsWith("job_")).join() === "false,false,true,true,true,true,true,true,true,true,true"`)
	tb.until(`document.documentElement.scrollWidth <= innerWidth`)
}

// TestFindJobs searches jobs, and divides them by labels.
func TestFindJobs(t *testing.T) {
	s := start(t)
	for _, path := range []string{"job/backup/instance/db1/env/prod", "job/backup/instance/db2/env/prod", "job/etl/instance/db1/env/test"} {
		s.push(path, "job_exit_code 0\n", http.StatusOK)
	}
	tb := s.open(desktop, "")
	tb.until(jobsShown + ` === "backup, etl"`)
	tb.search("ba")
	tb.keys("ckup")
	tb.until(jobsShown + ` === "backup"`)
	tb.until(`new URLSearchParams(location.search).get("q") === "backup"`)
	if n := eval[int](tb, `performance.getEntriesByType("resource").filter((e) => e.name.includes("/api/v1/label")).length`); n > 4 {
		t.Errorf("%d requests for completions of one word", n)
	}
	tb.visit(`?view=jobs&q={instance="db`) // not complete, and nothing else is known
	tb.reads(".hint", "The selector is not complete yet.")
	tb.until(jobsShown + ` === "backup, etl"`)
	tb.run(chromedp.Focus("#search", chromedp.ByQuery))
	tb.keys(kb.End + `1"}`)
	tb.until(jobsShown + ` === "backup, etl"`)
	tb.until(`document.querySelector(".hint").textContent === ""`)
	tb.visit("")
	tb.until(jobsShown + ` === "backup, etl"`) // what comes late moves the field away from the click
	tb.click("#by")
	tb.until(`[...document.querySelectorAll("#by-names option")].map((o) => o.value).join() === "env,instance"`)
	tb.keys("instance" + kb.Enter)
	tb.until(jobsShown + ` === 'backup instance="db1", backup instance="db2", etl instance="db1"'`)
	tb.click("tr:nth-child(2) td.job a")
	tb.reads("h1", "db2")
}

// TestRefusedAndUnreadable tells of pushes that could not be read at their group,
// and ends with the next good one.
func TestRefusedAndUnreadable(t *testing.T) {
	s := withUsers(t, "[health, ui, query]")
	bearer := []string{"Authorization", "Bearer ops-secret"}
	s.push("job/a", "m 1\n", http.StatusOK, bearer...)
	s.push("job/a", "m 1", http.StatusBadRequest, bearer...)
	s.push("job/other", "m 1\n", http.StatusUnauthorized, "Authorization", "Bearer wrong")
	tb := s.open(desktop, "?group=job/a")
	tb.reads(".banner.bad", "The last push was refused")
	tb.reads(".banner.bad", "syntax, from ops at 127.0.0.1")
	tb.reads(".banner.bad pre", "the last line has no newline at its end")
	tb.until(`[...document.querySelectorAll(".facts div")].some((d) => /^Last refused push\n(just now|\d+s ago)$/.test(d.innerText))`)
	tb.visit("?state=failing")
	tb.until(rows + ` === "a other"`)
	tb.reads("#row-0 .why", "the last line has no newline at its end")
	tb.reads("#row-1 .why", "token")
	tb.press("Overview")
	tb.until(`[...document.querySelectorAll(".overview .numbers div")].some((d) => d.innerText === "Refused groups\n2")`)
	tb.run(chromedp.Evaluate(`[...document.querySelectorAll(".overview .numbers div")].find((d) => d.innerText.startsWith("Refused groups")).querySelector("a").click()`, nil))
	tb.reads(".total", "2 groups whose last push was refused.")
	s.push("job/a", "m 1\n", http.StatusOK, bearer...)
	tb.until(rows + ` === "other"`)
}

// TestMayNotQuery says what is missing, and asks for no password by itself.
func TestMayNotQuery(t *testing.T) {
	s := withUsers(t, "[health, ui]")
	for _, screen := range []screen{desktop, phone} {
		t.Run(fmt.Sprint(screen.width), func(t *testing.T) {
			tb := s.with(t).open(screen, "")
			tb.expect("401 (Unauthorized)")
			tb.reads("h1", "Log in to see what is stored")
			if axe, err := os.ReadFile(axeFile); err == nil {
				tb.accessible(string(axe), "the page for somebody who is not logged in")
			}
			tb.reads(".empty p", "nobody is logged in")
			tb.until(`document.querySelector(".empty a").href.endsWith("/api/v1/login")`)
			if axe, err := os.ReadFile(axeFile); err == nil {
				tb.accessible(string(axe), "a page without a user")
			}
		})
	}
	tb := s.as("ops").open(desktop, "api/v1/login")
	tb.reads("td.job", "other")
}

// TestOverviewCounts leads from each number to what it counts.
func TestOverviewCounts(t *testing.T) {
	s := start(t)
	s.push("job/a", "m 1\n", http.StatusOK)
	s.push("job/b", "m 1\n", http.StatusOK)
	tb := s.open(desktop, "?view=overview")
	for name, total := range map[string]string{"Groups": "2 groups.", "Series": "2 groups.", "Families": "2 groups."} {
		tb.visit("?view=overview")
		tb.until(`document.querySelectorAll(".numbers a").length === 5`)
		tb.run(chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll(".numbers div")].find((d) => d.innerText.startsWith(%q)).querySelector("a").click()`, name), nil))
		tb.reads(".total", total)
	}
	tb.visit("?view=overview")
	tb.press("≤ 1m: 2")
	tb.reads(".total", "2 groups pushed to within 60s.")
	tb.until(rows + ` === "b a"`)
	tb.visit("?view=overview")
	tb.until(`document.querySelector(".chart canvas")`)
	// Before the start there is nothing, which is not zero.
	begin := `fetch("api/v1/overview").then((a) => a.json()).then(({ data: { activity: a } }) => new Date(a.begin) > new Date(a.end) - a.step_seconds * a.pushes.length * 1000)`
	if !eval[bool](tb, begin) {
		t.Errorf("the activity begins before the start")
	}
}
