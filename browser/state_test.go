package browser

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pushgateway/internal/natstest"
)

// TestExpiring finds the groups that end soon, and only these.
func TestExpiring(t *testing.T) {
	day := 24 * time.Hour
	file := past(t, []oldGroup{
		{"soon", "", 9 * day, "m 1\n", 10 * day},
		{"later", "", 7 * day, "m 1\n", 10 * day},
		{"never", "", 9 * day, "m 1\n", 0},
	})
	s := start(t, "--persistence.file="+file, "--web.enable-admin-api")
	s.ready()
	for _, screen := range []screen{desktop, phone} {
		t.Run(fmt.Sprint(screen.width), func(t *testing.T) {
			tb := s.with(t).open(screen, "?view=groups")
			tb.reads("#row-2 .badge", "expiring")
			tb.reads("#row-0 .badge", "stale")
			tb.unfold()
			tb.press("Expiring")
			tb.until(rows + ` === "soon"`)
			tb.reads(".total", "1 group whose time to live is almost over.")
			tb.press("Clean up…")
			tb.reads(".preview", `{job="soon"}`)
			tb.gone(".preview li:nth-child(2)")
			tb.visit("?state=expiring") // it can be shared
			tb.until(rows + ` === "soon"`)
			tb.until(`document.querySelector(".tabs [aria-pressed=true]").textContent === "Expiring"`)
		})
	}
}

// TestStale tells old groups from fresh ones, by the reader's measure.
func TestStale(t *testing.T) {
	file := past(t, []oldGroup{
		{"old", "", 3 * 24 * time.Hour, "m 1\n", 0},
		{"older", "", 31 * 24 * time.Hour, "m 1\n", 0},
		{"today", "", 2 * time.Hour, "m 1\n", 0},
	})
	s := start(t, "--persistence.file="+file)
	s.ready()
	tb := s.open(desktop, "?view=groups")
	tb.reads("#row-0 .badge", "stale")
	tb.reads("#row-0 time", "3d")
	tb.reads("#row-2 .badge", "pushed")
	tb.press("Stale")
	tb.until(rows + ` === "old older"`)
	tb.stale("7d")
	tb.until(rows + ` === "older"`)
	tb.stale("nonsense")
	tb.reads(".problem", "is not a duration")
	tb.visit("?view=groups") // it is remembered
	tb.until(`document.getElementById("stale").value === "7d"`)
	tb.reads("#row-0 .badge", "pushed")
	tb.visit("?view=overview")
	tb.until(`document.querySelectorAll(".chart canvas").length === 2`)
	tb.until(`document.querySelectorAll(".chart")[1].ariaLabel.includes("≤ 6h: 1, ≤ 1d: 0, ≤ 7d: 1, ≤ 30d: 0, > 30d: 1")`)
}

func (tb *tab) stale(text string) {
	tb.t.Helper()
	tb.click("#stale")
	tb.run(chromedp.Evaluate(`document.getElementById("stale").select()`, nil))
	tb.keys(text + kb.Enter)
}

// TestOverview draws the whole, and tells what is left out.
func TestOverview(t *testing.T) {
	s := start(t, "--push.disable-consistency-check")
	s.push("job/a", "# TYPE m gauge\nm 1\n", http.StatusAccepted)
	s.push("job/b", "# TYPE m counter\nm 1\n", http.StatusAccepted)
	for _, screen := range []screen{desktop, phone} {
		t.Run(fmt.Sprint(screen.width), func(t *testing.T) {
			tb := s.with(t).open(screen, "?view=groups")
			tb.press("Overview")
			tb.until(`document.querySelectorAll(".chart canvas").length === 2`)
			tb.reads(".hidden-list li", "its type is counter here, but gauge in an older push of another group. That group is {job=\"a\"}.")
			tb.reads(".legend", "accepted")
			tb.press("b")
			tb.reads(".total", `1 group matching {job="b"}.`)
			tb.reads("#row-0", "b")
		})
	}
}

// TestStatus says that nobody scrapes, and then who does.
func TestStatus(t *testing.T) {
	s := start(t, "--persistence.file="+filepath.Join(t.TempDir(), "groups.db"))
	s.ready()
	tb := s.open(desktop, "status")
	tb.reads(".banner", "Nobody has scraped this gateway")
	tb.reads("pre", "honor_labels: true")
	tb.reads(".pairs", "groups.db")
	tb.reads(".permissions", "needs --web.enable-admin-api")
	s.scrape()
	tb.refresh()
	tb.reads("td", "Prometheus/3.5.0")
	tb.gone(".banner")
	tb.click("#flag-search")
	tb.keys("max-body")
	tb.until(`document.querySelectorAll("#flags tbody tr").length === 1`)
	tb.reads("#flags td", "64MiB")
}

