package httpapi

import (
	"net/http"

	"pushgateway/internal/config"
)

// permission is what a client needs for a route, and how the route is treated.
type permission int

// Every route needs a permission. The zero value is not one.
const (
	_             permission = iota
	permHealth               // check whether the process serves
	permPage                 // open the page
	permScrape               // read all metrics, as Prometheus does
	permQuery                // read groups and information about them
	permOpenQuery            // read what 1.11 lets pages of all origins read
	permPreflight            // ask, as a browser, what pages of other origins may do
	permLogin                // log in
	permPush                 // push to groups
	permDelete               // delete one group
	permAdmin                // delete, wipe and copy many groups
	permLifecycle            // end the process, and reload its configuration
	permProfile              // profile the process
)

// rule is the treatment of all routes with one permission.
type rule struct {
	// needs is what the client must be allowed to do. "" lets everybody in.
	needs config.Permission
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
	permHealth:    {needs: config.Health},
	permPage:      {needs: config.UI},
	permScrape:    {needs: config.Scrape},
	permQuery:     {needs: config.Query, fresh: true},
	permOpenQuery: {needs: config.Query, fresh: true, open: true},
	permPreflight: {fresh: true, open: true}, // browsers send it without credentials
	permLogin:     {fresh: true},
	permPush:      {needs: config.Push, own: true},
	permDelete:    {needs: config.Delete, own: true},
	permAdmin:     {needs: config.Admin, own: true, off: adminOff},
	permLifecycle: {needs: config.Lifecycle, own: true, anywhere: true, off: lifecycleOff},
	permProfile:   {needs: config.Debug}, // these routes exist only with --web.enable-pprof
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
	if rule.needs != "" {
		r.handler = a.admitted(r, r.handler)
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
	if r.permission == permQuery {
		r.handler = packedAnswer(r.handler)
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
