package browser

import (
	"flag"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/sys/unix"
)

var (
	screenshots = flag.String("screenshots", "", "directory to write the screenshots of the documentation to")
	warm        = flag.Duration("warm", 10*time.Minute, "how long to push before they are made")
)

// TestScreenshots makes the pictures of the documentation: make screenshots.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("no directory given: make screenshots")
	}
	random := rand.New(rand.NewPCG(1, 2))
	directory, err := filepath.Abs(*screenshots)
	if err != nil {
		t.Fatal(err)
	}
	file := past(t, demoPast(random))
	t.Chdir(filepath.Dir(file))
	s := start(t, "--web.enable-admin-api", "--persistence.file="+filepath.Base(file))
	s.ready()
	go s.scrapeUntil(t.Context())
	s.demoNow(random, *warm)
	const (
		production = `?q={env="production"}`
		group      = "?group=job/nightly_etl/env/production/team/data"
		run        = "?group=job/invoice_mailer/env/production/instance/mail-1"

		rowsOfJobs = `document.querySelector("table.states .badge")`
		rowsDrawn  = `document.querySelector(".rows .badge")`
		chart      = `document.querySelector(".plot canvas")`
	)
	for _, shot := range []struct {
		name, address, ready string
		screen
		press string // a button
		typed string // into the search
	}{
		{"jobs", "", rowsOfJobs, screen{1280, 860, false}, "", ""},
		{"jobs-dark", "", rowsOfJobs, screen{1280, 860, true}, "", ""},
		{"jobs-phone", "", rowsOfJobs, screen{375, 1100, true}, "", ""},
		{"groups", production, rowsDrawn, screen{1280, 760, false}, "", ""},
		{"search", "?view=groups", rowsDrawn, screen{1280, 560, false}, "", `{job="b`},
		{"clean-up", "?q=apt&state=stale&stale=30d", rowsDrawn, screen{1280, 760, false}, "Clean up…", ""},
		{"group", group, chart, screen{1280, 1080, false}, "", ""},
		{"group-phone", group, chart, screen{375, 1100, true}, "", ""},
		{"run", run, `document.querySelector(".run-card")`, screen{1280, 800, false}, "", ""},
		{"refused", "?group=job/payments_reconcile/env/production/region/eu-west-1", `document.querySelector(".banner.bad strong")`, screen{1280, 800, false}, "", ""},
		{"overview", "?view=overview", `document.querySelectorAll(".chart canvas").length === 2`, screen{1280, 860, false}, "", ""},
		{"status", "status", `document.querySelector(".permissions li")`, screen{1280, 860, false}, "", ""},
	} {
		t.Run(shot.name, func(t *testing.T) {
			tb := s.with(t).open(shot.screen, shot.address)
			tb.until(shot.ready)
			if shot.press != "" {
				tb.press(shot.press)
				tb.until(`document.querySelector(".preview li")`)
			}
			if shot.typed != "" {
				tb.expect("400 (Bad Request)")
				tb.search(shot.typed)
				tb.until(`document.querySelector(".completions li")`)
			}
			tb.shoot(filepath.Join(directory, shot.name+".png"))
		})
	}
	t.Run("trouble", func(t *testing.T) {
		s.limitFiles(1 << 10)
		s.with(t).push("job/large", incompressible(200_000), http.StatusServiceUnavailable)
		tb := s.with(t).open(screen{1280, 560, false}, "")
		tb.reads("[data-kind=storage]", "What to do")
		tb.until(rowsOfJobs)
		tb.shoot(filepath.Join(directory, "trouble.png"))
		s.limitFiles(unix.RLIM_INFINITY) // it writes once more when it stops
	})
}

// shoot writes to a file what is shown once it is drawn.
func (tb *tab) shoot(file string) {
	tb.t.Helper()
	tb.until(`new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))`)
	var png []byte
	tb.run(chromedp.CaptureScreenshot(&png))
	if err := os.WriteFile(file, png, 0o644); err != nil {
		tb.t.Fatal(err)
	}
}
