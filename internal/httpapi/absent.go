package httpapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"pushgateway/internal/access"
	"pushgateway/internal/config"
	"pushgateway/internal/grouping"
	"pushgateway/internal/metric"
)

const (
	// maxCompared is how many groups are compared with a missing one to find the
	// closest. minCompared is what comparing few groups counts as.
	maxCompared = 100_000
	minCompared = 1000
	// comparedEvery is how many groups may be compared per second, for all
	// clients together.
	comparedEvery = 2 * maxCompared
	// maxClosest is how many close groups an error names.
	maxClosest = 3
)

func newComparing() *rate.Limiter { return rate.NewLimiter(comparedEvery, 2*comparedEvery) }

// noGroup returns the message for a group that does not exist. It names the
// closest groups, since usually a label is missing from the path, unless its
// reader may not know which groups there are.
func (a *api) noGroup(who *access.Principal, key grouping.Key) string {
	text := "there is no group " + key.Excerpt()
	if access.Check(who, config.Query, "") != nil || !a.comparing.AllowN(time.Now(), min(max(a.Gateway.View().Groups(), minCompared), maxCompared)) {
		return text + "; the path must name all labels of the group, with the same values"
	}
	names := make([]string, 0, maxClosest)
	for _, k := range a.closest(key) {
		names = append(names, k.Excerpt())
	}
	if len(names) == 0 {
		return text + ", nor any other group of its job; GET /api/v1/groups, or pushgateway groups, lists all groups"
	}
	return fmt.Sprintf("%s; the closest are %s; the path must name all labels of the group, with the same values", text, strings.Join(names, ", "))
}

// likeness is how similar a group is to the one asked for.
type likeness struct {
	key   grouping.Key
	score int // labels that both have, minus those that only one has
}

// closest returns some groups of the same job, the most similar first.
func (a *api) closest(key grouping.Key) (closest []grouping.Key) {
	job, _ := key.Value(metric.JobLabel)
	labels := key.Labels()
	var found []likeness
	compared := 0
	for g := range a.Gateway.View().EachGroup("") {
		if compared++; compared > maxCompared {
			break
		}
		if other, _ := g.Key.Value(metric.JobLabel); !strings.EqualFold(job, other) {
			continue
		}
		found = append(found, likeness{g.Key, likenessOf(labels, g.Key)})
		slices.SortStableFunc(found, func(x, y likeness) int { return cmp.Compare(y.score, x.score) })
		found = found[:min(len(found), maxClosest)]
	}
	for _, l := range found {
		closest = append(closest, l.key)
	}
	return closest
}

func likenessOf(labels []metric.Label, key grouping.Key) (score int) {
	others := key.Labels()
	for _, l := range labels {
		if slices.Contains(others, l) {
			score += 2
		}
	}
	return score - len(others)
}
