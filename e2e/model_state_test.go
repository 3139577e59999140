package e2e

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/proto"

	"pushgateway/internal/metric"
)

// modelKey is a grouping key with the path that names it.
type modelKey struct {
	path   string
	labels map[string]string
	utf8   bool              // can only be sent with UTF-8 names on
	plain  map[string]string // the labels with UTF-8 names off, where U__ means nothing
}

func (k modelKey) in(m modelMode) modelKey {
	if k.plain != nil && !m.utf8 {
		k.labels, k.utf8 = k.plain, false
	}
	return k
}

func newModelKey(path string, labels ...string) modelKey {
	k := modelKey{path: path, labels: make(map[string]string)}
	for pair := range slices.Chunk(labels, 2) {
		k.labels[pair[0]] = pair[1]
		k.utf8 = k.utf8 || !model.LegacyValidation.IsValidLabelName(pair[0])
	}
	return k
}

// id sorts as the gateway's keys do; the lowest one's help text is exposed.
func (k modelKey) id() string { return joinLabels(k.labels) }

// exposedID is the same for groups with equal times.
func (k modelKey) exposedID() string {
	labels := maps.Clone(k.labels)
	labels["instance"] += ""
	return joinLabels(labels)
}

func joinLabels(labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, name, labels[name])
	}
	return strings.Join(parts, "\xff")
}

// modelState is everything pushed, kept as simply as can be.
type modelState struct {
	mode   modelMode
	own    []*dto.MetricFamily
	groups map[string]*modelGroup
	clock  time.Duration // since the beginning
}

type modelGroup struct {
	key            modelKey
	families       map[string]*dto.MetricFamily
	pushed, failed bool
	expires        time.Duration // 0 for never
}

// newModelState reserves the gateway's own families, those included that have
// no series yet: client_golang sees only the type of an empty family.
func newModelState(m modelMode, own []*dto.MetricFamily, reserved map[string]metric.Type) *modelState {
	s := &modelState{mode: m, groups: make(map[string]*modelGroup), clock: 1000 * time.Hour}
	for name, t := range reserved {
		s.own = append(s.own, &dto.MetricFamily{Name: &name, Type: dto.MetricType(t).Enum()})
	}
	for _, f := range own {
		s.own = append(s.own, &dto.MetricFamily{Name: f.Name, Type: f.Type, Metric: f.Metric})
	}
	return s
}

// do gives the status that the gateway must answer, and why.
func (s *modelState) do(op modelOp) (status int, why error) {
	switch {
	case op.method == deleteSome:
		return s.deleteSome(op)
	case op.groupBy != "":
		return s.pushMany(op)
	}
	op.key = op.key.in(s.mode)
	if op.method != wipe && op.key.utf8 && !s.mode.utf8 {
		return http.StatusBadRequest, errors.New("the key needs UTF-8 names")
	}
	switch op.method {
	case wipe:
		clear(s.groups)
		return http.StatusAccepted, nil
	case http.MethodDelete:
		delete(s.groups, op.key.id())
		return http.StatusAccepted, nil
	}
	return s.push(op)
}

func (s *modelState) push(op modelOp) (status int, why error) {
	brought, err := op.body.parse(s.mode)
	if err != nil {
		return http.StatusBadRequest, err
	}
	for _, f := range brought {
		label(f, op.key.labels)
	}
	err = checkBody(brought)
	if err == nil {
		err = s.store(op, brought)
	}
	if err != nil {
		s.fail(op.key)
	}
	switch {
	case s.mode.unchecked && errors.Is(err, errTimestamp) && errors.Is(err, errSpecial):
		return anyStatus, err
	case s.mode.unchecked && (err == nil || errors.Is(err, errTimestamp)):
		return http.StatusAccepted, err
	case err != nil:
		return http.StatusBadRequest, err
	}
	return http.StatusOK, nil
}

func (b modelBody) parse(m modelMode) (map[string]*dto.MetricFamily, error) {
	families := make(map[string]*dto.MetricFamily)
	if b.proto {
		all, err := readDelimited([]byte(b.bytes))
		for _, f := range all {
			families[f.GetName()] = f
		}
		return families, err
	}
	names := model.LegacyValidation
	if m.utf8 {
		names = model.UTF8Validation
	}
	p := expfmt.NewTextParser(names)
	return p.TextToMetricFamilies(strings.NewReader(b.bytes))
}