// TestStatusOfStream shows where several gateways keep their groups.
func TestStatusOfStream(t *testing.T) {
	servers := natstest.Start(t, 1)
	s := start(t, "--cluster.url="+servers.URLs()[0], "--cluster.replicas=1", "--cluster.stream=GROUPS", "--cluster.advertise-address=gateway-1:9091")
	s.ready()
	tb := s.open(desktop, "status")
	tb.reads("#member", "gateway-1:9091")
	tb.reads(".members", "gateway-1:9091 (this one)")
	for _, fact := range []string{"GROUPS", "of 1.1 GB", "gateway-1:9091", "the NATS servers have acknowledged"} {
		tb.until(fmt.Sprintf(`[...document.querySelectorAll(".pairs dd")].some((d) => d.textContent.includes(%q))`, fact))
	}
	servers.Stop(0)
	tb.reads("[data-kind=cluster]", "This member of the cluster has no connection to a NATS server.")
}

// TestRefusals tells whose pushes were refused, and why, and leads there.
func TestRefusals(t *testing.T) {
	s := start(t)
	const reason = "the last line has no newline at its end"
	for _, screen := range []screen{{360, 800, true}, desktop} {
		t.Run(fmt.Sprint(screen.width), func(t *testing.T) {
			s := s.with(t)
			tb := s.open(screen, "status")
			if screen.width == 360 {
				tb.reads(".good", "None since the gateway started.")
			}
			s.scrape()
			s.push("job/nightly%20backup", "m 1", http.StatusBadRequest, "User-Agent", "<b>nightly</b>/1")
			tb.refresh()
			tb.reads(".refusals .badge", "syntax")
			tb.reads(".refusals li", "from 127.0.0.1, <b>nightly</b>/1")
			tb.reads(".refusals code", "PUT /metrics/job/nightly%20backup")
			tb.reads(".refusals .why", reason)
			tb.reads(".scrapes td", "text")
			if wide := eval[int](tb, `document.querySelector(".scrapes").scrollWidth`); wide > int(screen.width) {
				t.Errorf("the scrapes are %d pixels wide", wide)
			}
			tb.visit("?view=groups")
			tb.unfold()
			tb.press("Refused pushes")
			tb.reads(".refusals .why", reason)
			tb.press("Overview")
			tb.press("refused")
			tb.reads(".refusals .why", reason)
		})
	}
	tb := s.open(desktop, "status")
	tb.reads(".refusals li", "2 times so far")
}

// TestMembers shows all members of a cluster, and tells of one that lags until it
// is over.
func TestMembers(t *testing.T) {
	servers := natstest.Start(t, 1)
	member := func(address string) *server {
		s := start(t, "--cluster.url="+servers.URLs()[0], "--cluster.replicas=1", "--cluster.stream=GROUPS", "--cluster.advertise-address="+address)
		s.ready()
		return s
	}
	one, two := member("gateway-1.example.org:9091"), member("gateway-2.example.org:9091")
	one.push("job/a", "m 1\n", http.StatusOK)
	var tabs []*tab
	for _, screen := range []screen{desktop, {375, 812, true}} {
		tb := one.open(screen, "status")
		tb.reads("#member", "gateway-1.example.org:9091")
		tb.until(members + ` === "gateway-1.example.org:9091 (this one): up to date, gateway-2.example.org:9091: up to date"`)
		tb.until(`document.documentElement.scrollWidth <= innerWidth`)
		tabs = append(tabs, tb)
	}
	two.signal(syscall.SIGSTOP)
	t.Cleanup(func() { two.signal(syscall.SIGCONT) })
	axe, _ := os.ReadFile(axeFile) // without it, nobody looks
	for _, tb := range tabs {
		tb.run(page.BringToFront()) // hidden tabs do not refresh
		tb.reads("[data-kind=member] strong", "gateway-2.example.org:9091")
		tb.until(`/up to date, gateway-2\.example\.org:9091: lags by \d+s$/.test(` + members + `)`)
		tb.until(`document.documentElement.scrollWidth <= innerWidth`)
		if len(axe) > 0 {
			tb.accessible(string(axe), "a member that lags")
		}
	}
	two.signal(syscall.SIGCONT)
	tabs[0].run(page.BringToFront())
	tabs[0].reads(".banner.past", "Over: ")
	tabs[0].until(members + ` === "gateway-1.example.org:9091 (this one): up to date, gateway-2.example.org:9091: up to date"`)
}

// members gives the states of the members of a cluster.
const members = `[...document.querySelectorAll(".members tbody tr")].map((r) => (r.cells[0].innerText + ": " + r.cells[1].innerText).replace(/\s+/g, " ").trim()).join(", ")`

func (s *server) signal(sig syscall.Signal) {
	if err := s.proc.Cmd.Process.Signal(sig); err != nil {
		s.t.Error(err)
	}
}
