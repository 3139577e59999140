package httpapi

import "net/http"

// permission is what a client must have for a route.
type permission int

// A route without a permission is a mistake: the zero value is none.
const (
	_             permission = iota
	permHealth               // to ask whether the process serves
	permPage                 // to open the page
	permScrape               // to read all metrics, as Prometheus does
	permQuery                // to read groups and what is known of them
	permOpenQuery            // to read what 1.11 lets pages of all origins read
	permPush                 // to push to groups
	permDelete               // to delete one group
	permAdmin                // to delete, wipe and copy many groups
	permLifecycle            // to end the process
	permProfile              // to profile the process
)

// rule is what follows from a permission.
type rule struct {
	// own is for what changes something: a browser must not ask for it for a page
	// from elsewhere.
	own bool
	// open lets pages of all origins read answers.
	open bool
	// fresh is for answers that nobody may keep.
	fresh bool
	// anywhere is for what stands both with and without the prefix, as in 1.11.
	anywhere bool
	// off tells why routes are switched off, "" if they are not. It may be nil.
	off func(*Config) string
}

// rules are those of all permissions.
var rules = map[permission]rule{
	permHealth:    {},
	permPage:      {},
	permScrape:    {},
	permQuery:     {fresh: true},
	permOpenQuery: {fresh: true, open: true},
	permPush:      {own: true},
	permDelete:    {own: true},
	permAdmin:     {own: true, off: adminOff},
	permLifecycle: {own: true, anywhere: true, off: lifecycleOff},
	permProfile:   {}, // without --web.enable-pprof there are no such routes
}

func adminOff(c *Config) string {
	if c.EnableAdmin {
		return ""
	}
	return "The admin API is not enabled; start the gateway with --web.enable-admin-api."
}

func lifecycleOff(c *Config) string {
	if c.Quit != nil {
		return ""
	}
	return "Shutdown over HTTP is not enabled; start the gateway with --web.enable-lifecycle."
}

// guarded gives the handler of a route all that follows from its permission. It
// is the only place that does.
func (a *api) guarded(r route) route {
	rule := rules[r.permission]
	if rule.off != nil {
		r.handler = a.unless(rule.off, r.handler)
	}
	if rule.own {
		r.handler = a.ownOrigin(r.handler)
	}
	if rule.open {
		r.handler = anyOrigin(r.handler)
	}
	if rule.fresh {
		r.handler = fresh(r.handler)
	}
	if r.name != "" {
		r.handler = a.Instrument(r.name, r.handler)
	}
	return r
}

// unless forbids what is switched off.
func (a *api) unless(off func(*Config) string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if why := off(&a.Config); why != "" {
			http.Error(w, why, http.StatusForbidden)
			return
		}
		next(w, r)
	}
}
