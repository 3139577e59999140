package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"pushgateway/internal/duration"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/scrape"
)

// Shared tells about the state that several gateways may share.
type Shared interface {
	// Present returns the state that view returns, with its revision. exact means
	// that every gateway has the same groups at this revision.
	Present(view func() *gateway.View) (v *gateway.View, revision gateway.Revision, exact bool)
	// Lag returns for how long this gateway has not known that it has everything
	// that others have stored. It is 0 if it has.
	Lag() time.Duration
	// Members returns all gateways, or nil if nobody shares the state.
	Members() []gateway.Member
}

// alone is the state of a gateway that shares it with nobody.
type alone struct{}

func (alone) Present(view func() *gateway.View) (*gateway.View, gateway.Revision, bool) {
	v := view()
	return v, v.Revision, true
}

func (alone) Lag() time.Duration        { return 0 }
func (alone) Members() []gateway.Member { return nil }

// revisionHeader tells which state a scrape shows.
const revisionHeader = "X-Pushgateway-Revision"

// present returns the present state, and tells its revision in a header. A plus
// sign means that the state may have later changes too.
func (a *api) present(w http.ResponseWriter) *gateway.View {
	v, revision, exact := a.Shared.Present(a.Gateway.View)
	text := strconv.FormatUint(uint64(revision), 10)
	if !exact {
		text += "+"
	}
	w.Header().Set(revisionHeader, text)
	return v
}

// isWithoutOwn reports whether a scrape asks for pushed metrics only.
func isWithoutOwn(r *http.Request) (bool, error) {
	switch given := r.URL.Query().Get("own"); given {
	case "", "true", "1":
		return false, nil
	case "false", "0":
		return true, nil
	default:
		return false, fmt.Errorf("own=%q: it must be true or false", excerpt.Of(given))
	}
}

// ownMetrics serves the gateway's own families without those of groups.
func (a *api) ownMetrics(w http.ResponseWriter, r *http.Request) {
	format := exposition.Negotiate(r.Header, a.EnableOpenMetrics)
	w.Header().Set("Content-Type", format.ContentType())
	w.Header().Set("Vary", "Accept, Accept-Encoding")
	out, start := packed(w, r), time.Now()
	written, err := a.scraper.Own(out, a.Gateway.View(), format)
	unread := out.Close()
	switch {
	case scrape.IsUnread(err) || unread != nil:
		return
	case err != nil:
		a.Logger.Error("Could not write the gateway's own metrics", "err", err)
		panic(http.ErrAbortHandler)
	}
	s := Scrape{Format: format, Written: written, Took: time.Since(start)}
	a.scrapers.note(scraperOf(a.Proxies.Client(r), r, s, time.Now()), a.Limits.Remember.Scrapers)
}

// target is an element of Prometheus' HTTP service discovery.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// targets lists the own metrics of all gateways for Prometheus' HTTP service
// discovery.
func (a *api) targets(w http.ResponseWriter, r *http.Request) {
	members := addresses(a.Shared.Members())
	if members == nil {
		members = []string{r.Host}
	}
	writeJSON(w, http.StatusOK, []target{{members, map[string]string{"__metrics_path__": a.Prefix + ownPath}}})
}

func addresses(members []gateway.Member) (all []string) {
	for _, m := range members {
		all = append(all, m.Address)
	}
	return all
}

// memberJSON is a gateway that shares its state with this one.
type memberJSON struct {
	Address string `json:"address"`
	Version string `json:"version,omitempty"`
	Self    bool   `json:"self"`
	// Heard is when it last gave a sign of life. The rest is as it said then.
	Heard    time.Time        `json:"heard"`
	Revision gateway.Revision `json:"revision"`
	Behind   uint64           `json:"lag_messages"`
	Lag      float64          `json:"lag_seconds"`
	Skew     float64          `json:"clock_skew_seconds"`
}

// members lists the gateways that share their state.
func (a *api) members(w http.ResponseWriter, _ *http.Request) {
	list := make([]memberJSON, 0)
	for _, m := range a.Shared.Members() {
		list = append(list, memberJSON{excerpt.Of(m.Address), excerpt.Of(m.Version), m.Self, m.Heard, m.Revision, m.Behind, m.Lag.Seconds(), m.Skew.Seconds()})
	}
	writeData(w, map[string]any{"members": list})
}

// ownPath is where a gateway serves its own metrics.
const ownPath = "/-/metrics"

// ready reports whether scrapes are served, which they always are by now. With
// ?for=push it reports whether pushes are accepted, and with ?max_lag= whether
// scrapes lag behind other gateways by less. It refuses other values, since nobody
// would notice a misspelling as long as all is well.
func (a *api) ready(w http.ResponseWriter, r *http.Request) {
	pushes, err := forPushes(r)
	most, lagErr := maxLag(r)
	if err = cmp.Or(err, lagErr); err != nil {
		http.Error(w, excerpt.Message(err), http.StatusBadRequest)
		return
	}
	if err := a.Gateway.Err(); err != nil && pushes {
		notReady(w, "The gateway refuses pushes: "+excerpt.Message(err))
		return
	}
	if lag := a.Shared.Lag(); most > 0 && lag > most {
		notReady(w, fmt.Sprintf("The gateway has not heard from the servers of its cluster for %s, so it may lack what others have stored.", lag.Round(time.Second)))
		return
	}
	_, _ = w.Write([]byte("OK"))
}

func notReady(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", retryAfter)
	http.Error(w, why, http.StatusServiceUnavailable)
}

// forPushes reports whether the parameter for is push. It may be scrape, which is what
// is meant without it.
func forPushes(r *http.Request) (bool, error) {
	switch what := r.URL.Query().Get("for"); what {
	case "", "scrape":
		return false, nil
	case "push":
		return true, nil
	default:
		return false, fmt.Errorf("for=%q: it must be scrape or push", excerpt.Of(what))
	}
}

// maxLag returns the parameter max_lag, or 0 if there is none.
func maxLag(r *http.Request) (time.Duration, error) {
	given := r.URL.Query().Get("max_lag")
	if given == "" {
		return 0, nil
	}
	lag, err := duration.Parse(given)
	if err == nil && lag == 0 {
		err = errors.New("it must not be 0; write it like 5s")
	}
	if err != nil {
		return 0, fmt.Errorf("max_lag=%q: %w", excerpt.Of(given), err)
	}
	return lag, nil
}
