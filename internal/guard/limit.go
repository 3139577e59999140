package guard

import (
	"fmt"
	"time"
)

// Limit is a limit that a configuration file can set. Its value is the key there
// without max_.
type Limit string

// All limits that a configuration file can set, and that a push can be over.
const (
	// What is stored.
	LimitGroups    Limit = "groups"
	LimitSeries    Limit = "series"
	LimitLabelSets Limit = "label_sets"
	// What is stored of one job, set by rules.
	LimitGroupsPerJob Limit = "groups_per_job"
	LimitSeriesPerJob Limit = "series_per_job"
	// A rate, set by rules.
	LimitPushesPerSecond Limit = "pushes_per_second"
	// One push, or one group.
	LimitBodyBytes        Limit = "body_bytes"
	LimitInflightBytes    Limit = "inflight_bytes"
	LimitGroupsPerPush    Limit = "groups_per_push"
	LimitFamiliesPerPush  Limit = "families_per_push"
	LimitSeriesPerPush    Limit = "series_per_push"
	LimitSeriesPerGroup   Limit = "series_per_group"
	LimitSeriesPerSum     Limit = "series_per_sum_group"
	LimitIdempotencyKeys  Limit = "idempotency_keys"
	LimitGroupBytes       Limit = "group_bytes"
	LimitGroupingLabels   Limit = "grouping_labels"
	LimitLabelsPerSeries  Limit = "labels_per_series"
	LimitNameLength       Limit = "name_length"
	LimitLabelNameLength  Limit = "label_name_length"
	LimitLabelValueLength Limit = "label_value_length"
	LimitLabelsLength     Limit = "labels_length"
	LimitBuckets          Limit = "buckets_per_histogram"
)

// AllLimits lists all of them.
var AllLimits = [...]Limit{
	LimitGroups, LimitSeries, LimitLabelSets, LimitGroupsPerJob, LimitSeriesPerJob, LimitPushesPerSecond,
	LimitBodyBytes, LimitInflightBytes, LimitGroupsPerPush, LimitFamiliesPerPush, LimitSeriesPerPush, LimitSeriesPerGroup, LimitSeriesPerSum, LimitIdempotencyKeys, LimitGroupBytes, LimitGroupingLabels,
	LimitLabelsPerSeries, LimitNameLength, LimitLabelNameLength, LimitLabelValueLength, LimitLabelsLength, LimitBuckets,
}

// Key returns the key of the limit in a configuration file.
func (l Limit) Key() string { return "max_" + string(l) }

// Reason returns why a push over the limit is refused, as a value of a metric's
// label.
func (l Limit) Reason() string { return "limit_" + string(l) }

// Sources says where a configuration sets limits, like "gateway.yml:3". A limit
// that is not in it has its default. Nil means that there is no configuration.
type Sources map[Limit]string

// LimitError means that a push is over one of the limits.
type LimitError struct {
	Limit Limit
	// Says says what is over the limit, and the limit's value.
	Says string
	// Advice says what the sender can do.
	Advice string
	// At is where the limit is set, or "" if it has its default.
	At string
	// Stored means that the limit bounds what may be stored, and not one push.
	Stored bool
	// Wait is how long to wait before the next push, if the limit is a rate.
	Wait time.Duration
	// Err is what the error wraps. It may be nil.
	Err error
}

func (e *LimitError) Error() string {
	if e.At == "" {
		return fmt.Sprintf("%s; %s", e.Says, e.Advice)
	}
	return fmt.Sprintf("%s (%s in %s); %s, or change the limit there", e.Says, e.Limit.Key(), e.At, e.Advice)
}

func (e *LimitError) Unwrap() error { return e.Err }

// Quota is a limit of what is stored. The zero value is no limit.
type Quota struct {
	Most int
	At   string // where it is set; "" means that there is no limit
}

// Quotas bound what is stored of groups that have had a good push. Groups that have
// only failures have bounds of their own, so that nobody can use up a quota with
// refused pushes. The zero value bounds nothing.
type Quotas struct {
	// Groups, Series and LabelSets are about all groups together. A label set is
	// the set of label names of a grouping key.
	Groups, Series, LabelSets Quota
	// JobGroups and JobSeries are about all groups with the job of a push.
	JobGroups, JobSeries Quota
}

// BoundJobs reports whether they bound what is stored of a job.
func (q *Quotas) BoundJobs() bool { return q.JobGroups.At != "" || q.JobSeries.At != "" }

// Allows reports whether the quota lets used grow by more, which is no growth if
// it is not positive.
func (q Quota) Allows(used, more int) bool {
	return q.At == "" || more <= 0 || used+more <= q.Most
}
