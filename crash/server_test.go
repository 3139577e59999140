// Package crash_test kills the real binary, makes its disk fail, and takes its
// power away, and then looks for what it had acknowledged.
package crash_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"pushgateway/internal/boltjournal"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/testproc"
)

// binary is the gateway, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil { // most of the time they wait
		panic(err)
	}
	flag.Parse()
	os.Exit(testproc.Main(m, &binary))
}

// server is a running gateway as a client knows it.
type server struct {
	*testproc.Process
	t testing.TB
}

// command is a gateway with this persistence file, which may be run by other
// programs.
func command(file string, under ...string) *exec.Cmd {
	args := append(under, binary, "--web.listen-address=127.0.0.1:0", "--persistence.file="+file)
	return exec.Command(args[0], args[1:]...)
}

// start runs a gateway until it is killed or the test ends.
func start(t testing.TB, file string, under ...string) *server {
	t.Helper()
	s := &server{testproc.Launch(t, command(file, under...)), t}
	if !s.awaitReady() {
		t.Fatalf("it exited at startup\n%s", s.Log)
	}
	return s
}

// awaitReady waits until the gateway has read its journal. It gives false if
// the process ends instead.
func (s *server) awaitReady() bool {
	s.t.Helper()
	if !s.AwaitListening() {
		return false
	}
	for deadline := time.Now().Add(testproc.Patience); ; time.Sleep(5 * time.Millisecond) {
		a, err := ask(client, http.MethodGet, "http://"+s.Addr+"/-/ready", "")
		if err != nil { // only the end of the process stops it from answering
			<-s.Done
			return false
		}
		if a.status == http.StatusOK {
			return true
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("it does not become ready: %d %q\n%s", a.status, a.body, s.Log)
		}
	}
}

// answer is a response that has been read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// client gives up on nothing before the tests do. Connections are not shared,
// so that none of a dead server is used for the next.
var client = &http.Client{Timeout: testproc.Patience, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}

// ask sends a request. The header is a list of names and values in turn.
func ask(c *http.Client, method, url, body string, header ...string) (answer, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(b)}, err
}

func (s *server) get(path string) answer {
	s.t.Helper()
	a, err := ask(client, http.MethodGet, "http://"+s.Addr+path, "")
	if err != nil {
		s.t.Fatalf("GET %s: %v\n%s", path, err, s.Log)
	}
	return a
}

// scrape gives the groups. It waits while the gateway starts.
func (s *server) scrape() snapshot {
	s.t.Helper()
	a := s.get("/metrics")
	if a.status != http.StatusOK {
		s.t.Fatalf("GET /metrics: got %d %q\n%s", a.status, clip(a.body), s.Log)
	}
	return readScrape(a.body)
}

// send makes a change and gives the answer. The model is told of it.
func (s *server) send(c change) answer {
	s.t.Helper()
	a, err := sendVia(client, s.Addr, &c)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", c.method, c.group.path(), err, s.Log)
	}
	return a
}

// must makes a change that has to be taken.
func (s *server) must(c change) {
	s.t.Helper()
	if a := s.send(c); !a.taken(c) {
		s.t.Fatalf("%s %s: got %d %q\n%s", c.method, c.group.path(), a.status, a.body, s.Log)
	}
}

// sendVia sends a change that is numbered in a header, so that it can be found
// in a trace, and tells the model what became of it.
func sendVia(via *http.Client, addr string, c *change) (answer, error) {
	c.began = time.Now()
	a, err := ask(via, c.method, "http://"+addr+c.group.path(), c.body(), numberHeader, fmt.Sprint(c.number))
	c.ended = time.Now()
	c.answered(err == nil && a.taken(*c))
	return a, err
}

const numberHeader = "X-Change"

func (a answer) taken(c change) bool {
	if c.method == http.MethodDelete {
		return a.status == http.StatusAccepted
	}
	return a.status == http.StatusOK
}

// read gives the groups of a journal, which must not have any fault.
func read(path string) (snapshot, error) {
	lines := make(map[string][]string)
	s, err := boltjournal.Read(context.Background(), path, func(batch []gateway.Applied) {
		for _, a := range batch {
			show(lines, a.Group)
		}
	})
	if err == nil && len(s.Faults) > 0 {
		err = errors.New(s.Faults[0].String())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return snapshotOf(lines), nil
}

// show adds the lines of a group to those under its id.
func show(lines map[string][]string, g *gateway.Group) {
	id := idOf(g.Key)
	if !g.Pushed.IsZero() {
		lines[id] = append(lines[id], pushed+fmt.Sprint(seconds(g.Pushed)))
	}
	for _, f := range g.Families {
		for line := range strings.Lines(string(f.Text())) {
			lines[id] = append(lines[id], strings.TrimSuffix(line, "\n"))
		}
	}
}

func idOf(key grouping.Key) string {
	labels := make(map[string]string)
	for _, l := range key.Labels() {
		labels[l.Name] = l.Value
	}
	return fmt.Sprintf(`client="%s",group="%s"`, labels["client"], labels["group"])
}