// label gives each series the labels of the key, and an instance.
func label(f *dto.MetricFamily, key map[string]string) {
	for _, m := range f.Metric {
		labels := map[string]string{"instance": ""}
		for _, l := range m.Label {
			labels[l.GetName()] = l.GetValue()
		}
		maps.Copy(labels, key)
		m.Label = labelPairs(labels)
	}
}

func labelPairs(labels map[string]string) (pairs []*dto.LabelPair) {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, &dto.LabelPair{Name: proto.String(name), Value: proto.String(labels[name])})
	}
	return pairs
}

var (
	errTimestamp = errors.New("a series has a timestamp")
	errSpecial   = errors.New("the lines of the type have it themselves")
)

// anyStatus stands for a verdict that depends on the order in the body, which
// the model does not know.
const anyStatus = 0

// checkBody refuses what is wrong whatever else is stored, where client_golang
// is more lenient than the gateway means to be. It gives all there is to say:
// the gateway gives what comes first in the body.
func checkBody(families map[string]*dto.MetricFamily) (err error) {
	for _, f := range families {
		for _, m := range f.Metric {
			if m.TimestampMs != nil {
				err = errors.Join(err, errTimestamp)
			}
			for _, l := range m.Label {
				if m.Histogram != nil && l.GetName() == "le" || m.Summary != nil && l.GetName() == "quantile" {
					err = errors.Join(err, fmt.Errorf("%s with a label %q: %w", f.GetType(), l.GetName(), errSpecial))
				}
			}
		}
	}
	return err
}

// store makes the state as it would be with the push, and keeps it if it can
// be exposed.
func (s *modelState) store(op modelOp, brought map[string]*dto.MetricFamily) error {
	next, err := s.next(op, brought)
	if err != nil {
		return err
	}
	if s.mode.unchecked {
		for _, f := range next.families {
			dropEqual(f)
		}
		s.groups[op.key.id()] = next
		return nil
	}
	return s.replace(op.key.id(), next)
}

// replace puts a group in the place of what there is, if all can be exposed
// together then.
func (s *modelState) replace(id string, next *modelGroup) error {
	old := s.groups[id]
	s.groups[id] = next
	err := s.judge()
	if err != nil {
		delete(s.groups, id)
		if old != nil {
			s.groups[id] = old
		}
	}
	return err
}

// next is the group as the push makes it.
func (s *modelState) next(op modelOp, brought map[string]*dto.MetricFamily) (*modelGroup, error) {
	maps.DeleteFunc(brought, func(name string, _ *dto.MetricFamily) bool { return metric.IsTime(name) })
	next := &modelGroup{key: op.key, pushed: true, families: make(map[string]*dto.MetricFamily)}
	if op.ttl > 0 {
		next.expires = s.clock + op.ttl
	}
	if old := s.groups[op.key.id()]; old != nil {
		next.failed = old.failed
		if op.method == http.MethodPost {
			maps.Copy(next.families, old.families)
		}
	}
	if op.merge {
		if err := s.merge(next.families, brought); err != nil {
			return nil, err
		}
	}
	maps.Copy(next.families, brought)
	return next, nil
}

// dropEqual keeps the first of equal series.
func dropEqual(f *dto.MetricFamily) {
	seen := make(map[string]bool)
	f.Metric = slices.DeleteFunc(slices.Clone(f.Metric), func(m *dto.Metric) bool {
		id := seriesID(m)
		twice := seen[id]
		seen[id] = true
		return twice
	})
}

func seriesID(m *dto.Metric) string {
	var parts []string
	for _, l := range m.Label {
		parts = append(parts, l.GetName(), l.GetValue())
	}
	return fmt.Sprintf("%q", parts)
}

// fail notes a refused push, unless the time of it would be a series that
// another group has.
func (s *modelState) fail(key modelKey) {
	g := s.groups[key.id()]
	if g == nil {
		if !s.mode.unchecked && s.hasTwin(&modelGroup{key: key}) {
			return
		}
		g = &modelGroup{key: key}
		s.groups[key.id()] = g
	}
	g.failed = true
}

