package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/testproc"
)

// slowGroups are so many that their journal is not read while tests look at
// the gateway, slowed down as it is.
const slowGroups = 10_000

// needsStrace skips a test where starts cannot be made slow.
func needsStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is missing: without it nothing makes the start slow")
	}
	if out, err := exec.Command("strace", "-D", "-f", "-o", os.DevNull, binary, "--version").CombinedOutput(); err != nil {
		t.Skipf("strace cannot be used here: %v\n%s", err, out)
	}
}

// slowly runs the gateway so that it takes a tenth of a second for each page
// of its journal, and most of a minute for one of slowGroups.
func slowly(file string, args ...string) *exec.Cmd {
	under := []string{"-D", "-f", "-o", os.DevNull, "-P", file, "-e", "trace=pread64", "-e", "inject=pread64:delay_enter=100000"}
	under = append(under, binary, "--web.listen-address=127.0.0.1:0", "--persistence.file="+file)
	return exec.Command("strace", append(under, args...)...)
}

// startSlowly waits until the gateway listens, which it does before the
// journal is read.
func startSlowly(t *testing.T, file string, args ...string) *server {
	t.Helper()
	p := testproc.Run(t, slowly(file, args...))
	return &server{t: t, addr: p.Addr, base: "http://" + p.Addr, log: p.Log, proc: p}
}

var progress = regexp.MustCompile(`^The gateway is starting: it has read (\d+) of (\d+) groups from the persistence file\.\n$`)

// awaitProgress waits until some of the groups have been read.
func (s *server) awaitProgress() {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		a := s.wantStarting(http.MethodGet, "/-/ready", "")
		if m := progress.FindStringSubmatch(a.body); m != nil {
			if m[1] == "0" || m[1] == m[2] || m[2] != strconv.Itoa(slowGroups) {
				s.t.Errorf("got %q", a.body)
			}
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("it does not get on: %q", a.body)
		}
	}
}

// wantStarting sends a request that is to be sent again later.
func (s *server) wantStarting(method, path, body string, header ...string) answer {
	s.t.Helper()
	a := s.want(http.StatusServiceUnavailable, method, path, body, header...)
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 || !strings.HasPrefix(a.body, "The gateway is starting: ") {
		s.t.Errorf("%s %s: got %v, %q", method, path, a.header, a.body)
	}
	return a
}

const scrapeTimeout = "X-Prometheus-Scrape-Timeout-Seconds"

// TestStarting looks at a gateway that reads a large journal.
func TestStarting(t *testing.T) {
	needsStrace(t)
	file := makeJournal(t, slowGroups)
	journal := readFile(t, file)
	for name, test := range map[string]func(t *testing.T, file string){"answers": startingAnswers, "can be stopped": startingStops, "can fail": startingFails} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "metrics")
			writeFile(t, file, journal)
			test(t, file)
		})
	}
}

func startingAnswers(t *testing.T, file string) {
	lines := exportedLines(t, file)
	s := startSlowly(t, file, "--web.enable-admin-api", "--web.enable-lifecycle")
	if a := s.get("/-/healthy"); a.body != "OK" {
		t.Errorf("healthy: got %q", a.body)
	}
	s.awaitProgress()
	for _, r := range [][2]string{
		{http.MethodGet, "/-/ready?for=push"}, {http.MethodPut, "/metrics/job/a"}, {http.MethodPost, "/metrics/job/a"}, {http.MethodDelete, "/metrics/job/0000"},
		{http.MethodGet, "/api/v1/metrics"}, {http.MethodGet, "/api/v1/groups"}, {http.MethodGet, "/api/v1/admin/snapshot"}, {http.MethodPut, "/api/v1/admin/wipe"}, {http.MethodGet, "/"},
	} {
		s.wantStarting(r[0], r[1], "")
	}
	s.wantStarting(http.MethodGet, "/metrics", "", scrapeTimeout, "0.1")

	waiting := make(chan answer, 1)
	go func() {
		req, err := http.NewRequest(http.MethodGet, s.base+"/metrics", nil)
		if err != nil {
			panic(err)
		}
		req.Header.Set(scrapeTimeout, "3000")
		waiting <- fetch(req)
	}()
	s.get("/-/healthy")
	s.proc.Untrace()
	if a := <-waiting; a.status != http.StatusOK || !slices.Equal(exactScrape(a.body), lines) {
		t.Errorf("the scrape that has waited: got %d %q", a.status, clip(a.body))
	}
	s.get("/-/ready")
	s.get("/-/ready?for=push")
	s.push("/metrics/job/more", "more 1\n", http.StatusOK)
	if log := s.log.String(); strings.Index(log, "Listening on") > strings.Index(log, `msg="Read the persistence file" groups=10000 series=10000`) {
		t.Errorf("it has listened only after it had read everything:\n%s", log)
	}
}

// fetch gives what a request was answered; the status is 0 if it was not.
func fetch(req *http.Request) answer {
	res, err := client.Do(req)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

// startingStops ends the gateway before it has read its journal, at two
// moments.
func startingStops(t *testing.T, file string) {
	before := lookAt(t, filepath.Dir(file))

	s := startSlowly(t, file)
	s.awaitProgress()
	conn := s.dial()
	fmt.Fprintf(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\n%s: 3000\r\n\r\n", scrapeTimeout)
	s.get("/-/healthy")
	s.proc.Stop() // nor does it wait for the scrape
	before.wantUntouched(t, filepath.Dir(file))

	p := testproc.Launch(t, slowly(file))
	for deadline := time.Now().Add(patience); !strings.Contains(p.Log.String(), "Starting pushgateway"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not start\n%s", p.Log)
		}
	}
	p.Stop()
	before.wantUntouched(t, filepath.Dir(file))
}

// startingFails finds damage when clients have seen the gateway already.
func startingFails(t *testing.T, file string) {
	flipIn(t, file, "9999")
	before := lookAt(t, filepath.Dir(file))
	s := startSlowly(t, file)
	s.awaitProgress()
	s.proc.Untrace()
	s.proc.AwaitExit(1)
	_, said, _ := strings.Cut(s.log.String(), "pushgateway: ")
	wantSentence(t, "pushgateway: "+said, file, `group {job="9999"}`, "--persistence.salvage")
	before.wantUntouched(t, filepath.Dir(file))
}

// TestReadyForWhat misspells what a probe is for. It must not say that all is well.
func TestReadyForWhat(t *testing.T) {
	s := start(t)
	for query, want := range map[string]int{"": 200, "?for=scrape": 200, "?for=push": 200, "?for=push&max_lag=5s": 200, "?_=1": 200, "?for=pushes": 400, "?for=PUSH": 400, "?max_lag=x": 400} {
		if a := s.want(want, http.MethodGet, "/-/ready"+query, ""); want == 400 && !strings.Contains(a.body, "it must be") {
			t.Errorf("%s: got %q", query, a.body)
		}
	}
}
