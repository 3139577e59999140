package jobs

import (
	"pushgateway/internal/config"
	"pushgateway/internal/gateway"
)

// Survey is how the jobs of all groups of a view are at a time. It never changes.
type Survey struct {
	all   []*Judged // in the order of their keys
	rules config.JobRules
	at    float64 // Unix time in seconds
	step  uint64  // of the view
}

// Look judges all groups of a view by the rules of a configuration file, at a Unix
// time in seconds. Of the survey before, which may be nil, it takes over the groups
// that have not changed, unless their verdict may be another one by now.
func Look(v *gateway.View, rules config.JobRules, now float64, before *Survey) *Survey {
	s := &Survey{make([]*Judged, 0, v.Groups()), rules, now, v.Step}
	known := before.holdingFor(s)
	var c collector
	for g := range v.EachGroup("") {
		j := known.find(g)
		if j == nil || now >= j.until {
			j = c.judged(g, rules, now)
		}
		s.all = append(s.all, j)
	}
	return s
}

// RowOf returns the row of a single group, judged by rules at a Unix time in seconds.
func RowOf(g *gateway.Group, rules config.JobRules, now float64) *Row {
	var c collector
	s := &Survey{all: []*Judged{c.judged(g, rules, now)}, at: now}
	t := s.Table(nil)
	t.Add(0)
	return &t.rows[0]
}

// StateOf returns how the job of a single group is.
func StateOf(g *gateway.Group, rules config.JobRules, now float64) State {
	var c collector
	v := c.judge(g, rules.For(g.Key), now)
	return v.State
}

func (c *collector) judged(g *gateway.Group, rules config.JobRules, now float64) *Judged {
	return &Judged{g.Key, g.JobID(), g.Runs, c.judge(g, rules.For(g.Key), now)}
}

// Len returns the number of groups.
func (s *Survey) Len() int { return len(s.all) }

// Group returns the group at a place. The caller must not change it.
func (s *Survey) Group(place int) *Judged { return s.all[place] }

// earlier are groups of a survey that have not been passed yet.
type earlier struct {
	rest []*Judged
	step uint64 // groups with a higher one have changed
}

// holdingFor returns what a later survey can take over: nothing if other rules hold,
// or if a clock was set back.
func (s *Survey) holdingFor(later *Survey) earlier {
	if s == nil || !same(s.rules, later.rules) || later.at < s.at || later.step < s.step {
		return earlier{}
	}
	return earlier{s.all, s.step}
}

// same reports whether rules are of one configuration. Configurations never change.
func same(a, b config.JobRules) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// find returns what is known of a group, or nil if it has changed. Groups must come
// in the order of their keys.
func (e *earlier) find(g *gateway.Group) *Judged {
	if g.Step > e.step {
		return nil
	}
	for len(e.rest) > 0 && e.rest[0].Key != g.Key {
		e.rest = e.rest[1:] // it is gone, or has changed
	}
	if len(e.rest) == 0 {
		return nil
	}
	j := e.rest[0]
	e.rest = e.rest[1:]
	return j
}
