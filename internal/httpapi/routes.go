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
)

// route is one thing that is served: what is in no route does not exist. GET
// answers HEAD too.
type route struct {
	method string
	// path is below the prefix, literally but for one part at most: a :name, or
	// a *name that takes the rest. Handlers find that as a path value, still
	// percent-encoded.
	path    string
	handler http.HandlerFunc
}

// keyRoots are the paths that grouping keys stand behind.
var keyRoots = []string{"/metrics/job/", "/metrics/job@base64/", "/api/v1/group/job/", "/api/v1/group/job@base64/"}

// routes are all but those that stand without the prefix too.
func (a *api) routes() []route {
	pages := a.Instrument("status", a.UI.ServeHTTP)
	all := []route{
		{http.MethodGet, "/-/healthy", a.Instrument("healthy", a.healthy)},
		{http.MethodGet, "/-/ready", a.Instrument("ready", a.ready)},
		{http.MethodGet, a.TelemetryPath, a.scrape},
		{http.MethodGet, "/", pages},
		{http.MethodGet, "/status", pages},
		{http.MethodGet, "/static/*filepath", a.Instrument("static", a.UI.ServeHTTP)},
	}
	for _, job := range []string{"/metrics/job/*key", "/metrics/job@base64/*key"} {
		all = append(all,
			route{http.MethodPut, job, a.Instrument("push", a.ownOrigin(a.push(true)))},
			route{http.MethodPost, job, a.Instrument("push", a.ownOrigin(a.push(false)))},
			route{http.MethodDelete, job, a.Instrument("delete", a.ownOrigin(a.delete))},
		)
	}
	all = append(all, a.questions()...)
	if a.EnablePprof {
		all = append(all, profiles()...)
	}
	return all
}

// questions are the paths that are new here, or answer in JSON.
func (a *api) questions() []route {
	group := a.Instrument("api/v1/group", fresh(a.group))
	return []route{
		{http.MethodOptions, "/api/v1/*path", a.Instrument("api/v1/options", anyOrigin(ok))},
		{http.MethodGet, "/api/v1/status", a.Instrument("api/v1/status", anyOrigin(a.status))},
		{http.MethodGet, "/api/v1/metrics", a.Instrument("api/v1/metrics", anyOrigin(a.metrics))},
		{http.MethodPut, "/api/v1/push", a.Instrument("api/v1/push", a.ownOrigin(a.pushMany(true)))},
		{http.MethodPost, "/api/v1/push", a.Instrument("api/v1/push", a.ownOrigin(a.pushMany(false)))},
		{http.MethodGet, "/api/v1/groups", a.Instrument("api/v1/groups", fresh(a.groups))},
		{http.MethodGet, "/api/v1/overview", a.Instrument("api/v1/overview", fresh(a.overview))},
		{http.MethodGet, "/api/v1/labels", a.Instrument("api/v1/labels", fresh(a.labelNames))},
		{http.MethodGet, "/api/v1/label/:name/values", a.Instrument("api/v1/label", fresh(a.labelValues))},
		{http.MethodGet, "/api/v1/group/job/*key", group},
		{http.MethodGet, "/api/v1/group/job@base64/*key", group},
		{http.MethodPost, "/api/v1/admin/delete_groups", a.Instrument("api/v1/admin/delete_groups", a.admin(a.deleteGroups))},
		{http.MethodGet, "/api/v1/admin/snapshot", a.Instrument("api/v1/admin/snapshot", a.admin(a.snapshot))},
		{http.MethodPut, "/api/v1/admin/wipe", a.Instrument("wipe", a.admin(a.wipe))},
	}
}

// lifecycle stands both with and without the prefix, as in 1.11.
func (a *api) lifecycle() []route {
	return []route{
		{http.MethodPut, "/-/quit", a.Instrument("quit", a.ownOrigin(a.quit))},
		{http.MethodPost, "/-/quit", a.Instrument("quit", a.ownOrigin(a.quit))},
	}
}

