package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"pushgateway/internal/grouping"
)

// JobRules say what metrics tell about jobs, in the order of the file.
type JobRules []JobRule

// JobRule is what holds for the groups that it matches, unless an earlier rule
// matches them. Zero fields are not set.
type JobRule struct {
	Match Selector `yaml:"match,required"`
	// The names of metrics that tell how the job went. If any is set, no common
	// names count.
	ExitCode         MetricName `yaml:"exit_code"`
	Success          MetricName `yaml:"success"`
	LastSuccess      MetricName `yaml:"last_success"`
	LastStart        MetricName `yaml:"last_start"`
	LastCompletion   MetricName `yaml:"last_completion"`
	Duration         MetricName `yaml:"duration"`
	Running          MetricName `yaml:"running"`
	ExpectedInterval MetricName `yaml:"expected_interval"`
	// Expect is how often the job should succeed if no metric says so.
	Expect Duration `yaml:"expect"`
	// PushIsSuccess makes each push a success if no metric tells of a job.
	PushIsSuccess bool `yaml:"push_is_success"`
	// Ignore means that the groups tell of no job, whatever their metrics are.
	Ignore bool `yaml:"ignore"`
}

// For returns the first rule that matches a grouping key, or nil. The key must
// be decoded.
func (r JobRules) For(key grouping.Key) *JobRule {
	for i := range r {
		if r[i].Match.Matches(key) {
			return &r[i]
		}
	}
	return nil
}

// names are the metrics that the rule names, by their keys in the file.
func (r *JobRule) names() []namedMetric {
	return []namedMetric{
		{"exit_code", r.ExitCode, true}, {"success", r.Success, true}, {"last_success", r.LastSuccess, true}, {"last_start", r.LastStart, true},
		{"last_completion", r.LastCompletion, false}, {"duration", r.Duration, false}, {"running", r.Running, false}, {"expected_interval", r.ExpectedInterval, false},
	}
}

type namedMetric struct {
	key  string
	name MetricName
	says bool // the metric alone tells of a job
}

// Names reports whether the rule names metrics.
func (r *JobRule) Names() bool {
	return r.ExitCode != "" || r.Success != "" || r.LastSuccess != "" || r.LastStart != ""
}

// MetricName is the name of a metric, as it is pushed.
type MetricName string

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *MetricName) UnmarshalText(text []byte) error {
	switch name := string(text); {
	case name == "":
		return errors.New("it is empty; name a metric, like backup_exit_code, or remove the key")
	case !utf8.ValidString(name), strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune("{}\"", r) }):
		return fmt.Errorf("%q is not the name of a metric; write it without labels, like backup_exit_code", name)
	}
	*n = MetricName(text)
	return nil
}

// checkJobs notes rules that could not do what they seem to say.
func (d *decoder) checkJobs() {
	for i := range d.config.Jobs {
		d.checkJob(&d.config.Jobs[i], fmt.Sprintf("jobs[%d]", i))
	}
}

func (d *decoder) checkJob(r *JobRule, key string) {
	used := make(map[MetricName]string)
	for _, m := range r.names() {
		if m.name == "" {
			continue
		}
		if r.Ignore {
			d.mistake(key+"."+m.key, "it means nothing beside ignore: true; remove one of them")
		}
		if other := used[m.name]; other != "" {
			d.mistake(key+"."+m.key, "%s names the same metric; one metric tells one thing, remove one of them", other)
		}
		if used[m.name] = m.key; !m.says && !r.Names() {
			d.mistake(key+"."+m.key, "the metric does not tell how a run ended; add exit_code, success, last_success or last_start")
		}
	}
	for _, also := range []string{"expect", "push_is_success"} {
		if r.Ignore && d.config.Says(key+"."+also) {
			d.mistake(key+"."+also, "it means nothing beside ignore: true; remove one of them")
		}
	}
	if r.Expect == 0 && d.config.Says(key+".expect") && !r.Ignore {
		d.mistake(key+".expect", "it must not be 0; write it like 24h, or remove the key")
	}
}
