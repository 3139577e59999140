package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/client"
	"pushgateway/internal/jobs"
)

// newJobs adds the command that lists jobs.
func newJobs(app *kingpin.Application, stdout, stderr io.Writer) command {
	clause := app.Command("jobs", "List jobs with their state, worst first: "+strings.Join(jobs.Names(), ", ")+".").HelpLong(`Examples:
  pushgateway jobs
  pushgateway jobs --state=failing --state=late -o wide
  pushgateway jobs --by=instance --match='{job="backup"}'
  pushgateway jobs --fail-on=failing --fail-on=late > /dev/null || echo trouble
  pushgateway jobs -o json | jq -r '.jobs[] | select(.state != "ok") | .labels.job'`)
	gw := addWhere(clause)
	var l jobList
	clause.Flag("state", "Only jobs in this state. Repeatable.").PlaceHolder("STATE").HintOptions(jobs.Names()...).StringsVar(&l.query.States)
	clause.Flag("match", "PromQL selector of groups. Repeatable; a group must match any of them.").Short('m').PlaceHolder("SELECTOR").StringsVar(&l.query.Selectors)
	clause.Flag("by", "Grouping label that tells rows apart, besides job. Repeatable.").PlaceHolder("LABEL").StringsVar(&l.query.By)
	clause.Flag("limit", "Maximum number of jobs to list, 1 to 10000.").Default("1000").IntVar(&l.query.Limit)
	clause.Flag("fail-on", "Exit with 1 if any job that --match selects is in this state. Repeatable.").PlaceHolder("STATE").HintOptions(jobs.Names()...).StringsVar(&l.failOn)
	outputs := []string{"table", "wide", "json"}
	clause.Flag("output", "Output format: table, wide or json. The table fits 100 columns; wide shows whole labels and reasons, and the last runs: the longer, the higher; x is one that failed.").Short('o').Default("table").HintOptions(outputs...).StringVar(&l.output)
	again := addWatch(clause)
	check := func() error {
		if again.on && len(l.failOn) > 0 {
			return errors.New("give --watch or --fail-on, not both: watching ends with no exit code")
		}
		if err := oneOf("output", l.output, outputs...); err != nil {
			return err
		}
		return errors.Join(checkStates("state", l.query.States), checkStates("fail-on", l.failOn), again.check(), gw.check())
	}
	show := func(ctx context.Context, to io.Writer) error {
		return gw.talk(ctx, func(ctx context.Context, c *client.Client) error {
			l.query.Runs = runsIn[l.output]
			page, err := c.Jobs(ctx, l.query)
			if err != nil {
				return describe("listing jobs", err)
			}
			return l.show(page, to, stderr)
		})
	}
	return command{clause, check, func(ctx context.Context) error { return again.run(ctx, stdout, stderr, show) }}
}

// jobList is which jobs to list, and how.
type jobList struct {
	query  client.JobsQuery
	failOn []string
	output string
}

func checkStates(flag string, states []string) error {
	for _, s := range states {
		if _, ok := jobs.Parse(s); !ok {
			return fmt.Errorf("--%s=%q: it must be one of %s%s", flag, s, strings.Join(jobs.Names(), ", "), orMeant(s, jobs.Names()))
		}
	}
	return nil
}

// show writes jobs. It returns an exit code if one is in a state to fail on.
func (l *jobList) show(page *client.JobsPage, stdout, stderr io.Writer) error {
	var err error
	if l.output == "json" {
		err = writeIndented(stdout, page.Raw)
	} else {
		err = l.table(page.Jobs, stdout)
	}
	if more := l.matching(page.Counts) - len(page.Jobs); more > 0 {
		fmt.Fprintf(stderr, "%d more jobs are not listed; use --state, --match or --limit.\n", more)
	}
	for _, s := range l.failOn {
		if page.Counts[s] > 0 && err == nil {
			return exit(exitFailed)
		}
	}
	return err
}

