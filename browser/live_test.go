package browser

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestLive keeps the place and the selection while groups come and go.
func TestLive(t *testing.T) {
	s := start(t)
	for i := range 400 {
		s.push(fmt.Sprintf("job/j%03d", i), "m 1\n", http.StatusOK)
	}
	tb := s.open(desktop, "?view=groups")
	tb.reads(".total", "400 groups.")
	tb.run(chromedp.Evaluate(`document.querySelector(".grid").scrollTop = 200 * 42`, nil))
	tb.reads("#row-203", "j203")
	tb.run(chromedp.Evaluate(`document.querySelector("#row-203 .age").click()`, nil))
	tb.reads("h1", "j203")
	tb.press("← All groups")
	tb.until(`document.querySelector(".row[aria-selected=true]")?.innerText.includes("j203")`)
	top := `document.querySelector(".row[aria-selected=true]").getBoundingClientRect().top`
	before := eval[float64](tb, top)
	for _, path := range []string{"a1", "a2", "a3"} {
		s.push("job/"+path, "m 1\n", http.StatusOK)
	}
	tb.reads(".total", "403 groups.")
	tb.until(`document.querySelector(".row[aria-selected=true]")?.id === "row-206"`)
	tb.until(fmt.Sprintf(`Math.abs(%s - %v) < 1`, top, before))
	tb.until(`document.querySelector(".row[aria-selected=true]").innerText.includes("j203")`)
}

func TestPause(t *testing.T) {
	s := start(t)
	s.push("job/a", "m 1\n", http.StatusOK)
	tb := s.open(desktop, "?view=groups")
	tb.reads(".total", "1 group.")
	tb.press("Live")
	tb.reads("#live", "Paused")
	s.push("job/b", "m 1\n", http.StatusOK)
	tb.press("Paused")
	tb.reads(".total", "2 groups.")
}

// TestUnreachable says so, keeps what it had, and recovers.
func TestUnreachable(t *testing.T) {
	s := start(t)
	s.push("job/a", "m 1\n", http.StatusOK)
	tb := s.open(phone, "?view=groups")
	tb.expect("net::ERR_CONNECTION_REFUSED")
	tb.reads(".total", "1 group.")
	s.proc.Stop()
	tb.reads("#offline", "The gateway cannot be reached.")
	tb.reads("#live", "Offline")
	tb.reads("#row-0", "a")
	startOn(t, s.proc.Addr)
	tb.gone("#offline")
	tb.reads(".empty", "No groups yet")
}

// TestTheme follows the system unless told otherwise, and remembers.
func TestTheme(t *testing.T) {
	s := start(t)
	tb := s.open(screen{1280, 800, true}, "?view=groups")
	dark := func(want bool) {
		t.Helper()
		tb.until(fmt.Sprintf(`(getComputedStyle(document.body).backgroundColor === "rgb(20, 23, 27)") === %t`, want))
	}
	dark(true)
	tb.press("Auto")
	dark(false)
	tb.visit("status")
	dark(false)
	tb.press("Light")
	dark(true)
	tb.press("Dark")
	tb.reads("#theme", "Auto")
}
