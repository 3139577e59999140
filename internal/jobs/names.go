package jobs

import (
	"strings"

	"pushgateway/internal/config"
	"pushgateway/internal/metric"
)

// fact is a number that a metric can say about a job.
type fact struct {
	of func(*Facts) *float64
	// end is the end of the common name of the metric. Of two metrics about the same
	// number, the one with the lower name counts.
	end string
	// says means that the metric alone tells of a job. Others count beside one that
	// does.
	says bool
	// ends means that the metric says how a run has ended.
	ends bool
	// word means that the end must be a word of its own in the name.
	word bool
	// flag means that only the values 0 and 1 count.
	flag bool
	// ruled is the name of the metric by a rule, which may be "".
	ruled func(*config.JobRule) config.MetricName
}

// known are the facts, those next to each other whose ends have the same last two
// letters.
var known = []fact{
	{end: "exit_code", says: true, ends: true, of: func(f *Facts) *float64 { return &f.ExitCode }, ruled: func(r *config.JobRule) config.MetricName { return r.ExitCode }},
	{end: "last_success_timestamp_seconds", says: true, of: func(f *Facts) *float64 { return &f.LastSuccess }, ruled: func(r *config.JobRule) config.MetricName { return r.LastSuccess }},
	{end: "last_start_timestamp_seconds", says: true, of: func(f *Facts) *float64 { return &f.LastStart }, ruled: func(r *config.JobRule) config.MetricName { return r.LastStart }},
	{end: "last_completion_timestamp_seconds", of: func(f *Facts) *float64 { return &f.LastEnd }, ruled: func(r *config.JobRule) config.MetricName { return r.LastCompletion }},
	{end: "expected_interval_seconds", of: func(f *Facts) *float64 { return &f.Expected }, ruled: func(r *config.JobRule) config.MetricName { return r.ExpectedInterval }},
	{end: "duration_seconds", of: func(f *Facts) *float64 { return &f.Duration }, ruled: func(r *config.JobRule) config.MetricName { return r.Duration }},
	{end: "last_success_unixtime", says: true, of: func(f *Facts) *float64 { return &f.LastSuccess }},
	{end: "running", word: true, flag: true, of: func(f *Facts) *float64 { return &f.Running }, ruled: func(r *config.JobRule) config.MetricName { return r.Running }},
	{end: "success", says: true, ends: true, word: true, flag: true, of: func(f *Facts) *float64 { return &f.Success }, ruled: func(r *config.JobRule) config.MetricName { return r.Success }},
}

// alike returns the facts whose ends have the last two letters of a name. Every
// push asks for each of its families.
func alike(name string) []fact {
	if len(name) < 2 {
		return nil
	}
	switch name[len(name)-2:] {
	case "de":
		return known[0:1]
	case "ds":
		return known[1:6]
	case "me":
		return known[6:7]
	case "ng":
		return known[7:8]
	case "ss":
		return known[8:9]
	}
	return nil
}

// factOf returns the fact that a family states in a group with a rule, which may
// be nil. The fact is nil if it states none. Facts with the same prefix, and the
// same labels, are about the same job.
func factOf(name string, t metric.Type, rule *config.JobRule) (f *fact, prefix string) {
	if rule != nil && rule.Names() {
		return ruledFact(name, t, rule), ""
	}
	if t != metric.Gauge && t != metric.Untyped {
		return nil, ""
	}
	facts := alike(name)
	for i := range facts {
		f := &facts[i]
		prefix, ok := strings.CutSuffix(name, f.end)
		if ok && (!f.word || prefix == "" || strings.HasSuffix(prefix, "_")) {
			return f, prefix
		}
	}
	return nil, ""
}

// ruledFact is factOf for a rule that names metrics. Then no others count. A
// counter that somebody names is a number like any other.
func ruledFact(name string, t metric.Type, rule *config.JobRule) *fact {
	if t != metric.Gauge && t != metric.Untyped && t != metric.Counter {
		return nil
	}
	for i := range known {
		if f := &known[i]; f.ruled != nil && string(f.ruled(rule)) == name {
			return f
		}
	}
	return nil
}
