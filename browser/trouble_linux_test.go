package browser

import (
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"golang.org/x/sys/unix"
)

// limitFiles bounds the size of the files that the gateway writes, as a full
// disk does.
func (s *server) limitFiles(most uint64) {
	s.t.Helper()
	var now unix.Rlimit
	if err := unix.Prlimit(s.proc.Cmd.Process.Pid, unix.RLIMIT_FSIZE, nil, &now); err != nil {
		s.t.Fatal(err)
	}
	now.Cur = min(most, now.Max)
	if err := unix.Prlimit(s.proc.Cmd.Process.Pid, unix.RLIMIT_FSIZE, &now, nil); err != nil {
		s.t.Fatal(err)
	}
}

// TestTroubles brings about what can keep a gateway from its work. Every view
// says so until it is over, and what it was afterwards.
func TestTroubles(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	configure := func(text string) {
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("limits: {max_groups: 1000}\n")
	s := start(t, "--persistence.file="+filepath.Join(dir, "groups.db"), "--config.file="+config)
	s.ready()
	s.push("job/a", "m 1\n", http.StatusOK)
	tb := s.open(desktop, "")
	tb.reads("table.states", "a")
	tb.gone("#troubles")
	axe, _ := os.ReadFile(axeFile) // without it, nobody looks
	reload := func() {
		if err := s.proc.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}

	s.limitFiles(1 << 10)
	s.push("job/large", incompressible(200_000), http.StatusServiceUnavailable)
	configure("limits: {max_groups: many}\n")
	reload()
	for range 4 {
		s.scrape()
		time.Sleep(200 * time.Millisecond)
	}
	for _, view := range []string{"Groups", "Overview", "Status", "Jobs"} {
		tb.press(view)
		tb.reads("[data-kind=storage] strong", "Pushes are refused: the persistence file "+filepath.Join(dir, "groups.db")+" cannot be written.")
		tb.reads("[data-kind=storage]", "Since ")
		tb.reads("[data-kind=storage]", "1 request was refused.")
		tb.reads("[data-kind=storage] code", "file too large")
		tb.reads("[data-kind=storage]", "What to do: Raise the limit of the size of files")
		tb.reads("[data-kind=config] strong", "The configuration file "+config+" could not be read again.")
		tb.reads("[data-kind=config] code", "max_groups")
		tb.reads("[data-kind=scrapes] strong", "Nobody scrapes this gateway any more: Prometheus/3.5.0 at 127.0.0.1 did every")
	}
	small := s.open(screen{375, 812, true}, "?view=groups")
	small.reads("[data-kind=storage]", "What to do")
	small.until(`document.documentElement.scrollWidth <= innerWidth`)
	small.until(`document.querySelector(".grid").clientHeight >= 300`)
	if len(axe) > 0 {
		tb.accessible(string(axe), "troubles")
		small.accessible(string(axe), "troubles on a phone")
	}

	s.limitFiles(unix.RLIM_INFINITY)
	configure("limits: {max_groups: 1, max_connections: 500}\n")
	reload()
	go s.scrapeUntil(t.Context())
	for s.tryPush("job/a", "m 1\n") != http.StatusOK {
		time.Sleep(100 * time.Millisecond)
	}
	tb.run(page.BringToFront()) // hidden tabs do not refresh
	tb.reads("[data-kind=restart]", "wait for a restart: limits.max_connections.")
	tb.reads("[data-kind=limit]", "the limit max_groups of 1 is reached.")
	tb.gone(":is([data-kind=storage], [data-kind=config], [data-kind=scrapes])")
	tb.reads(".banner.past", "Over: Pushes were refused: the persistence file")
	tb.reads(".banner.past", "refused. ")
	tb.reads(".banner.past", "Over: The configuration file")
	tb.reads(".banner.past", "Over: Nobody scraped this gateway")
	tb.press("Dismiss")
	tb.gone(".banner.past")
	tb.press("Status")
	tb.reads(".card", "Pushes were refused: the persistence file")
	tb.visit("")
	tb.reads("[data-kind=limit]", "is reached")
	tb.gone(".banner.past")
}

// incompressible is a body whose record takes about as many bytes.
func incompressible(size int) string {
	random := rand.New(rand.NewPCG(5, 6))
	var b strings.Builder
	for b.Len() < size {
		b.WriteString("m{l=\"")
		for range 100 {
			b.WriteByte(byte('a' + random.IntN(26)))
		}
		b.WriteString("\"} 1\n")
	}
	return b.String()
}
