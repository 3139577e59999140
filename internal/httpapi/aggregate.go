package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"pushgateway/internal/grouping"
	"pushgateway/internal/intake"
)

// pushRoutes returns the routes of pushes to one group. An aggregating gateway has
// others, on which all pushes add up.
func (a *api) pushRoutes() []route {
	const put, post = http.MethodPut, http.MethodPost
	if a.AggregateJob != "" {
		return []route{
			{put, "/metrics", "push", permPush, a.aggregate},
			{post, "/metrics", "push", permPush, a.aggregate},
			{put, "/metrics/*labels", "push", permPush, a.aggregate},
			{post, "/metrics/*labels", "push", permPush, a.aggregate},
		}
	}
	return []route{
		{put, "/metrics/job/*key", "push", permPush, a.push(true)},
		{put, "/metrics/job@base64/*key", "push", permPush, a.push(true)},
		{post, "/metrics/job/*key", "push", permPush, a.push(false)},
		{post, "/metrics/job@base64/*key", "push", permPush, a.push(false)},
	}
}

// aggregate adds a push to a group. Its headers may say what becomes of gauges.
func (a *api) aggregate(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	r.SetPathValue("key", a.aggregateKey(r.PathValue("labels")))
	push := a.pushRequest(w, r, false)
	push.Header = a.adding(r.Header)
	size, err := a.Intake.Push(r.Context(), push)
	a.Pushed(strings.ToLower(r.Method), size, time.Since(start))
	a.activity.note(time.Now(), err == nil)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// aggregateKey returns the grouping key of a path after /metrics, in which the job
// may be anywhere. Without one it gets that of the configuration.
func (a *api) aggregateKey(path string) string {
	path = strings.Trim(path, "/")
	parts := strings.Split(path, "/")
	for i := 0; i < len(parts); i += 2 {
		if name := parts[i]; name == "job" || name == "job@base64" {
			return strings.Join(slices.Concat(parts[i:min(i+2, len(parts))], parts[:i], parts[min(i+2, len(parts)):]), "/")
		}
	}
	job, err := grouping.NewKey(a.AggregateJob)
	if err != nil {
		return path // refused as a key
	}
	return strings.Trim(job.Path()+"/"+path, "/")
}

// adding returns the headers of a push that adds up.
func (a *api) adding(h http.Header) http.Header {
	h = h.Clone()
	h.Set(intake.MergeHeader, "sum")
	if h.Get(intake.GaugesHeader) == "" {
		h.Set(intake.GaugesHeader, a.AggregateGauges)
	}
	return h
}
