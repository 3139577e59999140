package gobfile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

// maxBlock bounds the bytes of one family of a group. If the series in the file
// lack the grouping labels, each gets them.
const maxBlock = 1 << 30

// taker makes groups from the records of a file.
type taker struct {
	parser   *exposition.Parser
	body     []byte // the present family, after its length
	groups   []*gateway.Group
	problems []Problem
	unlisted int
}

func newTaker() *taker { return &taker{parser: exposition.GetParser()} }

func (t *taker) report(key grouping.Key, family string, err error) {
	if len(t.problems) >= maxProblems {
		t.unlisted++
		return
	}
	t.problems = append(t.problems, Problem{key, family, err})
}

// take makes a group from a record. An error means that the file is damaged.
func (t *taker) take(rec record) error {
	if err := checkKey(rec); err != nil {
		t.report(rec.key, "", err)
		return nil
	}
	g := gateway.Group{Key: rec.key}
	slices.SortStableFunc(rec.families, func(a, b familyRecord) int { return strings.Compare(a.name, b.name) })
	for i, f := range rec.families {
		if i > 0 && rec.families[i-1].name == f.name {
			t.report(rec.key, f.name, fmt.Errorf("family %q: it occurs twice; the first one is used", excerpt.Of(f.name)))
			continue
		}
		if err := t.takeFamily(&g, f); err != nil {
			return err
		}
	}
	t.groups = append(t.groups, gateway.Restore(g))
	return nil
}

// checkKey compares the key of a group with its labels.
func checkKey(rec record) error {
	job := ""
	for _, l := range rec.labels {
		if strings.HasPrefix(l.Name, metric.ReservedLabelPrefix) {
			return fmt.Errorf("its label %q is reserved: names that start with __ belong to Prometheus", excerpt.Of(l.Name))
		}
		if l.Name == metric.JobLabel {
			job = l.Value
		}
	}
	key, err := grouping.NewKey(job, rec.labels...)
	switch {
	case errors.Is(err, grouping.ErrNoJob):
		return errors.New("it has no job")
	case err != nil:
		return err
	case key != rec.key:
		return fmt.Errorf("its labels differ from its key: %s", key.Excerpt())
	}
	return nil
}

// takeFamily adds one family to a group, or one of the group's times.
func (t *taker) takeFamily(g *gateway.Group, rec familyRecord) error {
	f, err := t.parse(rec.msg)
	var syntax *exposition.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("group %s: family %q: %w: %w", g.Key.Excerpt(), excerpt.Of(rec.name), ErrDamaged, err)
	}
	if err == nil && f.Name != rec.name {
		err = fmt.Errorf("family %q: it is listed as %q", excerpt.Of(f.Name), excerpt.Of(rec.name))
	}
	if err == nil {
		switch rec.name {
		case metric.PushTime:
			g.Pushed, err = readTimeFamily(f, rec.pushed)
		case metric.PushFailureTime:
			g.Failed, err = readTimeFamily(f, rec.pushed)
		case metric.PushExpiryTime: // the gateway makes this family itself
		default:
			err = t.hold(g, f, rec.pushed, took(rec.msg))
		}
	}
	if err != nil {
		t.report(g.Key, rec.name, err)
	}
	return nil
}

// took reports whether the message of a family, which has been parsed, says that
// the group took the name.
func took(msg []byte) bool {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return false
		}
		if msg = msg[n:]; num == fieldTook && typ == protowire.VarintType {
			v, n := protowire.ConsumeVarint(msg)
			return n > 0 && v == 1
		}
		if n = protowire.ConsumeFieldValue(num, typ, msg); n < 0 {
			return false
		}
		msg = msg[n:]
	}
	return false
}

// parse reads a family, which is valid until the next call.
func (t *taker) parse(msg []byte) (*metric.Family, error) {
	t.body = append(protowire.AppendVarint(t.body[:0], uint64(len(msg))), msg...)
	families, err := t.parser.ParseProto(t.body)
	if err != nil {
		return nil, err
	}
	return families[0], nil
}

