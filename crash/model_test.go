package crash_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// state is what a group holds. It is nil if there is no such group.
type state struct {
	families map[string]int // the number of the push that each came from
	// sent and answered are of the last push, whose time is between them.
	sent, answered time.Time
}

// group is one grouping key, pushed to by one client at a time.
type group struct {
	client, number int
	// acked is what the last change left that was answered with success.
	acked *state
	// doubts are what it may be instead, after changes that were not answered
	// so.
	doubts []*state
}

func (g *group) path() string {
	return fmt.Sprintf("/metrics/job/crash/client/%d/group/%d", g.client, g.number)
}

// id finds the group in a snapshot.
func (g *group) id() string { return fmt.Sprintf(`client="%d",group="%d"`, g.client, g.number) }

// change is a push or a delete.
type change struct {
	group    *group
	method   string
	number   int // all values of a push are its number
	families []string
	noise    int // series of its largest family, if it has that
	// began and ended are when it was sent and when that was over.
	began, ended time.Time
}

// small are the families that pushes are made of, with their types. A push may
// have the family noise as well, which makes it large and hard to compress.
var small = map[string]string{
	"crash_gauge":   "gauge",
	"crash_total":   "counter",
	"crash_any":     "untyped",
	"crash_seconds": "histogram",
	"crash_bytes":   "summary",
}

const noise = "crash_noise"

var smallNames = slices.Sorted(maps.Keys(small))

// randomChange picks something that may happen to a group.
func randomChange(r *rand.Rand, g *group, number int) change {
	c := change{group: g, method: http.MethodPut, number: number}
	switch n := r.IntN(10); {
	case n == 0:
		c.method = http.MethodDelete
		return c
	case n < 5:
		c.method = http.MethodPost
	}
	for _, name := range smallNames {
		if r.IntN(3) > 0 {
			c.families = append(c.families, name)
		}
	}
	if r.IntN(8) == 0 {
		c.families, c.noise = append(c.families, noise), 1+r.IntN(120)
	}
	return c
}

// after gives what the change makes of a group.
func (c change) after(before *state) *state {
	if c.method == http.MethodDelete {
		return nil
	}
	s := &state{make(map[string]int), c.began, c.ended}
	if c.method == http.MethodPost && before != nil {
		maps.Copy(s.families, before.families)
	}
	for _, name := range c.families {
		s.families[name] = c.numberOf(name)
	}
	return s
}

// numberOf gives the number of a family that is pushed.
func (c change) numberOf(name string) int {
	if name == noise {
		return c.number | c.noise<<noiseShift
	}
	return c.number
}

// noiseShift keeps the number of series of the noise above that of its push.
const noiseShift = 40

// body is what the change pushes.
func (c change) body() string {
	var b strings.Builder
	for _, name := range c.families {
		kind := small[name]
		if kind == "" {
			kind = "gauge"
		}
		fmt.Fprintf(&b, "# TYPE %s %s\n", name, kind)
		for _, s := range seriesOf(name, c.numberOf(name)) {
			fmt.Fprintln(&b, s.line(""))
		}
	}
	return b.String()
}

// sample is a line of an exposition but for the labels of the group.
type sample struct {
	name          string
	before, after string // labels that sort before and after those of the group and job
	value         int
}

func (s sample) line(group string) string {
	return fmt.Sprintf("%s{%s} %d", s.name, strings.Trim(strings.Join([]string{group, s.before, s.after}, ","), ","), s.value)
}

// seriesOf gives the lines of a family. How many there are depends on the
// number of the push, so that an old one cannot pass for a new one.
func seriesOf(name string, number int) (all []sample) {
	series := number>>noiseShift + (number+len(name))%3
	number &= 1<<noiseShift - 1
	for i := range series + 1 {
		label := fmt.Sprintf(`i="%d"`, i)
		switch name {
		case "crash_seconds":
			for _, le := range []string{"0.5", "+Inf"} {
				all = append(all, sample{name + "_bucket", label, `le="` + le + `"`, number})
			}
			all = append(all, sample{name + "_sum", label, "", number}, sample{name + "_count", label, "", number})
		case "crash_bytes":
			all = append(all, sample{name, label, `quantile="0.5"`, number}, sample{name + "_sum", label, "", number}, sample{name + "_count", label, "", number})
		case noise:
			all = append(all, sample{name, label, `noise="` + random(number, i) + `"`, number})
		default:
			all = append(all, sample{name, label, "", number})
		}
	}
	return all
}

// random gives text that hardly compresses and that is the same each time.
func random(number, i int) string {
	r := rand.New(rand.NewPCG(uint64(number), uint64(i)))
	var b strings.Builder
	for range 8 {
		fmt.Fprintf(&b, "%016x", r.Uint64())
	}
	return b.String()
}

