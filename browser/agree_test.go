package browser

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"pushgateway/internal/jobstest"
)

// TestStatesAgree asks the API, the command, the alerts and the page about the same
// jobs, which are in all states.
func TestStatesAgree(t *testing.T) {
	s := start(t)
	all := jobstest.All(time.Now().Unix())
	for _, j := range all {
		status := http.StatusOK
		if j.Name == jobstest.Refused {
			status = http.StatusBadRequest
		}
		s.push("job/"+j.Name+j.Key, j.Body, status)
	}
	states := jobstest.States(all)
	order := s.statesByAPI(states)
	s.statesByCommand(states, order)
	jobstest.AlertsAgree(t, "../deploy/prometheus", s.read("metrics"), states)
	s.statesOnPage(states, order)
}

// read returns the answer to a GET.
func (s *server) read(path string) string {
	s.t.Helper()
	res, err := client.Get(s.base + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: status %d, %v", path, res.StatusCode, err)
	}
	return string(body)
}

// agree compares what somebody says with the states that jobs are in.
func (s *server) agree(who string, says, states map[string]string) {
	s.t.Helper()
	if !maps.Equal(says, states) {
		s.t.Errorf("%s says %v\nwant %v", who, says, states)
	}
}

// statesByAPI returns the names of the jobs in the order of the API.
func (s *server) statesByAPI(states map[string]string) (order []string) {
	var page struct {
		Data struct {
			Jobs []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	if err := json.Unmarshal([]byte(s.read("api/v1/jobs")), &page); err != nil {
		s.t.Fatal(err)
	}
	says := make(map[string]string)
	for _, j := range page.Data.Jobs {
		says[j.Labels["job"]] = j.State
		order = append(order, j.Labels["job"])
	}
	s.agree("the API", says, states)
	return order
}

// statesByCommand asks the command, which must have the same order.
func (s *server) statesByCommand(states map[string]string, order []string) {
	out, err := exec.Command(binary, "jobs", "--url="+s.base).Output()
	if err != nil {
		s.t.Fatal(err)
	}
	says, names := make(map[string]string), []string(nil)
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); f[0] != "JOB" {
			says[f[0]] = f[1]
			names = append(names, f[0])
		}
	}
	s.agree("the command", says, states)
	if !slices.Equal(names, order) {
		s.t.Errorf("the command has the order %v\nwant %v", names, order)
	}
}

// statesOnPage reads the page, which must have the same order, and the columns of
// the command.
func (s *server) statesOnPage(states map[string]string, order []string) {
	heads, err := exec.Command(binary, "jobs", "--url="+s.base, "-o", "wide").Output()
	if err != nil {
		s.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(heads), "\n")
	tb := s.open(desktop, "")
	tb.until(`document.querySelectorAll("table.states tbody tr").length > 5`)
	var page struct {
		Heads []string
		Rows  [][2]string
	}
	tb.run(chromedp.Evaluate(`({heads: [...document.querySelectorAll("table.states thead th")].map((h) => h.textContent),
		rows: [...document.querySelectorAll("table.states tbody tr")].map((r) => [r.querySelector(".job a").textContent, r.querySelector(".badge").textContent])})`, &page))
	says, names := make(map[string]string), []string(nil)
	for _, r := range page.Rows {
		says[r[0]] = strings.ReplaceAll(r[1], " ", "_")
		names = append(names, r[0])
	}
	s.agree("the page", says, states)
	if !slices.Equal(names, order) {
		s.t.Errorf("the page has the order %v\nwant %v", names, order)
	}
	if got := strings.Fields(strings.ToUpper(strings.Join(page.Heads, " "))); !slices.Equal(got, strings.Fields(first)) {
		s.t.Errorf("the page has the columns %v, the command %v", got, strings.Fields(first))
	}
}
