package jobs

import (
	"math"
	"time"

	"pushgateway/internal/config"
	"pushgateway/internal/gateway"
	"pushgateway/internal/metric"
)

// maxSubjects is how many jobs one group can tell of: pairs of a prefix and the
// labels of series. As many series of each family count: the first ones by
// labels.
const maxSubjects = 64

// collector collects facts from groups, one after the other. It reuses its
// memory.
type collector struct {
	stated   []stated
	subjects []subject
	noGauge  string // a metric that would tell of a job if it were a gauge
}

// stated is a family that states a fact.
type stated struct {
	*fact
	*gateway.Held
	prefix  string
	brought bool // by the last push
}

// subject is a job that a group tells of.
type subject struct {
	Facts
	prefix string
	labels string // of its series, as they are written
	ended  bool   // the last push said how a run has ended
}

// collect returns what a group says by a rule, which may be nil. The slice is
// valid until the next call.
func (c *collector) collect(g *gateway.Group, rule *config.JobRule) []subject {
	c.stated, c.subjects, c.noGauge = c.stated[:0], c.subjects[:0], ""
	if rule != nil && rule.Ignore {
		return nil
	}
	for i := range g.Families {
		h := &g.Families[i]
		f, prefix := factOf(h.Name, h.Type, rule)
		switch {
		case f == nil && h.Type != metric.Gauge:
			if f, _ = factOf(h.Name, metric.Gauge, rule); f != nil && f.says {
				c.noGauge = h.Name
			}
		case f == nil:
		case f.says:
			c.read(stated{f, h, prefix, h.Pushed.Equal(g.Pushed)})
		default:
			c.stated = append(c.stated, stated{f, h, prefix, false})
		}
	}
	if len(c.subjects) > 0 {
		for _, s := range c.stated {
			c.read(s)
		}
	}
	c.apply(rule, g)
	return c.subjects
}

// apply adds what a rule says itself.
func (c *collector) apply(rule *config.JobRule, g *gateway.Group) {
	if rule == nil {
		return
	}
	if len(c.subjects) == 0 && rule.PushIsSuccess && !g.Pushed.IsZero() {
		c.subjects = append(c.subjects, subject{Facts: noFacts()})
		c.subjects[0].LastSuccess = unix(g.Pushed)
	}
	for i := range c.subjects {
		if f := &c.subjects[i].Facts; !(f.Expected > 0) && rule.Expect > 0 {
			f.Expected = time.Duration(rule.Expect).Seconds()
		}
	}
}

// read adds the values of a family to the jobs that they belong to.
func (c *collector) read(s stated) {
	left := maxSubjects
	s.EachValue(func(labels string, value float64) bool {
		if !s.flag || value == 0 || value == 1 {
			c.add(s, labels, value)
		}
		left--
		return left > 0
	})
}

// add adds a value. A fact that does not tell of a job alone makes none.
func (c *collector) add(s stated, labels string, value float64) {
	to := c.find(s.prefix, labels)
	if to == nil && (!s.says || len(c.subjects) == maxSubjects) {
		return
	}
	if to == nil {
		c.subjects = append(c.subjects, subject{Facts: noFacts(), prefix: s.prefix, labels: labels})
		to = &c.subjects[len(c.subjects)-1]
	}
	to.ended = to.ended || s.ends && s.brought
	if s.of(&to.Facts) == &to.Success {
		to.Flag = s.Name
	}
	if at := s.of(&to.Facts); math.IsNaN(*at) {
		*at = value
	}
}

func (c *collector) find(prefix, labels string) *subject {
	for i := range c.subjects {
		if s := &c.subjects[i]; s.prefix == prefix && s.labels == labels {
			return s
		}
	}
	return nil
}