// all are the families of the group, with those that the gateway makes.
func (g *modelGroup) all() []*dto.MetricFamily {
	all := slices.Collect(maps.Values(g.families))
	times := []struct {
		name, help string
		set        bool
	}{
		{"push_time_seconds", "Last Unix time when changing this group in the Pushgateway succeeded.", g.pushed},
		{"push_failure_time_seconds", "Last Unix time when changing this group in the Pushgateway failed.", g.failed},
		{"push_expiry_time_seconds", "Unix time when this group will expire unless it is pushed to before.", true},
	}
	if g.expires == 0 {
		times = times[:2]
	}
	for _, t := range times {
		m := &dto.Metric{Gauge: &dto.Gauge{Value: proto.Float64(0)}}
		if t.set {
			m.Gauge.Value = proto.Float64(1)
		}
		f := &dto.MetricFamily{
			Name: proto.String(t.name), Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{m},
			Help: proto.String(t.help),
		}
		label(f, g.key.labels)
		all = append(all, f)
	}
	return all
}

// shown are those of them that a scrape has: families with series. A group of
// which no push was ever good leaves its times to one of which some were.
func (s *modelState) shown(g *modelGroup) []*dto.MetricFamily {
	if !g.pushed && s.hasTwin(g) {
		return nil
	}
	return slices.DeleteFunc(g.all(), func(f *dto.MetricFamily) bool { return len(f.Metric) == 0 })
}

func (s *modelState) sorted() (groups []*modelGroup) {
	for _, id := range slices.Sorted(maps.Keys(s.groups)) {
		groups = append(groups, s.groups[id])
	}
	return groups
}

// judge asks client_golang whether everything can be exposed together. Help
// texts may differ.
func (s *modelState) judge() error {
	var pushed []*dto.MetricFamily
	for _, g := range s.sorted() {
		for _, f := range s.shown(g) {
			pushed = append(pushed, &dto.MetricFamily{Name: f.Name, Type: f.Type, Metric: f.Metric})
		}
	}
	_, err := prometheus.Gatherers{gathererOf(s.own...), gathererOf(pushed...)}.Gather()
	return err
}

func gathererOf(families ...*dto.MetricFamily) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })
}

// withoutOdd is the state without histograms that contradict themselves, which
// delimited protobuf leaves out.
func (s *modelState) withoutOdd() *modelState {
	rest := *s
	rest.groups = make(map[string]*modelGroup, len(s.groups))
	for id, g := range s.groups {
		copied := *g
		copied.families = make(map[string]*dto.MetricFamily, len(g.families))
		for name, f := range g.families {
			copied.families[name] = &dto.MetricFamily{
				Name: f.Name, Help: f.Help, Type: f.Type,
				Metric: slices.DeleteFunc(slices.Clone(f.Metric), isOdd),
			}
		}
		rest.groups[id] = &copied
	}
	return &rest
}

// isOdd tells whether a bucket has more than all of them together.
func isOdd(m *dto.Metric) bool {
	h := m.GetHistogram()
	return slices.ContainsFunc(h.GetBucket(), func(b *dto.Bucket) bool { return b.GetCumulativeCount() > h.GetSampleCount() })
}

// compare holds a scrape, text with UTF-8 names, to the model.
func (s *modelState) compare(text string) error {
	if s.mode.unchecked {
		return s.compareUnchecked(pushedLines(text))
	}
	want, err := s.exposed()
	if err != nil {
		return err
	}
	if got := pushedLines(text); !slices.Equal(got, want) {
		return fmt.Errorf("differs from the model:\n%s", diffLines(got, want))
	}
	return nil
}

// exposed are the lines of all groups' families.
func (s *modelState) exposed() ([]string, error) {
	merged := make(map[string]*dto.MetricFamily)
	for _, g := range s.sorted() {
		for _, f := range s.shown(g) {
			all := merged[f.GetName()]
			if all == nil {
				all = &dto.MetricFamily{Name: f.Name, Type: f.Type, Help: f.Help}
				merged[f.GetName()] = all
			}
			all.Metric = append(all.Metric, f.Metric...)
		}
	}
	return linesOf(slices.Collect(maps.Values(merged))...)
}