func profiles() []route {
	all := []route{
		{http.MethodGet, "/debug/pprof/", pprof.Index},
		{http.MethodGet, "/debug/pprof/cmdline", pprof.Cmdline},
		{http.MethodGet, "/debug/pprof/profile", pprof.Profile},
		{http.MethodGet, "/debug/pprof/symbol", pprof.Symbol},
		{http.MethodGet, "/debug/pprof/trace", pprof.Trace},
	}
	for _, name := range []string{"allocs", "block", "goroutine", "heap", "mutex", "threadcreate"} {
		all = append(all, route{http.MethodGet, "/debug/pprof/" + name, pprof.Handler(name).ServeHTTP})
	}
	return all
}

func ok(http.ResponseWriter, *http.Request) {}

// router finds the handler of a request by its path as it was sent. An escaped
// letter in a fixed part is another path: proxies that let some paths through
// compare them so.
type router struct {
	prefix string // percent-encoded
	table  *httprouter.Router
	keyed  []string // the paths that grouping keys stand behind
	front  []string // those, and others that doubled slashes in front are taken from
	fixed  []string // the paths of GET without a part that varies
	lost   func(w http.ResponseWriter, r *http.Request, path string)
}

// newRouter serves routes below a prefix, and some beside it. What is in no
// route goes to lost; the header Allow has the methods that its path takes.
func newRouter(prefix string, below, beside []route, lost func(w http.ResponseWriter, r *http.Request, path string)) *router {
	rt := &router{prefix: (&url.URL{Path: prefix}).EscapedPath(), table: httprouter.New(), lost: lost}
	for _, root := range keyRoots {
		rt.keyed = append(rt.keyed, rt.prefix+root)
	}
	rt.front = append(slices.Clone(rt.keyed), rt.prefix+"/api/v1/push")
	for _, r := range below {
		rt.add(rt.prefix+r.path, r)
	}
	if rt.prefix != "" {
		for _, r := range beside {
			rt.add(r.path, r)
		}
	}
	return rt
}

func (rt *router) add(at string, r route) {
	label := path.Base(strings.TrimSuffix(r.path, "/*key")) // keys begin with that of the job
	serve := func(w http.ResponseWriter, req *http.Request, params httprouter.Params) {
		for _, p := range params {
			if p.Key == "key" {
				p.Value = label + p.Value
			}
			req.SetPathValue(p.Key, p.Value)
		}
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

// ServeHTTP serves what is in the table. Only what is read is ever redirected:
// clients take a redirect of a push for success, or follow it to another group.
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

// sentPath is the path as the client wrote it.
func sentPath(u *url.URL) string {
	return cmp.Or(u.RawPath, u.EscapedPath())
}

// reads tells whether a method changes nothing.
func reads(method string) bool {
	return method == http.MethodGet || method == http.MethodHead
}

// tidy takes the slashes out that are doubled in front of a grouping key, as a
// base URL with a slash at its end makes them.
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

// cutParts gives what stands behind the parts of root, which may have several
// slashes in front of each. An at sign may be escaped, as some clients do.
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

// isKeyed tells whether a path has a grouping key, which is never redirected.
func (rt *router) isKeyed(path string) bool {
	return slices.ContainsFunc(rt.keyed, func(root string) bool { return strings.HasPrefix(path, root) })
}

// redirection is where something that is read has its place.
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

// placeOf tells where to look for an unclean path, like one with "//" or "..",
// or for one with a slash at its end too many or too few, or in other letters;
// nil if it is right, or nowhere. The answer is a path alone: who is behind a
// proxy knows another host than the gateway.
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

// miss answers what is in no route.
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

// allowed are the methods that a path has.
func (rt *router) allowed(path string) (methods []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete} {
		if serve, _, _ := rt.table.Lookup(method, path); serve != nil {
			methods = append(methods, method)
		}
	}
	return methods
}
