package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"pushgateway/internal/config"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
	"pushgateway/internal/sums"
)

// PushMany takes a push of several groups in one body. The parameter group_by
// names the labels that divide the series into groups. Each group has its own
// outcome, which is nil or an error of Gateway.Push. If err is not nil, no group
// was pushed: one that the client may not push to refuses all. received and err
// are as for Push.
func (in *Intake) PushMany(ctx context.Context, r Request) (keys []grouping.Key, outcomes []error, received int64, err error) {
	r.Settings = cmp.Or(r.Settings, in.usual)
	by, err := in.groupBy(&r)
	if err != nil {
		return nil, nil, notRead, err
	}
	p, life, err := in.newPush(&r)
	if err != nil {
		return nil, nil, notRead, err
	}
	if p.Gauges == sums.ByLabel && slices.Contains(by, sums.ClearMode) {
		return nil, nil, notRead, errClearModeGroups
	}
	arrived := time.Now()
	body, err := in.bodies.read(ctx, &r)
	if err != nil {
		return nil, nil, notRead, err
	}
	defer body.Close()
	if err := gone(ctx, arrived); err != nil {
		return nil, nil, body.received, err
	}
	c, err := in.content(&r, body)
	if err != nil {
		return nil, nil, body.received, err
	}
	p.Budget = body
	r.once.hash(body.bytes)
	parts, err := in.split(&r, c, by)
	if err != nil {
		return nil, nil, body.received, hinted(&r, c, err)
	}
	if keys, err = in.admitAll(&r, parts); err != nil {
		return nil, nil, body.received, err
	}
	return keys, in.pushParts(ctx, &r, p, life, parts), body.received, nil
}

// errClearModeGroups refuses a push that would take the label clearmode out of the
// series of groups that have it in their keys. Then the key would no longer tell
// which series of other groups these are equal to.
var errClearModeGroups = &ParameterError{errors.New("group_by must not include " + sums.ClearMode + " if " + GaugesHeader + " is " + sums.ClearMode + ", since that takes the label out of all series; leave one of them out")}

// admitAll finds the rule of each part, and returns the keys of all. It refuses all
// of them if one must not be pushed to, or if a job pushes too often.
func (in *Intake) admitAll(r *Request, parts []part) (keys []grouping.Key, err error) {
	for i := range parts {
		p := &parts[i]
		if err := r.may(p.key); err != nil {
			return nil, err
		}
		if err := r.mayBring(p.key, p.touches()); err != nil {
			return nil, err
		}
		keys, p.rule = append(keys, p.key), r.Settings.Rules.For(p.key)
		if p.err == nil {
			p.err = checkKey(&r.Settings.Limits, p.key)
		}
	}
	return keys, in.pace(r.Settings, parts...)
}

// groupBy returns the labels that group_by names, sorted.
func (in *Intake) groupBy(r *Request) ([]string, error) {
	query, _ := url.ParseQuery(r.Query) // the rest may be anything, as in 1.11
	given, keys := query["group_by"], in.keys(r.Settings)
	switch {
	case len(given) > 1: // using the first would merge several groups into one
		return nil, &ParameterError{fmt.Errorf("the query has several values of group_by, among them %q and %q; give one, like group_by=job,instance", excerpt.Of(given[0]), excerpt.Of(given[1]))}
	case len(given) == 0 || given[0] == "":
		return nil, &ParameterError{errors.New("group_by is missing; name the labels of the groups, like group_by=job,instance")}
	}
	s := given[0]
	by := strings.Split(s, ",")
	for i, name := range by {
		by[i] = strings.TrimSpace(name)
		if err := keys.CheckName(by[i]); err != nil {
			return nil, &ParameterError{fmt.Errorf("group_by=%q: %w", excerpt.Of(s), err)}
		}
	}
	slices.Sort(by)
	if by = slices.Compact(by); !slices.Contains(by, metric.JobLabel) {
		return nil, &ParameterError{fmt.Errorf("group_by=%q must include job, like group_by=job,instance", excerpt.Of(s))}
	}
	return by, nil
}

// part is what a body holds for one group.
type part struct {
	key    grouping.Key
	rule   *config.Rule // for the key, or nil
	blocks []*exposition.Block
	err    error  // why it is already refused
	adds   *adder // how it adds to the group, if its request does not say that
	once   *gateway.Once
}

// touches returns the families of which the part changes series.
func (p *part) touches() []*exposition.Block {
	if p.adds == nil {
		return p.blocks
	}
	return slices.Concat(p.blocks, p.adds.removes)
}

// split parses a body and renders what it holds for each group. Parts are in
// the order of their keys.
func (in *Intake) split(r *Request, c content, by []string) ([]part, error) {
	p := exposition.GetParser().Within(exposition.Limits(c.limits.Push), c.budget)
	defer p.Release()
	families, err := in.families(p, c)
	if err != nil {
		return nil, err
	}
	s := splitter{by: by, budget: c.budget, limits: &c.limits.Body, groups: make(map[string]*splitGroup)}
	var refused exposition.Refused
	for _, f := range families {
		if err := s.add(f); err != nil && !refused.Add(err) {
			return nil, err
		}
	}
	if err := refused.Err(); err != nil {
		return nil, err
	}
	parts, left := make([]part, 0, len(s.groups)), maxBlocks(c.limits.Body)
	for _, g := range s.groups {
		part := part{key: g.key}
		if part.blocks, part.err = in.render(g.families, in.rendering(g.key, c, max(left, 1))); errors.Is(part.err, exposition.ErrTooLarge) || errors.Is(part.err, exposition.ErrBusy) {
			return nil, part.err
		}
		for _, b := range part.blocks {
			left -= b.Size()
		}
		part.once = r.once.of(part.key)
		parts = append(parts, part)
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.key, b.key) })
	return parts, nil
}