// matching returns how many jobs are in the states to list.
func (l *jobList) matching(counts map[string]int) (n int) {
	for state, count := range counts {
		if len(l.query.States) == 0 || slices.Contains(l.query.States, state) {
			n += count
		}
	}
	return n
}

// runsIn is how many runs of each job an output has.
var runsIn = map[string]int{"wide": 10, "json": 50}

// table writes one job per line, for people.
func (l *jobList) table(list []client.Job, stdout io.Writer) error {
	wide, now := l.output == "wide", float64(time.Now().Unix())
	t := columns{heads: []string{"JOB", "STATE", "SINCE", "SUCCESS", "TOOK", "NEXT", "REASON"}, least: map[int]int{0: keptJob, 6: keptReason}, cut: true}
	if wide {
		t.heads = slices.Insert(t.heads, runsAt, "RUNS")
	}
	for _, j := range list {
		row := []string{visibleLine(jobName(j.Labels)), j.State, before(j.Since, now), before(j.LastSuccess, now), took(j.Duration), due(j.NextExpected, now), dash(visibleLine(j.Reason))}
		if wide {
			row = slices.Insert(row, runsAt, bars(j.Runs))
			row[runsAt+2] += visibleLine(whichGroups(j))
		}
		t.rows = append(t.rows, row)
	}
	if wide {
		t.least = nil
	}
	return t.write(stdout)
}

// runsAt is the column of the last runs in the wide table.
const runsAt = 5

// whichGroups says how many groups of a job are in trouble, and which one the
// other columns are about, as the end of a reason.
func whichGroups(j client.Job) string {
	if j.Groups < 2 || j.State == jobs.OK.String() || j.State == jobs.Unknown.String() {
		return ""
	}
	latest := ""
	if j.InState > 1 {
		latest = "the latest "
	}
	rest := maps.Clone(j.Group)
	maps.DeleteFunc(rest, func(name, _ string) bool { return j.Labels[name] != "" })
	return fmt.Sprintf("; %d of %d groups, %s%s", j.InState, j.Groups, latest, showLabels(rest))
}

// bars draws runs, oldest first. The longest one has the highest bar.
func bars(runs []client.Run) string {
	longest, heights := 0.0, []rune("▁▂▃▄▅▆▇█")
	for _, r := range runs {
		if r.Duration != nil {
			longest = max(longest, *r.Duration)
		}
	}
	var b strings.Builder
	for _, r := range runs {
		switch {
		case r.Failed():
			b.WriteByte('x')
		case r.Duration == nil || longest == 0:
			b.WriteRune(heights[0])
		default:
			b.WriteRune(heights[int(*r.Duration/longest*float64(len(heights)-1)+0.5)])
		}
	}
	return dash(b.String())
}

// How much of a job and a reason the table keeps at least, in characters. A line
// then has at most 100, unless something was years ago.
const (
	keptJob    = 20
	keptReason = 24
)

// jobName is the name of a job alone, or all labels of the row.
func jobName(labels map[string]string) string {
	if len(labels) == 1 && labels["job"] != "" {
		return labels["job"]
	}
	return showLabels(labels)
}

func before(t *float64, now float64) string {
	if t == nil {
		return "-"
	}
	return coarse(now-*t) + " ago"
}

// due is when something is expected, or was.
func due(t *float64, now float64) string {
	switch {
	case t == nil:
		return "-"
	case *t < now:
		return coarse(now-*t) + " ago"
	}
	return "in " + coarse(*t-now)
}

func took(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	return coarse(*seconds)
}

// coarse is a duration in the largest unit of which there are at least two.
func coarse(seconds float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{24 * 3600, "d"}, {3600, "h"}, {60, "m"}} {
		if seconds >= 2*unit.size {
			return fmt.Sprintf("%.0f%s", math.Floor(seconds/unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%.0fs", max(seconds, 0))
}
