package browser

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

var scale = flag.Int("scale", 0, "groups with which to measure the page, as docs/web.md has it for 100000")

// TestScale measures, and holds the page to a size that does not depend on
// the number of groups.
func TestScale(t *testing.T) {
	if *scale == 0 {
		t.Skip("no number of groups given: -scale 100000")
	}
	s := start(t)
	s.fill(*scale)
	tb := s.open(desktop, "about:blank")
	measure := func(what string, do func()) {
		start := time.Now()
		do()
		fmt.Printf("%s: %.0f ms, %d elements in the page, %.1f MB of JavaScript heap\n", what, time.Since(start).Seconds()*1000,
			eval[int](tb, `document.querySelectorAll("*").length`), eval[float64](tb, `performance.memory.usedJSHeapSize / 1e6`))
		if n := eval[int](tb, `document.querySelectorAll(".rows .row").length`); n > 40 {
			t.Errorf("%s: %d rows are in the page", what, n)
		}
	}
	last := *scale - 1
	measure("jobs", func() { tb.visit("?view=jobs&by=instance"); tb.reads("td.job", "host-00000") })
	tb.small(t)
	measure("first view", func() { tb.visit("?view=groups"); tb.reads("#row-0", "host-00000") })
	measure("search for a text", func() { tb.search(fmt.Sprintf("host-%05d", last)); tb.reads("#row-0", fmt.Sprintf("host-%05d", last)) })
	measure("search with a selector", func() { tb.visit(`?q={instance=~"host-.*7"}`); tb.reads("#row-0", "host-00007") })
	measure("sorted by last push", func() { tb.visit("?sort=-push_time"); tb.reads("#row-0", "host-") })
	measure("scrolled to the end", func() {
		tb.visit("?view=groups")
		tb.reads("#row-0", "host-00000")
		tb.run(chromedp.Evaluate(`document.querySelector(".grid").scrollTop = 1e9`, nil))
		tb.reads(fmt.Sprintf("#row-%d", last), fmt.Sprintf("host-%05d", last))
	})
}