// pushParts pushes the rendered parts in one commit, and returns the outcome of
// each. They are sorted by key. It leaves alone the groups that the client may not
// push to, in case that its caller has not asked.
func (in *Intake) pushParts(ctx context.Context, r *Request, p gateway.Push, life lifetime, parts []part) []error {
	errs := make([]error, len(parts))
	var pushes []gateway.Push
	var of []int
	for i, part := range parts {
		if errs[i] = r.may(part.key); errs[i] != nil {
			continue
		}
		if errs[i] = part.err; part.err != nil {
			if isVerdict(part.err) {
				in.gateway.Refuse(part.key, p.Client, part.err)
			}
			continue
		}
		r.address(&p, part, life)
		p.Blocks, p.Once = part.blocks, part.once
		pushes, of = append(pushes, part.adds.to(p)), append(of, i)
	}
	for n, err := range in.gateway.PushAll(ctx, pushes) {
		errs[of[n]] = err
	}
	r.tellReplayed(pushes...)
	return errs
}

// splitter divides series into groups.
type splitter struct {
	by      []string // sorted
	budget  exposition.Budget
	limits  *guard.BodyLimits
	groups  map[string]*splitGroup
	scratch []byte
	named   []metric.Label // labels of the present series that by contains
}

type splitGroup struct {
	key      grouping.Key
	families []*metric.Family
}

// add divides the series of a family among the groups. A family without series
// belongs to none.
func (s *splitter) add(f *metric.Family) error {
	for i := range f.Series {
		g, err := s.group(f, f.Series[i].Labels)
		if err != nil {
			return err
		}
		last := len(g.families) - 1
		if last < 0 || g.families[last].Name != f.Name {
			if err := s.budget.Take(splitFamilySize); err != nil {
				return err
			}
			g.families = append(g.families, &metric.Family{Name: f.Name, Help: f.Help, Unit: f.Unit, EmptyHelp: f.EmptyHelp, Type: f.Type})
			last++
		}
		if err := s.append(g.families[last], f.Series[i]); err != nil {
			return err
		}
	}
	return nil
}

// How many bytes a group, and its share of one family, take in addition to
// their series.
const (
	splitGroupSize  = 4 << 10 // including what the gateway holds for it
	splitFamilySize = 200
)

// append adds a series to a family.
func (s *splitter) append(f *metric.Family, series metric.Series) error {
	if n := len(f.Series); n == cap(f.Series) {
		room := max(1, 2*n)
		if n >= 1<<10 {
			room = n + n/2
		}
		if err := s.budget.Take(room * int(unsafe.Sizeof(series))); err != nil {
			return err
		}
		f.Series = append(make([]metric.Series, 0, room), f.Series...)
		s.budget.Return(n * int(unsafe.Sizeof(series)))
	}
	f.Series = append(f.Series, series)
	return nil
}

// grouping returns the labels of a series that become part of the key, sorted.
// Its cost depends on the series, not on how many labels group_by names.
func (s *splitter) grouping(labels []metric.Label) []metric.Label {
	s.named = s.named[:0]
	for _, l := range labels {
		if _, named := slices.BinarySearch(s.by, l.Name); named && l.Value != "" {
			s.named = append(s.named, l)
		}
	}
	slices.SortStableFunc(s.named, func(a, b metric.Label) int { return cmp.Compare(a.Name, b.Name) })
	s.named = slices.CompactFunc(s.named, func(a, b metric.Label) bool { return a.Name == b.Name })
	return s.named
}

// group returns the group of a series. A missing or empty label is not part of
// the key.
func (s *splitter) group(f *metric.Family, labels []metric.Label) (*splitGroup, error) {
	key := s.scratch[:0]
	job := ""
	for _, l := range s.grouping(labels) {
		if !utf8.ValidString(l.Value) {
			return nil, &KeyError{fmt.Errorf("family %q: grouping label %q=%q: %w", excerpt.Of(f.Name), excerpt.Of(l.Name), excerpt.Of(l.Value), grouping.ErrNotText)}
		}
		if key = grouping.AppendLabel(key, l.Name, l.Value); l.Name == metric.JobLabel {
			job = l.Value
		}
	}
	s.scratch = key
	if job == "" {
		return nil, &exposition.InvalidError{Family: strings.Clone(excerpt.Of(f.Name)), Msg: fmt.Sprintf("the series %s has no job label, which group_by needs; nothing was stored", exposition.FormatSeries(f.Name, labels))}
	}
	if g := s.groups[string(key)]; g != nil {
		return g, nil
	}
	if len(s.groups) == s.limits.Groups {
		return nil, tooManyGroups(s.limits)
	}
	if err := s.budget.Take(splitGroupSize + 2*len(key)); err != nil {
		return nil, err
	}
	checked, err := grouping.NewKey(job, grouping.Key(key).Labels()...)
	if err != nil {
		return nil, &KeyError{err}
	}
	g := &splitGroup{key: checked}
	s.groups[string(key)] = g
	return g, nil
}

func tooManyGroups(l *guard.BodyLimits) error {
	return &guard.LimitError{
		Limit: guard.LimitGroupsPerPush, At: l.Sources[guard.LimitGroupsPerPush], Err: exposition.ErrTooLarge,
		Says:   fmt.Sprintf("%v: it has more than %d groups", exposition.ErrTooLarge, l.Groups),
		Advice: "push fewer at once",
	}
}
