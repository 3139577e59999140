package config

import (
	"fmt"
	"math"

	"pushgateway/internal/guard"
)

// Over returns limits with those that the file sets in the place of others.
func (l Limits) Over(other guard.Limits) guard.Limits {
	for _, of := range []struct {
		limit *int
		file  int
	}{
		{&other.Body.Groups, l.GroupsPerPush},
		{&other.Key.Labels, l.GroupingLabels},
		{&other.Push.Families, l.FamiliesPerPush},
		{&other.Push.Series, l.SeriesPerPush},
		{&other.Push.LabelCount, l.LabelsPerSeries},
		{&other.Push.Name, l.NameLength},
		{&other.Push.LabelName, l.LabelNameLength},
		{&other.Push.Value, l.LabelValueLength},
		{&other.Push.Labels, l.LabelsLength},
		{&other.Push.Help, l.HelpLength},
		{&other.Push.Buckets, l.Buckets},
		{&other.Group.Series, l.SeriesPerGroup},
		{&other.Group.SumSeries, l.SeriesPerSum},
		{&other.Group.Receipts, l.IdempotencyKeys},
		{&other.Group.Text, int(min(l.GroupBytes, math.MaxInt))},
		{&other.Stored.Groups, l.Groups},
		{&other.Stored.Series, l.Series},
		{&other.Stored.LabelSets, l.LabelSets},
		{&other.Connections.Connections, l.Connections},
	} {
		if of.file != 0 {
			*of.limit = of.file
		}
	}
	for _, of := range []struct {
		limit *int64
		file  Bytes
	}{
		{&other.Body.Bytes, l.BodyBytes},
		{&other.Body.Inflight, l.InflightBytes},
	} {
		if of.file != 0 {
			*of.limit = int64(of.file)
		}
	}
	return other
}

// Sources says where the file sets limits. It is nil if it sets none.
func (c *Config) Sources() (s guard.Sources) {
	for _, l := range guard.AllLimits {
		if at := c.source("limits." + l.Key()); at != "" {
			if s == nil {
				s = make(guard.Sources)
			}
			s[l] = at
		}
	}
	return s
}

// SourceOf says where the file sets a limit of a rule, or returns "" if it does
// not.
func (c *Config) SourceOf(r *Rule, l guard.Limit) string {
	at := c.source(r.Where(l.Key()))
	if at == "" {
		return ""
	}
	return fmt.Sprintf("%s, in the rule for %s", at, r.Match)
}

// source returns the place of a key, like gateway.yml:3, or "" if the file does
// not have it.
func (c *Config) source(key string) string {
	at, ok := c.at[key]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s:%d", c.file, at.line)
}
