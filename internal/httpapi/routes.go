package httpapi

import (
	"cmp"
	"net/http"
	"net/http/pprof"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/julienschmidt/httprouter"

	"pushgateway/internal/accesslog"
)

// route is one thing that is served. GET also answers HEAD.
type route struct {
	method string
	// path is below the prefix. It is literal except for at most one part: a
	// :name, or a *name that takes the rest. Handlers get that part as a path
	// value, still percent-encoded.
	path string
	// name is the name in the request metrics, or "" if requests are not counted.
	name string
	// permission is what its client needs; see rules for the consequences.
	permission permission
	handler    http.HandlerFunc
}

// routes returns all routes.
func (a *api) routes() []route {
	const get, put, post, del, options = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodOptions
	all := []route{
		{get, "/-/healthy", "healthy", permHealth, a.healthy},
		{get, "/-/ready", "ready", permHealth, a.ready},
		{get, ownPath, "", permScrape, a.ownMetrics},
		{put, "/-/quit", "quit", permLifecycle, a.quit},
		{post, "/-/quit", "quit", permLifecycle, a.quit},
		{put, "/-/reload", "reload", permLifecycle, a.reload},
		{post, "/-/reload", "reload", permLifecycle, a.reload},

		{get, "/", "status", permPage, a.UI.ServeHTTP},
		{get, "/status", "status", permPage, a.UI.ServeHTTP},
		{get, "/static/*filepath", "static", permPage, a.UI.ServeHTTP},

		{get, a.TelemetryPath, "", permScrape, a.scrape},
		{del, "/metrics/job/*key", "delete", permDelete, a.delete},
		{del, "/metrics/job@base64/*key", "delete", permDelete, a.delete},

		{post, "/v1/metrics", nameOTLP, permPush, a.otlp},
		{post, "/api/v1/otlp/v1/metrics", nameOTLP, permPush, a.otlp},

		{options, "/api/v1/*path", "api/v1/options", permPreflight, ok},
		{get, "/api/v1/login", "api/v1/login", permLogin, a.login},
		{get, "/api/v1/status", "api/v1/status", permOpenQuery, a.status},
		{get, "/api/v1/metrics", "api/v1/metrics", permOpenQuery, a.metrics},
		{put, "/api/v1/push", "api/v1/push", permPush, a.pushMany(true)},
		{post, "/api/v1/push", "api/v1/push", permPush, a.pushMany(false)},
		{get, "/api/v1/groups", "api/v1/groups", permQuery, a.groups},
		{get, "/api/v1/jobs", "api/v1/jobs", permQuery, a.jobs},
		{get, "/api/v1/targets", "api/v1/targets", permQuery, a.targets},
		{get, "/api/v1/troubles", "api/v1/troubles", permQuery, a.troubles},
		{get, "/api/v1/refusals", "api/v1/refusals", permQuery, a.refusals},
		{get, "/api/v1/members", "api/v1/members", permQuery, a.members},
		{get, "/api/v1/overview", "api/v1/overview", permQuery, a.overview},
		{get, "/api/v1/labels", "api/v1/labels", permQuery, a.labelNames},
		{get, "/api/v1/label/:name/values", "api/v1/label", permQuery, a.labelValues},
		{get, "/api/v1/group/job/*key", "api/v1/group", permQuery, a.group},
		{get, "/api/v1/group/job@base64/*key", "api/v1/group", permQuery, a.group},
		{post, "/api/v1/admin/delete_groups", "api/v1/admin/delete_groups", permAdmin, a.deleteGroups},
		{get, "/api/v1/admin/snapshot", "api/v1/admin/snapshot", permAdmin, a.snapshot},
		{put, "/api/v1/admin/wipe", "wipe", permAdmin, a.wipe},
	}
	all = append(all, a.pushRoutes()...)
	if a.EnablePprof {
		all = append(all, profiles()...)
	}
	return all
}

func profiles() []route {
	all := []route{
		{http.MethodGet, "/debug/pprof/", "", permProfile, pprof.Index},
		{http.MethodGet, "/debug/pprof/cmdline", "", permProfile, pprof.Cmdline},
		{http.MethodGet, "/debug/pprof/profile", "", permProfile, pprof.Profile},
		{http.MethodGet, "/debug/pprof/symbol", "", permProfile, pprof.Symbol},
		{http.MethodGet, "/debug/pprof/trace", "", permProfile, pprof.Trace},
	}
	for _, name := range []string{"allocs", "block", "goroutine", "heap", "mutex", "threadcreate"} {
		all = append(all, route{http.MethodGet, "/debug/pprof/" + name, "", permProfile, pprof.Handler(name).ServeHTTP})
	}
	return all
}

func ok(http.ResponseWriter, *http.Request) {}

// router finds the handler of a request by its path as sent. An escaped letter
// in a fixed part makes another path, since proxies that only let some paths
// through compare them that way.
type router struct {
	prefix string // percent-encoded
	table  *httprouter.Router
	keyed  []string // the paths that grouping keys follow
	front  []string // those, and others from which doubled slashes are removed
	fixed  []string // the paths of GET without a variable part
	lost   func(w http.ResponseWriter, r *http.Request, path string)
}

