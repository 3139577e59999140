package jobs

import (
	"math"
	"strings"
	"time"

	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/metric"
)

// Facts are what a group says about a job. Numbers that it does not say are NaN.
// Comparisons with NaN are false, as those of PromQL with a missing series are.
type Facts struct {
	// Prefix is what the names of the metrics begin with, like job_.
	Prefix string
	// ExitCode is that of the last run that ended.
	ExitCode float64
	// Success is 1 if the last run succeeded, or 0.
	Success float64
	// Running is 1 while a run is in progress.
	Running float64
	// LastStart, LastEnd and LastSuccess are Unix times in seconds.
	LastStart, LastEnd, LastSuccess float64
	// Expected is how often the job should succeed, in seconds.
	Expected float64
	// Duration is that of the last run that ended, in seconds.
	Duration float64
}

// Push is what the gateway knows about the pushes to a group. Times that do not
// exist are NaN.
type Push struct {
	At        float64 // Unix time of the last successful push
	RefusedAt float64 // Unix time of the last refused push
	Refused   bool    // whether the last push was refused
	Why       string  // why it was refused
}

// noFacts returns facts without any number.
func noFacts(prefix string) Facts {
	nan := math.NaN()
	return Facts{prefix, nan, nan, nan, nan, nan, nan, nan, nan}
}

// fact is a metric that says something about a job: the end of its name, and
// where its value belongs.
type fact struct {
	end string
	of  func(*Facts) *float64
	// says means that the metric alone tells of a job. Others count beside one that
	// does, with the same beginning.
	says bool
	// word means that the end must be a word of its own in the name.
	word bool
	// flag means that only the values 0 and 1 count.
	flag bool
}

// known are the facts. Of two for the same number, the first counts.
var known = []fact{
	{end: "exit_code", says: true, of: func(f *Facts) *float64 { return &f.ExitCode }},
	{end: "last_success_timestamp_seconds", says: true, of: func(f *Facts) *float64 { return &f.LastSuccess }},
	{end: "last_success_unixtime", says: true, of: func(f *Facts) *float64 { return &f.LastSuccess }},
	{end: "last_start_timestamp_seconds", says: true, of: func(f *Facts) *float64 { return &f.LastStart }},
	{end: "last_completion_timestamp_seconds", of: func(f *Facts) *float64 { return &f.LastEnd }},
	{end: "expected_interval_seconds", of: func(f *Facts) *float64 { return &f.Expected }},
	{end: "duration_seconds", of: func(f *Facts) *float64 { return &f.Duration }},
	{end: "running", word: true, flag: true, of: func(f *Facts) *float64 { return &f.Running }},
	{end: "success", says: true, word: true, flag: true, of: func(f *Facts) *float64 { return &f.Success }},
}

// factOf returns the fact that a family states, or nil, and how the name of the
// family begins.
func factOf(name string, t metric.Type) (f *fact, prefix string) {
	if t != metric.Gauge && t != metric.Untyped {
		return nil, ""
	}
	for i := range known {
		f := &known[i]
		prefix, ok := strings.CutSuffix(name, f.end)
		if ok && (!f.word || prefix == "" || strings.HasSuffix(prefix, "_")) {
			return f, prefix
		}
	}
	return nil, ""
}

// maxSubjects is how many jobs one group can tell of: pairs of a prefix and the
// labels of series. As many series of each family count: the first ones by
// labels.
const maxSubjects = 64

// collector collects facts from groups, one after the other. It reuses its
// memory.
type collector struct {
	stated   []stated
	subjects []subject
}

// stated is a family that states a fact.
type stated struct {
	*fact
	*exposition.Block
	prefix string
}

// subject is a job that a group tells of.
type subject struct {
	Facts
	labels string // of its series, as they are written
}

// collect returns what a group says. The slice is valid until the next call.
func (c *collector) collect(g *gateway.Group) []subject {
	c.stated, c.subjects = c.stated[:0], c.subjects[:0]
	for i := range g.Families {
		h := &g.Families[i]
		f, prefix := factOf(h.Name, h.Type)
		switch {
		case f == nil:
		case f.says:
			c.read(stated{f, h.Block, prefix})
		default:
			c.stated = append(c.stated, stated{f, h.Block, prefix})
		}
	}
	if len(c.subjects) == 0 {
		return nil
	}
	for _, s := range c.stated {
		c.read(s)
	}
	return c.subjects
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
		c.subjects = append(c.subjects, subject{noFacts(s.prefix), labels})
		to = &c.subjects[len(c.subjects)-1]
	}
	if at := s.of(&to.Facts); math.IsNaN(*at) {
		*at = value
	}
}

func (c *collector) find(prefix, labels string) *subject {
	for i := range c.subjects {
		if s := &c.subjects[i]; s.Prefix == prefix && s.labels == labels {
			return s
		}
	}
	return nil
}

// pushOf returns what the gateway knows about the pushes to a group.
func pushOf(g *gateway.Group) Push {
	return Push{At: unix(g.Pushed), RefusedAt: unix(g.Failed), Refused: g.Failing, Why: g.Failure}
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return math.NaN()
	}
	return float64(t.UnixNano()) / 1e9
}
