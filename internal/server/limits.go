package server

import (
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/live"
	"pushgateway/internal/telemetry"
)

// observeLimits exposes the limits of what may be stored. It costs nothing unless
// a configuration sets such limits.
func (s *Server) observeLimits() {
	s.current.OnChange(s.bound) // first, so that no reload is missed
	s.bound(s.current.Get())
	s.Metrics.ObserveLimits(func() []telemetry.LimitUse { return uses(s.Gateway, s.current.Get()) })
}

// bound tells the gateway which jobs the settings bound.
func (s *Server) bound(now *live.Settings) {
	if now.BoundsJobs() {
		s.Gateway.Bound(func(key grouping.Key) *guard.Quotas { return now.Quotas(now.Rules.For(key)) })
	}
}

// uses returns the limits of settings, and how much of them is used.
func uses(gw *gateway.Gateway, now *live.Settings) (all []telemetry.LimitUse) {
	add := func(l guard.Limit, rule string, q guard.Quota, used int) {
		if q.At != "" {
			all = append(all, telemetry.LimitUse{Limit: string(l), Rule: rule, Most: q.Most, Used: used})
		}
	}
	general, stored := now.Quotas(nil), gw.Stored()
	add(guard.LimitGroups, "", general.Groups, stored.Groups)
	add(guard.LimitSeries, "", general.Series, stored.Series)
	add(guard.LimitLabelSets, "", general.LabelSets, stored.LabelSets)
	if !now.BoundsJobs() {
		return all
	}
	jobs, seen := gw.JobUse(), make(map[string]bool)
	for i := range now.Rules {
		rule := now.Rules[i].Match.String()
		if seen[rule] {
			continue // it never matches
		}
		seen[rule] = true
		q := now.Quotas(&now.Rules[i])
		add(guard.LimitGroupsPerJob, rule, q.JobGroups, jobs[q].Groups)
		add(guard.LimitSeriesPerJob, rule, q.JobSeries, jobs[q].Series)
	}
	return all
}