// hold renders a family and adds it to the group. It reports what it leaves
// out.
func (t *taker) hold(g *gateway.Group, f *metric.Family, pushed time.Time, took bool) error {
	twice, tooLong := 0, 0
	var whyTooLong error
	blocks, err := exposition.Render([]*metric.Family{f}, exposition.Options{
		Grouping:  g.Key.Labels(),
		MaxBytes:  maxBlock,
		Duplicate: func() { twice++ },
		Limits:    exposition.StoredLimits(),
		TooLong:   func(_ int, err error) { tooLong, whyTooLong = tooLong+1, err },
	})
	if err != nil {
		return err
	}
	name := blocks[0].Name
	if twice > 0 {
		t.report(g.Key, name, fmt.Errorf("family %q: %d of its series repeat the labels of an earlier one; they are left out", excerpt.Of(name), twice))
	}
	if tooLong > 0 {
		t.report(g.Key, name, fmt.Errorf("family %q: %d of its series would crash a Prometheus that reads them; they are left out: %w", excerpt.Of(name), tooLong, whyTooLong))
	}
	at, ok := known(pushed)
	if !ok {
		t.report(g.Key, name, fmt.Errorf("family %q: the time of its push, %v, is out of range; it counts as unknown", excerpt.Of(name), pushed))
	}
	g.Families = append(g.Families, gateway.Held{Block: blocks[0], Pushed: at, Took: took})
	return nil
}

// The range of times in nanoseconds since 1970.
var (
	earliest = time.Unix(0, math.MinInt64)
	latest   = time.Unix(0, math.MaxInt64)
)

// known returns a time in the local zone, or zero if it is out of range.
func known(t time.Time) (_ time.Time, ok bool) {
	if t.IsZero() {
		return time.Time{}, true
	}
	if t.Before(earliest) || t.After(latest) {
		return time.Time{}, false
	}
	return t.Local(), true
}

// readTimeFamily returns the time that a group's time family holds.
func readTimeFamily(f *metric.Family, stamp time.Time) (time.Time, error) {
	if f.Type != metric.Gauge || len(f.Series) != 1 || f.Series[0].Missing {
		return time.Time{}, fmt.Errorf("family %q: it is not a gauge with one series; the time counts as unknown", f.Name)
	}
	t, ok := instant(f.Series[0].Value, stamp)
	if !ok {
		return time.Time{}, fmt.Errorf("family %q: its value %v is not a time; the time counts as unknown", f.Name, f.Series[0].Value)
	}
	return t, nil
}

// instant returns the time of a value in Unix seconds, or zero for 0. A stamp
// is more exact than a value, so it returns the stamp if both mean the same
// time.
func instant(value float64, stamp time.Time) (t time.Time, ok bool) {
	const most = 9.2e9 // seconds, of which the nanoseconds fit into an int64
	if math.IsNaN(value) || math.Abs(value) > most {
		return time.Time{}, false
	}
	if at, ok := known(stamp); ok && !at.IsZero() && value != 0 && seconds(at.UnixNano()) == value {
		return at, true
	}
	nanos := nanoseconds(value)
	if nanos == 0 {
		return time.Time{}, true
	}
	return time.Unix(0, nanos), true
}

// seconds returns the value of a time family for a time.
func seconds(nanos int64) float64 { return float64(nanos) / 1e9 }

// nanoseconds reverses seconds: it returns a number that gives exactly this
// value, if one exists.
func nanoseconds(value float64) int64 {
	n := value * 1e9
	for _, near := range [...]float64{n, math.Nextafter(n, math.Inf(-1)), math.Nextafter(n, math.Inf(+1))} {
		if seconds(int64(near)) == value {
			return int64(near)
		}
	}
	return int64(n)
}

// number assigns revisions to groups, which are sorted by key; see File.
func number(groups []*gateway.Group) {
	type event struct {
		at       time.Time
		revision *gateway.Revision
	}
	var events []event // in the order of keys and names
	for _, g := range groups {
		events = append(events, event{age(g), &g.Since})
		for i := range g.Families {
			events = append(events, event{g.Families[i].Pushed, &g.Families[i].Claim})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	for i, e := range events {
		*e.revision = gateway.Revision(i + 1)
	}
	for _, g := range groups {
		g.Revision = g.Since
		for _, h := range g.Families {
			g.Revision = max(g.Revision, h.Claim)
		}
	}
}

// age is the oldest time of a group.
func age(g *gateway.Group) time.Time {
	var times []time.Time
	for _, h := range g.Families {
		times = append(times, h.Pushed)
	}
	for _, t := range [...]time.Time{g.Pushed, g.Failed} {
		if !t.IsZero() {
			times = append(times, t)
		}
	}
	if len(times) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(times, time.Time.Compare)
}
