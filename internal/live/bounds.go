package live

import (
	"math"
	"slices"

	"pushgateway/internal/config"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/metric"
)

// bounds are the quotas and the rates of each rule, with where they are set.
type bounds struct {
	general guard.Quotas // of groups that no rule matches
	rules   []ruleBounds // in the order of the rules
}

type ruleBounds struct {
	quotas guard.Quotas
	rateAt string // "" means that there is no bound
}

func boundsOf(c *config.Config, l guard.StoredLimits) bounds {
	quota := func(limit guard.Limit, most int) guard.Quota {
		if most == math.MaxInt {
			return guard.Quota{}
		}
		return guard.Quota{Most: most, At: l.Sources[limit]}
	}
	b := bounds{general: guard.Quotas{
		Groups: quota(guard.LimitGroups, l.Groups), Series: quota(guard.LimitSeries, l.Series), LabelSets: quota(guard.LimitLabelSets, l.LabelSets),
	}}
	for i := range c.Rules {
		r := &c.Rules[i]
		of := ruleBounds{quotas: b.general, rateAt: c.SourceOf(r, guard.LimitPushesPerSecond)}
		of.quotas.JobGroups = guard.Quota{Most: r.GroupsPerJob, At: c.SourceOf(r, guard.LimitGroupsPerJob)}
		of.quotas.JobSeries = guard.Quota{Most: r.SeriesPerJob, At: c.SourceOf(r, guard.LimitSeriesPerJob)}
		b.rules = append(b.rules, of)
	}
	return b
}

// Quotas returns what bounds the groups that a rule matches, or if it is nil, the
// groups that no rule matches.
func (s *Settings) Quotas(r *config.Rule) *guard.Quotas {
	if r == nil {
		return &s.bounds.general
	}
	return &s.bounds.rules[r.Index].quotas
}

// BoundsJobs reports whether any rule bounds what is stored of a job.
func (s *Settings) BoundsJobs() bool {
	return slices.ContainsFunc(s.bounds.rules, func(r ruleBounds) bool { return r.quotas.BoundJobs() })
}

// Rate returns the rate that a rule, which may be nil, sets for the job of a group
// that it matches, and where. There is none if at is "".
func (s *Settings) Rate(r *config.Rule, key grouping.Key) (rate guard.Rate, at string) {
	if r == nil || s.bounds.rules[r.Index].rateAt == "" {
		return guard.Rate{}, ""
	}
	job, _ := key.Value(metric.JobLabel)
	// The match tells rules apart, also across reloads.
	return guard.Rate{Name: r.Match.String() + "\xff" + job, PerSecond: float64(r.PushesPerSecond)}, s.bounds.rules[r.Index].rateAt
}