func linesOf(families ...*dto.MetricFamily) ([]string, error) {
	text, err := textOf(families...)
	return pushedLines(text), err
}

func textOf(families ...*dto.MetricFamily) (string, error) {
	var b strings.Builder
	for _, f := range families {
		if len(f.Metric) == 0 {
			continue
		}
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			return "", err
		}
	}
	// expfmt writes a label with a colon bare, which Prometheus refuses.
	return strings.ReplaceAll(b.String(), `,l:x="`, `,"l:x"="`), nil
}

// pushedLines are the lines about what was pushed, sorted, with no times that
// differ from run to run. The gateway's own series have no job.
func pushedLines(text string) []string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" || ownFamily.MatchString(line) && !strings.Contains(line, `job="`) {
			continue
		}
		if m := timeLine.FindStringSubmatch(line); m != nil {
			line = m[1] + " " + setOrZero(m[2], "ZERO")
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func diffLines(got, want []string) string {
	var b strings.Builder
	for _, line := range want {
		if !slices.Contains(got, line) {
			fmt.Fprintln(&b, "missing:", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			fmt.Fprintln(&b, "too much:", line)
		}
	}
	if b.Len() == 0 {
		fmt.Fprintln(&b, "some lines come more than once")
	}
	return b.String()
}

// heldFamily is a family of one group, nil for the gateway itself.
type heldFamily struct {
	group *modelGroup
	*dto.MetricFamily
}

// compareUnchecked does not predict who is left out, but only those may be who
// contradict somebody, and nothing may be exposed that was not pushed.
func (s *modelState) compareUnchecked(got []string) error {
	byName := make(map[string][]heldFamily)
	for _, f := range s.own {
		byName[f.GetName()] = append(byName[f.GetName()], heldFamily{nil, &dto.MetricFamily{Name: f.Name, Type: f.Type}})
	}
	for _, g := range s.sorted() {
		for _, f := range g.all() {
			f := &dto.MetricFamily{Name: f.Name, Type: f.Type, Metric: f.Metric}
			byName[f.GetName()] = append(byName[f.GetName()], heldFamily{g, f})
		}
	}
	exposed, stored := lineSet(got), make(map[string]bool)
	for _, held := range byName {
		for _, f := range held {
			lines, err := linesOf(f.MetricFamily)
			if err != nil {
				return err
			}
			maps.Copy(stored, lineSet(lines))
			if f.group == nil || contradicted(f, byName) || metric.IsTime(f.GetName()) && s.hasTwin(f.group) {
				continue
			}
			for line := range lineSet(lines) {
				if !exposed[line] {
					return fmt.Errorf("nothing contradicts %s of %s, but this is missing: %s", f.GetName(), f.group.key.path, line)
				}
			}
		}
	}
	for line := range exposed {
		if !stored[line] && !strings.HasPrefix(line, "# HELP ") {
			return fmt.Errorf("nobody pushed this: %s", line)
		}
	}
	return nil
}

// hasTwin tells whether another group would expose the same times, so that
// nobody could tell whose they are.
func (s *modelState) hasTwin(g *modelGroup) bool {
	for id, other := range s.groups {
		if id != g.key.id() && other.key.exposedID() == g.key.exposedID() {
			return true
		}
	}
	return false
}

func lineSet(lines []string) map[string]bool {
	set := make(map[string]bool)
	for _, line := range lines {
		set[line] = true
	}
	return set
}

// contradicted asks client_golang about each pair that could be in each
// other's way.
func contradicted(f heldFamily, byName map[string][]heldFamily) bool {
	names := []string{f.GetName()}
	for _, suffix := range []string{"_count", "_sum", "_bucket"} {
		names = append(names, f.GetName()+suffix)
		if base, ok := strings.CutSuffix(f.GetName(), suffix); ok {
			names = append(names, base)
		}
	}
	for _, name := range names {
		for _, other := range byName[name] {
			if other.MetricFamily == f.MetricFamily {
				continue
			}
			if _, err := (prometheus.Gatherers{gathererOf(other.MetricFamily), gathererOf(f.MetricFamily)}).Gather(); err != nil {
				return true
			}
		}
	}
	return false
}
