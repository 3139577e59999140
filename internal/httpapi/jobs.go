package httpapi

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"pushgateway/internal/config"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/guard"
	"pushgateway/internal/jobs"
	"pushgateway/internal/nearest"
)

// jobsPage is how jobs are.
type jobsPage struct {
	Counts map[string]int `json:"counts"` // of jobs, by state
	Jobs   list           `json:"jobs"`   // of jobInfo
}

// jobInfo is a job: groups with the same values of some labels. Times are in
// Unix seconds. What is not known is null.
type jobInfo struct {
	Labels       map[string]string `json:"labels"`
	State        string            `json:"state"`
	Since        *float64          `json:"since"`
	LastSuccess  *float64          `json:"last_success"`
	Duration     *float64          `json:"duration_seconds"`
	NextExpected *float64          `json:"next_expected"`
	Reason       string            `json:"reason"`
	Groups       int               `json:"groups"`
	InState      int               `json:"groups_in_state,omitempty"` // of several groups
	Group        map[string]string `json:"group"`                     // labels of the worst group, which all other fields are about
	Runs         []runInfo         `json:"runs,omitempty"`            // the last ones of all groups, oldest first
}

// runInfo is a run that has ended.
type runInfo struct {
	Ended    float64  `json:"ended"` // Unix time in seconds, with milliseconds
	Outcome  string   `json:"outcome"`
	ExitCode *float64 `json:"exit_code,omitempty"`
	Duration *float64 `json:"duration_seconds,omitempty"`
}

// jobsQuery is a parsed query.
type jobsQuery struct {
	filter
	by     []string
	states []jobs.State // empty for all
	limit  int
	runs   int // of each row
}

// judging returns a function that judges all groups. It remembers what it found the
// last time, so it must not be called twice at once.
func (a *api) judging() func(*gateway.View, time.Time) *judged {
	var last *jobs.Survey
	return func(v *gateway.View, now time.Time) *judged {
		last = jobs.Look(v, a.Settings.Get().Jobs, float64(now.UnixNano())/1e9, last)
		return &judged{survey: last}
	}
}

// jobs serves how jobs are, worst first.
func (a *api) jobs(w http.ResponseWriter, r *http.Request) {
	s, end := a.searching(w, r)
	if end == nil {
		return
	}
	defer end()
	q, err := parseJobsQuery(r.URL.Query(), a.Limits)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	judged, _, ok := a.judged.latest(s.ctx, a.Gateway)
	var f *found
	if ok {
		f = judged.rows(s, r.URL.RawQuery, &q)
	}
	if f == nil {
		s.cutShort(w)
		return
	}
	s.answering.Store(true)
	f.write(w, r)
}

// table returns the rows of the groups that the query selects. Groups of the
// same survey are judged once, whoever asks.
func (q *jobsQuery) table(s *search, all *jobs.Survey) *jobs.Table {
	defer s.rest()
	t := all.Table(q.by)
	for i := range all.Len() {
		if s.Err() != nil {
			break
		}
		if q.names(s, all.Group(i).Key) {
			t.Add(i)
		}
	}
	return t
}

func jobInfoOf(r *jobs.Row, by []string, runs int) jobInfo {
	i := jobInfo{
		Labels: labelsJSON(r.Labels(by)), State: r.State.String(), Reason: r.Reason(),
		Since: wholeSeconds(r.Since), LastSuccess: wholeSeconds(positive(r.LastSuccess)), Duration: finite(r.Duration), NextExpected: wholeSeconds(r.NextExpected),
		Groups: r.Groups, Group: labelsJSON(r.Key.Labels()), Runs: runInfos(r.Runs(runs)),
	}
	if r.Groups > 1 {
		i.InState = r.InState
	}
	return i
}

// troubleOf returns the state of the job of a group if its runs are in trouble,
// or "". What becomes of pushes is not about runs.
func troubleOf(g *gateway.Group, rules config.JobRules, now time.Time) string {
	if s := jobs.StateOf(g, rules, float64(now.UnixNano())/1e9); s < jobs.PushRefused {
		return s.String()
	}
	return ""
}

func runInfos(runs []jobs.Run) []runInfo {
	all := make([]runInfo, len(runs))
	for i, r := range runs {
		all[i] = runInfo{Ended: float64(r.Ended.UnixMilli()) / 1000, Outcome: "ok", ExitCode: finite(r.ExitCode), Duration: finite(r.Duration)}
		if r.Failed {
			all[i].Outcome = "failed"
		}
	}
	return all
}

// jobOf is the job that one group tells of.
func jobOf(g *gateway.Group, rules config.JobRules, now time.Time) jobInfo {
	var by []string
	for _, l := range g.Key.Labels() {
		by = append(by, l.Name)
	}
	return jobInfoOf(jobs.RowOf(g, rules, float64(now.UnixNano())/1e9), by, maxRuns)
}

// finite returns a number, or nil if there is none that JSON has.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func wholeSeconds(t float64) *float64 { return finite(math.Floor(t)) }

// positive returns NaN for 0, which jobs push that have never succeeded.
func positive(t float64) float64 {
	if t > 0 {
		return t
	}
	return math.NaN()
}

// maxBy is how many labels can make up a row.
const maxBy = 20

func parseJobsQuery(v url.Values, l guard.Limits) (q jobsQuery, err error) {
	if q.filter, err = parseFilter(url.Values{"match[]": v["match[]"], "search": v["search"]}, time.Now(), l); err != nil {
		return q, err
	}
	for _, name := range v["state"] {
		s, ok := jobs.Parse(name)
		if !ok {
			return q, fmt.Errorf("state=%q must be one of %s%s", excerpt.Of(name), strings.Join(jobs.Names(), ", "), meant(name))
		}
		q.states = append(q.states, s)
	}
	if q.by, err = parseBy(v["by"]); err != nil {
		return q, err
	}
	if q.runs, err = parseRuns(v); err != nil {
		return q, err
	}
	q.limit, err = parseLimit(v, l.Query.Page)
	return q, err
}

// meant says which state an unknown one may stand for, as the end of an error.
func meant(state string) string {
	if len(state) < 100 {
		if s := nearest.To(state, jobs.Names()); s != "" {
			return "; did you mean " + s + "?"
		}
	}
	return ""
}

// maxRuns is how many runs of a row an answer has.
const maxRuns = 50

func parseRuns(v url.Values) (int, error) {
	if !v.Has("runs") {
		return maxRuns, nil
	}
	n, err := strconv.Atoi(v.Get("runs"))
	if err != nil || n < 0 || n > maxRuns {
		return 0, fmt.Errorf("runs=%q must be a number from 0 to %d", excerpt.Of(v.Get("runs")), maxRuns)
	}
	return n, nil
}

// parseBy returns the labels that tell rows apart: job, and those in lists with
// commas.
func parseBy(lists []string) ([]string, error) {
	by := []string{"job"}
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name == "" {
				return nil, fmt.Errorf("by=%q must name grouping labels, like by=instance", excerpt.Of(list))
			}
			if by = append(by, name); len(by) > maxBy {
				return nil, fmt.Errorf("by names over %d labels; name fewer", maxBy-1)
			}
		}
	}
	return by, nil
}