// newRouter serves routes below a prefix. Unknown paths go to lost. The header
// Allow then lists the methods of the path.
func newRouter(prefix string, routes []route, lost func(w http.ResponseWriter, r *http.Request, path string)) *router {
	rt := &router{prefix: (&url.URL{Path: prefix}).EscapedPath(), table: httprouter.New(), lost: lost}
	for _, r := range routes {
		rt.add(rt.prefix+r.path, r)
		if rt.prefix != "" && rules[r.permission].anywhere {
			rt.add(r.path, r)
		}
		root, keyed := strings.CutSuffix(rt.prefix+r.path, "*key")
		if keyed && !slices.Contains(rt.keyed, root) {
			rt.keyed = append(rt.keyed, root)
		}
		if (keyed || r.permission == permPush) && !slices.Contains(rt.front, root) {
			rt.front = append(rt.front, root)
		}
	}
	return rt
}

func (rt *router) add(at string, r route) {
	label := path.Base(strings.TrimSuffix(r.path, "/*key")) // keys begin with the job label
	serve := func(w http.ResponseWriter, req *http.Request, params httprouter.Params) {
		for _, p := range params {
			if p.Key == "key" {
				p.Value = label + p.Value
			}
			req.SetPathValue(p.Key, p.Value)
		}
		accesslog.Of(req.Context()).Route(cmp.Or(r.name, r.path))
		r.handler(w, req)
	}
	rt.table.Handle(r.method, at, serve)
	if r.method != http.MethodGet {
		return
	}
	rt.table.Handle(http.MethodHead, at, serve)
	if !strings.ContainsAny(r.path, ":*") {
		rt.fixed = append(rt.fixed, at)
	}
}

// ServeHTTP serves the routes. It redirects only requests that read: clients
// take a redirect of a push for success, or follow it to another group.
func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.RequestURI == "*" {
		http.Error(w, "The path * is only for OPTIONS.", http.StatusBadRequest)
		return
	}
	sent := sentPath(r.URL)
	to := rt.tidy(sent)
	if reads(r.Method) && !rt.isKeyed(to) {
		if place := rt.placeOf(sent); place != nil {
			place.redirect(w, r)
			return
		}
	}
	if serve, params, _ := rt.table.Lookup(r.Method, to); serve != nil {
		serve(w, r, params)
		return
	}
	rt.miss(w, r, to)
}

// sentPath returns the path as the client wrote it.
func sentPath(u *url.URL) string {
	return cmp.Or(u.RawPath, u.EscapedPath())
}

// reads reports whether a method changes nothing.
func reads(method string) bool {
	return method == http.MethodGet || method == http.MethodHead
}

// tidy removes doubled slashes before a grouping key, which come from a base
// URL with a slash at the end.
func (rt *router) tidy(sent string) string {
	if rt.isKeyed(sent) {
		return sent
	}
	for _, root := range rt.front {
		if rest, ok := cutParts(sent, root); ok {
			return root + rest
		}
	}
	return sent
}

// cutParts returns what follows the parts of root. Each part may have several
// slashes before it. An at sign may be escaped, as some clients do.
func cutParts(path, root string) (rest string, ok bool) {
	parts := strings.Split(strings.Trim(root, "/"), "/")
	for i, part := range parts {
		trimmed := strings.TrimLeft(path, "/")
		if len(trimmed) == len(path) {
			return "", false
		}
		name, _, more := strings.Cut(trimmed, "/")
		if strings.ReplaceAll(name, "%40", "@") != part || i == len(parts)-1 && more != strings.HasSuffix(root, "/") {
			return "", false
		}
		path = trimmed[len(name):]
	}
	return strings.TrimPrefix(path, "/"), true
}

// isKeyed reports whether a path has a grouping key. Such a path is never
// redirected.
func (rt *router) isKeyed(path string) bool {
	return slices.ContainsFunc(rt.keyed, func(root string) bool { return strings.HasPrefix(path, root) })
}

// redirection is the place that a request to read is redirected to.
type redirection struct {
	path   string
	status int
}

func (to *redirection) redirect(w http.ResponseWriter, r *http.Request) {
	location := to.path
	if r.URL.RawQuery != "" {
		location += "?" + r.URL.RawQuery
	}
	http.Redirect(w, r, location, to.status)
}

// placeOf returns where to redirect an unclean path: one with "//" or "..",
// with a slash at the end too many or too few, or with other capitals. It
// returns nil if the path is right or unknown. The location is a path alone,
// since a client behind a proxy knows the gateway under another host.
func (rt *router) placeOf(sent string) *redirection {
	clean := path.Clean("/" + sent)
	if strings.HasSuffix(sent, "/") && clean != "/" || clean == rt.prefix+"/api/v1" {
		clean += "/"
	}
	if clean != sent {
		if !strings.Contains(clean, "%") {
			clean = (&url.URL{Path: clean}).EscapedPath()
		}
		return &redirection{clean, http.StatusTemporaryRedirect}
	}
	if serve, _, _ := rt.table.Lookup(http.MethodGet, sent); serve != nil {
		return nil
	}
	bare := strings.TrimSuffix(sent, "/")
	for _, known := range rt.fixed {
		if strings.EqualFold(strings.TrimSuffix(known, "/"), bare) {
			return &redirection{known, http.StatusMovedPermanently}
		}
	}
	return nil
}

// miss answers requests for unknown paths.
func (rt *router) miss(w http.ResponseWriter, r *http.Request, path string) {
	allowed := rt.allowed(path)
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(append(allowed, http.MethodOptions), ", "))
		if r.Method == http.MethodOptions {
			return
		}
	}
	rt.lost(w, r, path)
}

// allowed returns the methods of a path.
func (rt *router) allowed(path string) (methods []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete} {
		if serve, _, _ := rt.table.Lookup(method, path); serve != nil {
			methods = append(methods, method)
		}
	}
	return methods
}
