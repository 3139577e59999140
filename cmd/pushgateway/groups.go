package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"

	"pushgateway/internal/client"
	"pushgateway/internal/duration"
	"pushgateway/internal/grouping"
)

// filter selects groups by flags.
type filter struct {
	client.Filter
	failing, expiring bool
}

// addFilter adds flags that select groups. failing says what --failing does.
func addFilter(clause *kingpin.CmdClause, failing string) *filter {
	f := new(filter)
	clause.Flag("match", "PromQL selector of groups. Repeatable; a group must match any of them.").Short('m').PlaceHolder("SELECTOR").StringsVar(&f.Selectors)
	clause.Flag("older-than", "Only groups without a successful push for this long, like 24h.").PlaceHolder("DURATION").StringVar(&f.OlderThan)
	clause.Flag("failing", failing).BoolVar(&f.failing)
	clause.Flag("expiring", "Only groups with less than a fifth of their time to live left.").BoolVar(&f.expiring)
	clause.Flag("search", "Only groups with this text in a label of the grouping key.").PlaceHolder("TEXT").StringVar(&f.Search)
	return f
}

func (f *filter) empty() bool {
	return len(f.Selectors) == 0 && f.OlderThan == "" && !f.failing && !f.expiring && f.Search == ""
}

// check checks the age, and turns the flags for states into the one state that
// the API can filter by.
func (f *filter) check() error {
	if f.OlderThan != "" {
		if _, err := duration.Parse(f.OlderThan); err != nil {
			return fmt.Errorf("--older-than=%q: %w", f.OlderThan, err)
		}
	}
	switch {
	case f.failing && f.expiring:
		return errors.New("give --failing or --expiring, not both: the gateway filters by one state at a time")
	case f.failing:
		f.Status = "failure"
	case f.expiring:
		f.Status = "expiring"
	}
	return nil
}

// newGroups adds the command that lists groups.
func newGroups(app *kingpin.Application, stdout, stderr io.Writer) command {
	clause := app.Command("groups", "List groups with their age, the outcome of their last push, and their size.").HelpLong(`Examples:
  pushgateway groups
  pushgateway groups --match='{job="backup"}' --older-than=24h
  pushgateway groups --failing
  pushgateway groups --watch --sort=-push_time
  pushgateway groups --expiring --sort=expiry_time
  pushgateway groups -o json | jq -r '.[] | select(.series > 1000) | .labels.job'`)
	gw, filter := addWhere(clause), addFilter(clause, "Only groups whose last push was refused, for whatever reason.")
	outputs := []string{"table", "wide", "json"}
	output := clause.Flag("output", "Output format: table, wide or json. The table cuts long label values. With --failing it shows when and why the last push was refused, in lines of at most 100 characters. wide shows everything.").Short('o').Default("table").HintOptions(outputs...).String()
	order := clause.Flag("sort", "Sort by labels, job, status, push_time, failure_time, expiry_time, families or series. A - in front reverses the order.").Default("labels").
		HintOptions("labels", "job", "status", "push_time", "failure_time", "expiry_time", "families", "series").String()
	again := addWatch(clause)
	check := func() error {
		if err := oneOf("output", *output, outputs...); err != nil {
			return err
		}
		err := checkAll(filter.check, again.check, gw.check)
		if filter.failing {
			filter.Status = "refused" // also by what failure times do not tell of
		}
		return err
	}
	show := func(ctx context.Context, to io.Writer) error {
		return gw.talk(ctx, func(ctx context.Context, c *client.Client) error {
			groups := make([]json.RawMessage, 0)
			for g, err := range c.Groups(ctx, filter.Filter, *order) {
				if err != nil {
					return describe("listing groups", err)
				}
				groups = append(groups, g)
			}
			if *output == "json" {
				return writeIndented(to, groups)
			}
			wide := *output == "wide"
			t := table{whole: wide, why: wide || filter.failing, narrow: filter.failing && !wide, now: time.Now()}
			return t.write(to, groups)
		})
	}
	return command{clause, check, func(ctx context.Context) error { return again.run(ctx, stdout, stderr, show) }}
}

func writeIndented(w io.Writer, v any) error {
	shown := &visibleWriter{to: w, write: inJSON}
	enc := json.NewEncoder(shown)
	enc.SetIndent("", "  ")
	return errors.Join(enc.Encode(v), shown.Close())
}

// table writes groups for people, one per line.
type table struct {
	whole bool // long label values are not cut
	why   bool // show the last refused push
	// narrow keeps lines short: the size and the expiry are left out, and long cells
	// continue on the next line.
	narrow bool
	now    time.Time
}

