package httpapi

import "net/http"

// permission is what a client needs for a route.
type permission int

// Every route needs a permission. The zero value is not one.
const (
	_             permission = iota
	permHealth               // check whether the process serves
	permPage                 // open the page
	permScrape               // read all metrics, as Prometheus does
	permQuery                // read groups and information about them
	permOpenQuery            // read what 1.11 lets pages of all origins read
	permPush                 // push to groups
	permDelete               // delete one group
	permAdmin                // delete, wipe and copy many groups
	permLifecycle            // end the process, and reload its configuration
	permProfile              // profile the process
)

// rule is the treatment of all routes with one permission.
type rule struct {
	// own refuses requests that a browser makes for a page of another origin. It
	// is for routes that change something.
	own bool
	// open lets pages of all origins read answers.
	open bool
	// fresh is for answers that must not be cached.
	fresh bool
	// anywhere is for routes that exist both with and without the prefix, as in
	// 1.11.
	anywhere bool
	// off returns why the routes are switched off, or "" if they are not. It may
	// be nil.
	off func(*Config) string
}

// rules holds the rule of each permission.
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
	permProfile:   {}, // these routes exist only with --web.enable-pprof
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
	return "Shutdown and reload over HTTP are not enabled; start the gateway with --web.enable-lifecycle."
}

// guarded wraps the handler of a route by the rule of its permission. It is the
// only place that does.
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

// unless refuses requests to a route that is switched off.
func (a *api) unless(off func(*Config) string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if why := off(&a.Config); why != "" {
			http.Error(w, why, http.StatusForbidden)
			return
		}
		next(w, r)
	}
}
