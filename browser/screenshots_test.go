package browser

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "directory to write the screenshots of the documentation to")

// TestScreenshots makes the pictures of the documentation: make screenshots.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("no directory given: make screenshots")
	}
	s := start(t, "--web.enable-admin-api")
	s.demo(2000)
	s.scrape()
	group := "?group=job%2Fnightly_etl%2Fenv%2Fproduction%2Fteam%2Fdata"
	for _, shot := range []struct {
		name, address, ready string
		screen
	}{
		{"groups", "?sort=-status", ".rows .badge", desktop},
		{"groups-dark", "?sort=-status", ".rows .badge", screen{1280, 800, true}},
		{"groups-phone", "?sort=-status", ".rows .badge", phone},
		{"group", group, ".plot canvas", screen{1280, 1150, false}},
		{"group-dark", group, ".plot canvas", screen{1280, 1150, true}},
		{"group-phone", group, ".plot canvas", screen{375, 1400, false}},
		{"overview", "?view=overview", ".jobs td", screen{1280, 900, false}},
		{"overview-phone", "?view=overview", ".jobs td", screen{375, 1400, true}},
		{"status", "status", ".permissions li", screen{1280, 900, false}},
		{"failing", "?group=job%2Fpayments_reconcile%2Fenv%2Fproduction%2Fregion%2Feu-west-1", ".banner.bad strong", screen{1280, 900, false}},
	} {
		t.Run(shot.name, func(t *testing.T) {
			tb := (&server{t: t, base: s.base}).open(shot.screen, shot.address)
			tb.until(`document.querySelector("` + shot.ready + `") !== null`)
			tb.until(`[...document.querySelectorAll(".chart")].every((e) => e.querySelector("canvas"))`)
			var png []byte
			tb.run(chromedp.CaptureScreenshot(&png))
			if err := os.WriteFile(filepath.Join(*screenshots, shot.name+".png"), png, 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}