func (t table) write(w io.Writer, groups []json.RawMessage) error {
	rows := make([][]string, len(groups))
	for i, raw := range groups {
		var g client.Group
		if err := json.Unmarshal(raw, &g); err != nil {
			return fmt.Errorf("reading a group: %w", err)
		}
		rows[i] = t.cells(g)
	}
	if t.narrow {
		c := columns{heads: t.heads(), rows: rows, least: map[int]int{0: 20, 4: 24, 5: 8}}
		return c.write(w)
	}
	tabs := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(tabs, strings.Join(t.heads(), "\t"))
	for _, row := range rows {
		fmt.Fprintln(tabs, strings.Join(row, "\t"))
	}
	return tabs.Flush()
}

// These are the columns that a narrow table leaves out.
const sizesAt, sizesEnd = 3, 6

func (t table) heads() []string {
	heads := []string{"GROUP", "PUSHED", "STATE", "FAMILIES", "SERIES", "EXPIRES"}
	if t.why {
		heads = append(heads, "FAILED", "WHY", "LEFT OUT")
	}
	return t.kept(heads)
}

func (t table) kept(row []string) []string {
	if t.narrow {
		return slices.Delete(row, sizesAt, sizesEnd)
	}
	return row
}

func (t table) cells(g client.Group) []string {
	if !t.whole {
		for name, value := range g.Labels {
			g.Labels[name] = shorten(value, keptStart, keptEnd)
		}
	}
	cells := []string{showLabels(g.Labels), ago(g.Pushed, t.now), state(g), fmt.Sprint(g.Families), fmt.Sprint(g.Series), within(g.Expires, t.now)}
	if t.why {
		at, failure := g.LastRefusal()
		cells = append(cells, ago(at, t.now), dash(visibleLine(shorten(failure, keptFailure, 0))), dash(visibleLine(leftOut(g.LeftOut))))
	}
	return t.kept(cells)
}

// leftOut names the families that scrapes do not get, and why.
func leftOut(families []client.LeftOut) string {
	cells := make([]string, len(families))
	for i, f := range families {
		if cells[i] = f.Family; len(f.By) > 0 {
			cells[i] += " by " + showLabels(f.By)
		}
	}
	return strings.Join(cells, ", ")
}

// How much of a long label value the table keeps, in characters. One long value
// would widen the lines of all groups. The end is kept since paths and numbered
// names often differ only there.
const (
	keptStart = 32
	keptEnd   = 15
)

// keptFailure is how much of the reason for a refusal the table keeps, in
// characters. The gateway keeps less, but something else may have answered.
const keptFailure = 2000

// shorten keeps the start and the end of a long text. Lengths are in
// characters.
func shorten(s string, start, end int) string {
	runes := []rune(s)
	if len(runes) <= start+1+end {
		return s
	}
	return string(runes[:start]) + "…" + string(runes[len(runes)-end:])
}

// state describes the last push, or the trouble that the job says it is in.
func state(g client.Group) string {
	switch {
	case !g.Success, g.Refused:
		return "push refused"
	case g.Trouble != "":
		return "job " + strings.ReplaceAll(g.Trouble, "_", " ")
	}
	return "pushed"
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func ago(t *time.Time, now time.Time) string {
	if t == nil {
		return "-"
	}
	return short(now.Sub(*t)) + " ago"
}

func within(t *time.Time, now time.Time) string {
	if t == nil {
		return "-"
	}
	return "in " + short(t.Sub(now))
}

// short rounds a duration to the precision that people care about.
func short(d time.Duration) string {
	for _, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		if d >= 2*unit {
			return model.Duration(d.Round(unit / 24).Truncate(max(unit/60, time.Second))).String()
		}
	}
	return model.Duration(max(d, 0).Round(time.Second)).String()
}

// showLabels formats labels as a selector.
func showLabels(labels map[string]string) string {
	var key []byte
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		key = grouping.AppendLabel(key, name, labels[name])
	}
	return grouping.Key(key).String()
}

// newGet adds the command that shows one group.
func newGet(app *kingpin.Application, stdout, stderr io.Writer) command {
	clause := app.Command("get", "Show the metrics of one group, as scrapes get them. Control characters are escaped so that a terminal does not obey them: ESC becomes \\\\x1b.").HelpLong(`Examples:
  pushgateway get --job=backup --label=instance=db1
  pushgateway get --job=backup --raw > backup.prom`)
	group, gw := addWhich(clause), addWhere(clause)
	raw := clause.Flag("raw", "Do not escape control characters. Use it when another program reads the output.").Bool()
	var key grouping.Key
	check := func() (err error) {
		if key, err = group.key(); err != nil {
			return err
		}
		return gw.check()
	}
	return command{clause, check, func(ctx context.Context) error {
		return gw.talk(ctx, func(ctx context.Context, c *client.Client) error {
			if *raw {
				return describe("getting "+key.String(), c.Text(ctx, key, stdout))
			}
			shown := &visibleWriter{to: stdout, write: inText}
			err := errors.Join(c.Text(ctx, key, shown), shown.Close())
			if shown.changed {
				fmt.Fprintln(stderr, `Control characters are escaped, like \\x1b; --raw leaves them as they are.`)
			}
			return describe("getting "+key.String(), err)
		})
	}}
}
