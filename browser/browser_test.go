// Package browser drives the page in a real browser, as a person would.
package browser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"pushgateway/internal/testproc"
)

var (
	binary  string          // the gateway, built once for all tests
	running context.Context // the browser, nil if there is none
)

func TestMain(m *testing.M) {
	stop := startBrowser()
	code := testproc.Main(m, &binary)
	stop()
	os.Exit(code)
}

// startBrowser starts the one browser of all tests.
func startBrowser() (stop func()) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return func() {}
	}
	allocated, end := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.WSURLReadTimeout(testproc.Patience))
	// What the library calls errors are events that it does not know yet.
	ctx, cancel := chromedp.NewContext(allocated, chromedp.WithErrorf(func(string, ...any) {}))
	if err := chromedp.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "starting chromium:", err)
		os.Exit(1)
	}
	running = ctx
	return func() { cancel(); end() }
}

// server is a gateway for one test.
type server struct {
	t    testing.TB
	base string // with a slash at the end
	proc *testproc.Process
}

func start(t testing.TB, args ...string) *server {
	t.Helper()
	return startOn(t, "127.0.0.1:0", args...)
}

// startOn serves at an address.
func startOn(t testing.TB, address string, args ...string) *server {
	t.Helper()
	p := testproc.Run(t, exec.Command(binary, append([]string{"--web.listen-address=" + address}, args...)...))
	return &server{t: t, base: "http://" + p.Addr + "/", proc: p}
}

// ready waits until the persistence file has been read.
func (s *server) ready() {
	s.t.Helper()
	for deadline := time.Now().Add(testproc.Patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		res, err := client.Get(s.base + "-/ready")
		if err != nil {
			s.t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return
		}
	}
	s.t.Fatal("the gateway does not become ready")
}

var client = &http.Client{Timeout: testproc.Patience}

// push replaces a group, and wants a status for it.
func (s *server) push(path, body string, want int, header ...string) {
	s.t.Helper()
	if got := s.tryPush(path, body, header...); got != want {
		s.t.Fatalf("pushing to %s: got %d, want %d", path, got, want)
	}
}

func (s *server) tryPush(path, body string, header ...string) (status int) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPut, s.base+"metrics/"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// scrape reads the exposition as Prometheus would.
func (s *server) scrape() {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.base+"metrics", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("User-Agent", "Prometheus/3.5.0")
	res, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		s.t.Fatal(err)
	}
}

// scrapeUntil scrapes every second, as Prometheus would.
func (s *server) scrapeUntil(ctx context.Context) {
	for ctx.Err() == nil {
		if req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"metrics", nil); err == nil {
			req.Header.Set("User-Agent", "Prometheus/3.5.0")
			if res, err := client.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		}
		time.Sleep(time.Second)
	}
}

// screen is what a person looks at.
type screen struct {
	width, height int64
	dark          bool
}

var (
	desktop = screen{width: 1280, height: 800}
	phone   = screen{width: 375, height: 812}
)

func (s screen) scheme() string {
	if s.dark {
		return "dark"
	}
	return "light"
}

// colors makes the browser ask for the colors of the screen, at once.
func (s screen) colors() chromedp.Action {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: s.scheme()}, {Name: "prefers-reduced-motion", Value: "reduce"},
	})
}

// tab is a page of its own.
type tab struct {
	t      testing.TB
	ctx    context.Context
	base   string
	screen screen

	mu       sync.Mutex
	problems []string // what the console said, and requests to elsewhere
	expected []string // parts of problems that the test brings about
	bytes    float64  // over the wire
}

// open shows an address in a new tab. When the test ends the console must
// have stayed empty, and nobody but the gateway have been asked.
func (s *server) open(screen screen, address string) *tab {
	s.t.Helper()
	if running == nil {
		s.t.Skip("there is no chromium: scripts/test-deps installs it")
	}
	ctx, cancel := chromedp.NewContext(running)
	ctx, timeout := context.WithTimeout(ctx, testproc.Patience)
	tb := &tab{t: s.t, ctx: ctx, base: s.base, screen: screen}
	s.t.Cleanup(func() { tb.judge(); timeout(); cancel() })
	chromedp.ListenTarget(ctx, tb.hear)
	tb.run(network.Enable(), cdplog.Enable(), runtime.Enable(),
		emulation.SetDeviceMetricsOverride(screen.width, screen.height, 1, screen.width == phone.width),
		screen.colors(), page.BringToFront())
	tb.visit(address)
	return tb
}