// text is how a snapshot shows a group with a state, but for its push time.
func (g *group) text(s *state) string {
	if s == nil {
		return ""
	}
	lines := []string{fmt.Sprintf("%s from %f to %f", pushed, seconds(s.sent), seconds(s.answered))}
	for name, number := range s.families {
		for _, x := range seriesOf(name, number) {
			rest := x.after
			if x.after = ""; rest != "" {
				rest = "," + rest
			}
			lines = append(lines, fmt.Sprintf(`%s{%s,%s,instance="",job="crash"%s} %d`, x.name, g.id(), x.before, rest, x.value))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// is tells whether a group of a snapshot has a state.
func (g *group) is(s *state, got string) bool {
	if s == nil {
		return got == ""
	}
	first, rest, _ := strings.Cut(got, "\n")
	_, want, _ := strings.Cut(g.text(s), "\n")
	return rest == want && s.hasTime(first)
}

// hasTime holds the first line of a group against the time of its last push.
func (s *state) hasTime(line string) bool {
	at, err := strconv.ParseFloat(strings.TrimPrefix(line, pushed), 64)
	const rounding = 1e-6 // a number has no room for more
	return err == nil && seconds(s.sent)-rounding <= at && at <= seconds(s.answered)+rounding
}

// pushed begins the first line that a group has in snapshots, which ends with
// its push time.
const pushed = "!pushed "

// snapshot is all groups as somebody sees them: their lines, sorted.
type snapshot map[string]string

var sampleLine = regexp.MustCompile(`^(\w+)\{(client="\d+",group="\d+"),.*job="crash".*\} (\S+)$`)

// readScrape finds the groups in an exposition.
func readScrape(body string) snapshot {
	lines := make(map[string][]string)
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		m := sampleLine.FindStringSubmatch(line)
		switch {
		case m == nil:
			continue
		case m[1] == "push_failure_time_seconds" && m[3] == "0":
			continue
		case m[1] == "push_time_seconds" && m[3] != "0":
			line = pushed + m[3]
		}
		lines[m[2]] = append(lines[m[2]], line)
	}
	return snapshotOf(lines)
}

func snapshotOf(lines map[string][]string) snapshot {
	s := make(snapshot, len(lines))
	for id, lines := range lines {
		slices.Sort(lines)
		s[id] = strings.Join(lines, "\n")
	}
	return s
}

// model is what must be there.
type model struct {
	groups []*group
	number int // of the last push
}

func newModel(clients, groups int) *model {
	m := new(model)
	for c := range clients {
		for g := range groups {
			m.groups = append(m.groups, &group{client: c, number: g})
		}
	}
	return m
}

// next gives a number that no push has had.
func (m *model) next() int {
	m.number++
	return m.number
}

// answered notes what became of a change. One that was not taken is in doubt.
func (c change) answered(taken bool) {
	after := c.after(c.group.acked)
	if !taken {
		c.group.doubts = append(c.group.doubts, after)
		return
	}
	c.group.acked, c.group.doubts = after, nil
}

// compare holds a snapshot against the model: each group is as it was
// acknowledged, and nothing else is there. Doubts count only where a crash may
// have decided them: then the model takes on what it finds.
func (m *model) compare(t testing.TB, when string, got snapshot, crashed bool) {
	t.Helper()
	known := make(map[string]bool)
	for _, g := range m.groups {
		known[g.id()] = true
		candidates := []*state{g.acked}
		if crashed {
			candidates = append(candidates, g.doubts...)
		}
		i := slices.IndexFunc(candidates, func(s *state) bool { return g.is(s, got[g.id()]) })
		if i < 0 {
			t.Errorf("%s: group %s: got\n%s\n\nwant\n%s\n\nor one of %d in doubt%s", when, g.id(), clip(got[g.id()]), clip(g.text(g.acked)), len(candidates)-1, g.textOfDoubts())
			continue
		}
		if crashed {
			g.acked, g.doubts = candidates[i], nil
		}
	}
	for id := range got {
		if !known[id] {
			t.Errorf("%s: group %s came from nowhere", when, id)
		}
	}
}

func (g *group) textOfDoubts() string {
	var b strings.Builder
	for _, s := range g.doubts {
		fmt.Fprintf(&b, "\n\n%s", clip(g.text(s)))
	}
	return b.String()
}

// settle forgets doubts that something has decided against.
func (m *model) settle() {
	for _, g := range m.groups {
		g.doubts = nil
	}
}

// clip keeps messages about large groups readable.
func clip(s string) string {
	const most = 1500
	if len(s) > most {
		return fmt.Sprintf("%s… (%d bytes)", s[:most], len(s))
	}
	return s
}
