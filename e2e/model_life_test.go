package e2e

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/promql/parser"
	"google.golang.org/protobuf/proto"
)

// modelLife is what an operation has to do with how groups live and end.
type modelLife struct {
	ttl      time.Duration
	merge    bool
	groupBy  string        // pushes to many groups
	selector string        // of deleteSome
	turn     time.Duration // of turnClock
}

const (
	deleteSome = "DELETE by selector"
	turnClock  = "turn the clock by"
	ttlHeader  = "X-Pushgateway-Ttl"
)

// parameters gives the query, and sets the header.
func (l modelLife) parameters(header http.Header) string {
	var q []string
	if l.merge {
		q = append(q, "merge", "series")
	}
	if l.groupBy != "" {
		q = append(q, "group_by", l.groupBy)
	}
	switch {
	case l.ttl%2 == 0 && l.ttl > 0:
		header.Set(ttlHeader, l.ttl.String())
	case l.ttl > 0:
		q = append(q, "ttl", l.ttl.String())
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + query(q...)
}

// randomTTLs are mostly none.
var randomTTLs = []time.Duration{0, 0, 0, 0, time.Minute, time.Hour + 1}

var randomTurns = []time.Duration{time.Second, time.Minute - 1, time.Minute, 2 * time.Hour, -time.Minute, -3 * time.Hour}

var randomSelectors = []string{`{job="a"}`, `{x="1"}`, `{x="",job=~"a|b"}`, `{job="a",x!="",y=""}`, `{instance!=""}`, `{job="c"}`}

// randomLife picks an operation that has to do with how groups live.
func randomLife(r *rand.Rand, op modelOp) modelOp {
	switch r.IntN(5) {
	case 0:
		op.method, op.turn = turnClock, randomTurns[r.IntN(len(randomTurns))]
	case 1:
		op.method, op.selector = deleteSome, randomSelectors[r.IntN(len(randomSelectors))]
	case 2:
		op.method, op.merge = http.MethodPost, true
	default:
		op.method = http.MethodPost
		op.groupBy = []string{"job", "job,x", "y,job"}[r.IntN(3)]
		op.ttl, op.merge = randomTTLs[r.IntN(len(randomTTLs))], r.IntN(3) == 0
		for range 1 + r.IntN(3) {
			op.body.bytes += jobPieces[r.IntN(len(jobPieces))]
		}
	}
	return op
}

// jobPieces are series that say whose they are, or do not.
var jobPieces = []string{
	"m{job=\"a\"} 1\nm{job=\"b\"} 2\n",
	"# TYPE m gauge\nm{job=\"a\",x=\"1\"} 1\nm{job=\"a\"} 1\nm{job=\"b\",x=\"2\"} 2\n",
	"# TYPE n counter\nn{job=\"a\",y=\"2\"} 1\nn{job=\"b\",y=\"2\"} 2\n",
	"# TYPE h histogram\nh_bucket{job=\"a\",le=\"+Inf\"} 1\nh_sum{job=\"a\"} 1\nh_count{job=\"a\"} 1\n",
	"m{job=\"a\",x=\"1\"} 1\nm{job=\"b\"} 1 1234\n",
	"m{job=\"a\"} 1\nm{job=\"a\"} 2\nm{job=\"b\"} 2\n",
	"m{x=\"1\"} 1\n",
}

// modelClock is the time that the gateway goes by.
type modelClock struct{ at atomic.Int64 }

func newModelClock() *modelClock {
	c := new(modelClock)
	c.at.Store(1.7e18)
	return c
}

func (c *modelClock) now() time.Time       { return time.Unix(0, c.at.Load()) }
func (c *modelClock) turn(d time.Duration) { c.at.Add(int64(d)) }

// turn lets time pass, or go back: what has ended stays away.
func (s *modelState) turn(d time.Duration) {
	s.clock += d
	maps.DeleteFunc(s.groups, func(_ string, g *modelGroup) bool { return g.expires != 0 && g.expires <= s.clock })
}

// deleteSome ends the groups of which Prometheus would select a series with
// their labels.
func (s *modelState) deleteSome(op modelOp) (int, error) {
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(op.selector)
	maps.DeleteFunc(s.groups, func(_ string, g *modelGroup) bool {
		for _, m := range matchers {
			if !m.Matches(g.key.labels[m.Name]) {
				return false
			}
		}
		return true
	})
	return http.StatusOK, err
}

// merge adds to the families of a push what the group has of them besides.
func (s *modelState) merge(old, brought map[string]*dto.MetricFamily) error {
	for name, f := range brought {
		was := old[name]
		if was == nil {
			continue
		}
		if was.GetType() != f.GetType() {
			return fmt.Errorf("%s is a %s in the group", name, was.GetType())
		}
		named := make(map[string]bool)
		if s.mode.unchecked {
			dropEqual(f)
		}
		for _, m := range f.Metric {
			named[seriesID(m)] = true
		}
		both := &dto.MetricFamily{Name: f.Name, Help: f.Help, Type: f.Type, Metric: slices.Clone(f.Metric)}
		if f.GetHelp() == "" {
			both.Help = was.Help
		}
		for _, m := range was.Metric {
			if !named[seriesID(m)] {
				both.Metric = append(both.Metric, m)
			}
		}
		brought[name] = both
	}
	return nil
}

var errNoJob = errors.New("a series has no job")

// pushMany sorts series into groups. Each group of the body has to agree with
// the others as they were, and as they become.
func (s *modelState) pushMany(op modelOp) (status int, why error) {
	all, err := op.body.parse(s.mode)
	if err != nil {
		return http.StatusBadRequest, err
	}
	groups, err := split(all, strings.Split(op.groupBy, ","))
	if err != nil {
		return http.StatusBadRequest, err
	}
	before := maps.Clone(s.groups)
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		g := groups[id]
		if err := s.pushOne(op, g.key, g.families, before); err != nil {
			why = err
			s.fail(g.key)
			if before[id] == nil && s.groups[id] != nil {
				before[id] = s.groups[id]
			}
		}
	}
	switch {
	case why != nil:
		return http.StatusBadRequest, why
	case s.mode.unchecked:
		return http.StatusAccepted, nil
	}
	return http.StatusOK, nil
}

