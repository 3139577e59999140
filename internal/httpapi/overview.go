package httpapi

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"time"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
)

// overview is the state of the whole gateway in numbers.
type overview struct {
	Groups   int           `json:"groups"`
	Failing  int           `json:"groups_failing"` // their last push was refused
	Series   int           `json:"series"`
	Families int           `json:"families"`          // counted for each group
	LeftOut  int           `json:"families_left_out"` // stored, but not exposed
	Activity activityJSON  `json:"activity"`
	Ages     []ageCount    `json:"ages"`
	Jobs     []jobSize     `json:"jobs"` // the largest
	Hidden   []hidden      `json:"left_out"`
	Scrapers []scraper     `json:"scrapers"`       // latest first
	Refused  int           `json:"groups_refused"` // the same, and those whose last push could not even be read
	Refusals []refusalJSON `json:"refusals"`       // latest first
	Storage  *storageJSON  `json:"storage"`        // null if groups are only in memory
}

// ageCount is the number of groups whose last successful push is at most this
// old, but older than in the entry before.
type ageCount struct {
	UpTo   float64 `json:"up_to_seconds,omitempty"` // absent in the last entry
	Groups int     `json:"groups"`
}

type jobSize struct {
	Job    string `json:"job"`
	Groups int    `json:"groups"`
	Series int    `json:"series"`
}

// hidden is a family of a group that is not exposed.
type hidden struct {
	Labels map[string]string `json:"labels"`
	leftOutFamily
}

type storageJSON struct {
	Kind     string   `json:"kind"`
	Name     string   `json:"name"`
	Bytes    int64    `json:"size_bytes"`
	MaxBytes int64    `json:"max_size_bytes,omitempty"` // 0 if there is no maximum
	Members  []string `json:"members,omitempty"`        // gateways that share it
	Error    string   `json:"error,omitempty"`          // why it cannot be written
}

// Storage is where groups are kept.
type Storage interface {
	Kind() string   // "file" or "stream"
	Name() string   // its path, or the name of the stream
	MaxSize() int64 // in bytes, 0 if there is none
	Size() int64    // in bytes
	Trouble() error // why the last write failed, or nil
}

const (
	maxJobs   = 15
	maxHidden = 100
	// maxRefusals is how many refusals the overview has.
	maxRefusals = 20
	// maxShown is how many labels of one group are shown.
	maxShown = 20
)

// ages are the bounds of the histogram.
var ages = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour,
	24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour,
}

func (a *api) overview(w http.ResponseWriter, r *http.Request) {
	giveBack := a.tables.await(w, r)
	if giveBack == nil {
		return
	}
	defer giveBack()
	o, _, ok := a.surveys.latest(r.Context(), a.Gateway)
	if !ok {
		return // the client is gone
	}
	now := time.Now()
	o.Activity, o.Scrapers, o.Refusals, o.Storage = a.activity.recent(now), a.scrapers.latest(), a.refusalsJSON(maxRefusals), a.storage()
	o.Activity.Begin = a.Info.Start
	o.Refused = o.Failing + a.refusedSince(a.Gateway.View())
	writeData(w, &o)
}

func (a *api) storage() *storageJSON {
	if a.Storage == nil {
		return nil
	}
	s := &storageJSON{
		Kind: a.Storage.Kind(), Name: excerpt.Of(a.Storage.Name()),
		Bytes: a.Storage.Size(), MaxBytes: a.Storage.MaxSize(), Members: addresses(a.Shared.Members()),
	}
	if err := a.Storage.Trouble(); err != nil {
		s.Error = excerpt.Message(err)
	}
	return s
}

// look examines all groups once.
func look(gw *gateway.Gateway, v *gateway.View, now time.Time) *overview {
	o := &overview{Groups: v.Groups(), Series: v.Series, Families: v.Held, LeftOut: v.LeftOut, Hidden: []hidden{}}
	o.Ages = make([]ageCount, len(ages)+1)
	for i, age := range ages {
		o.Ages[i].UpTo = age.Seconds()
	}
	jobs := make(map[string]*jobSize)
	for g := range v.EachGroup("") {
		if !g.LastPushSuccessful() {
			o.Failing++
		}
		if !g.Pushed.IsZero() {
			o.Ages[ageIndex(now.Sub(g.Pushed))].Groups++
		}
		addToJob(jobs, g)
		o.addHidden(gw, v, g)
	}
	o.Jobs = largest(jobs)
	return o
}

func ageIndex(age time.Duration) int {
	i, _ := slices.BinarySearch(ages, age)
	return i
}

func addToJob(jobs map[string]*jobSize, g *gateway.Group) {
	name, _ := g.Key.Value("job")
	j := jobs[name]
	if j == nil {
		j = &jobSize{Job: name}
		jobs[name] = j
	}
	j.Groups++
	j.Series += g.Series
}

func largest(jobs map[string]*jobSize) []jobSize {
	list := make([]jobSize, 0, len(jobs))
	for j := range maps.Values(jobs) {
		list = append(list, *j)
	}
	slices.SortFunc(list, func(a, b jobSize) int {
		return cmp.Or(cmp.Compare(b.Series, a.Series), cmp.Compare(a.Job, b.Job))
	})
	list = slices.Clone(list[:min(len(list), maxJobs)]) // in a list with an entry for each job
	for i := range list {
		list[i].Job = excerpt.Of(list[i].Job)
	}
	return list
}

func (o *overview) addHidden(gw *gateway.Gateway, v *gateway.View, g *gateway.Group) {
	if len(o.Hidden) == maxHidden {
		return
	}
	for h := range leftOut(v, g) {
		o.Hidden = append(o.Hidden, hidden{shortLabels(g.Key), leftOutOf(gw, v, g, h)})
		if len(o.Hidden) == maxHidden {
			return
		}
	}
}

// shortLabels returns the labels of a key, shortened for a list.
func shortLabels(key grouping.Key) map[string]string {
	m := make(map[string]string)
	for _, l := range key.Labels() {
		if len(m) == maxShown {
			break
		}
		m[excerpt.Of(l.Name)] = excerpt.Of(l.Value)
	}
	return m
}
