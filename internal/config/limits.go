package config

import "pushgateway/internal/guard"

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
		{&other.Push.Value, l.LabelValueLength},
		{&other.Push.Labels, l.LabelsLength},
		{&other.Push.Help, l.HelpLength},
		{&other.Push.Buckets, l.Buckets},
		{&other.Group.Series, l.SeriesPerGroup},
		{&other.Group.Text, int(l.GroupBytes)},
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