func (s *modelState) pushOne(op modelOp, key modelKey, families map[string]*dto.MetricFamily, before map[string]*modelGroup) error {
	for _, f := range families {
		label(f, key.labels)
	}
	if err := checkBody(families); err != nil {
		return err
	}
	op.key = key
	if !s.mode.unchecked {
		next, err := s.next(op, maps.Clone(families))
		if err != nil {
			return err
		}
		then := &modelState{mode: s.mode, own: s.own, groups: maps.Clone(before)}
		if err := then.replace(key.id(), next); err != nil {
			return err
		}
	}
	return s.store(op, families)
}

// split gives each group its series of the families.
func split(all map[string]*dto.MetricFamily, by []string) (map[string]*modelGroup, error) {
	groups := make(map[string]*modelGroup)
	for name, f := range all {
		for _, m := range f.Metric {
			key := modelKey{path: "/api/v1/push", labels: make(map[string]string)}
			for _, l := range m.Label {
				if slices.Contains(by, l.GetName()) && l.GetValue() != "" {
					key.labels[l.GetName()] = l.GetValue()
				}
			}
			if key.labels["job"] == "" {
				return nil, errNoJob
			}
			g := groups[key.id()]
			if g == nil {
				g = &modelGroup{key: key, families: make(map[string]*dto.MetricFamily)}
				groups[key.id()] = g
			}
			if g.families[name] == nil {
				g.families[name] = &dto.MetricFamily{Name: f.Name, Help: f.Help, Type: f.Type}
			}
			g.families[name].Metric = append(g.families[name].Metric, proto.CloneOf(m))
		}
	}
	return groups, nil
}