// hear gathers what must not happen.
func (tb *tab) hear(event any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		tb.problems = append(tb.problems, "exception: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		tb.problems = append(tb.problems, fmt.Sprintf("console.%s: %s", e.Type, e.Args[0].Value))
	case *cdplog.EventEntryAdded:
		tb.problems = append(tb.problems, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Host != tb.host() && !strings.HasPrefix(e.Request.URL, "about:") {
			tb.problems = append(tb.problems, "request to "+e.Request.URL)
		}
	case *network.EventLoadingFinished:
		tb.bytes += e.EncodedDataLength
	}
}

func (tb *tab) host() string {
	u, err := url.Parse(tb.base)
	if err != nil {
		return ""
	}
	return u.Host
}

// expect allows for problems that say so.
func (tb *tab) expect(part string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.expected = append(tb.expected, part)
}

func (tb *tab) judge() {
	tb.t.Helper()
	tb.mu.Lock()
	defer tb.mu.Unlock()
problems:
	for _, p := range tb.problems {
		for _, part := range tb.expected {
			if strings.Contains(p, part) {
				continue problems
			}
		}
		tb.t.Errorf("the browser says: %s", p)
	}
}

func (tb *tab) run(actions ...chromedp.Action) {
	tb.t.Helper()
	if err := chromedp.Run(tb.ctx, actions...); err != nil {
		tb.t.Fatalf("%v; the page shows: %s", err, tb.shown())
	}
}

// shown is the text of the page, for messages.
func (tb *tab) shown() (text string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.ctx), 5*time.Second)
	defer cancel()
	_ = chromedp.Run(ctx, chromedp.Evaluate(`document.body.innerText.slice(0, 2000)`, &text))
	return text
}

// visit goes to an address of the gateway.
func (tb *tab) visit(address string) {
	tb.t.Helper()
	if !strings.HasPrefix(address, "about:") {
		address = tb.base + address
	}
	tb.run(chromedp.Navigate(address))
}

// eval gives the value of an expression, which may be a promise.
func eval[T any](tb *tab, expression string) (value T) {
	tb.t.Helper()
	tb.run(chromedp.Evaluate(expression, &value, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return value
}

// until waits for an expression to be true.
func (tb *tab) until(expression string) {
	tb.t.Helper()
	if err := chromedp.Run(tb.ctx, chromedp.Poll(expression, nil, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		tb.t.Fatalf("%s: %v; the page shows: %s", expression, err, tb.shown())
	}
}

// reads waits for an element to have a text in it.
func (tb *tab) reads(selector, text string) {
	tb.t.Helper()
	tb.until(fmt.Sprintf(`[...document.querySelectorAll(%q)].some((e) => e.checkVisibility() && e.innerText.includes(%q))`, selector, text))
}

// gone waits for an element not to be seen.
func (tb *tab) gone(selector string) {
	tb.t.Helper()
	tb.until(fmt.Sprintf(`[...document.querySelectorAll(%q)].every((e) => !e.checkVisibility())`, selector))
}

// click presses what is seen of an element.
func (tb *tab) click(selector string) {
	tb.t.Helper()
	tb.tap(selector, chromedp.ByQuery)
}

// press clicks the button, link or summary that reads so.
func (tb *tab) press(name string) {
	tb.t.Helper()
	tb.tap(fmt.Sprintf(`//*[self::button or self::a or self::summary or self::option][normalize-space(.)=%q]`, name), chromedp.BySearch)
}

// tap presses an element, or the one that the page shows instead by then.
func (tb *tab) tap(selector string, by chromedp.QueryOption) {
	tb.t.Helper()
	for deadline := time.Now().Add(testproc.Patience); ; {
		err := chromedp.Run(tb.ctx, chromedp.Click(selector, by, chromedp.NodeVisible))
		if e := new(cdproto.Error); errors.As(err, &e) && strings.Contains(strings.ToLower(e.Message), "node") && time.Now().Before(deadline) {
			continue // the page no longer shows the node that was found
		}
		if err != nil {
			tb.t.Fatalf("pressing %s: %v; the page shows: %s", selector, err, tb.shown())
		}
		return
	}
}

// keys types where the focus is.
func (tb *tab) keys(keys string) {
	tb.t.Helper()
	tb.run(chromedp.KeyEvent(keys))
}

// refresh does not wait for the page to do it by itself.
func (tb *tab) refresh() {
	tb.t.Helper()
	tb.click("#live")
	tb.click("#live")
}
