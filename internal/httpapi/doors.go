package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"pushgateway/internal/excerpt"
)

// Door is a kind of address that requests arrive at.
type Door int

const (
	// Everything serves all routes. It is the only door if there is no other.
	Everything Door = iota
	// Main serves all routes but those of Telemetry.
	Main
	// Telemetry serves scrapes and health alone.
	Telemetry
)

// Surface is the HTTP surface: a handler for each door.
type Surface struct{ doors [Telemetry + 1]http.Handler }

// At returns the handler of a door.
func (s *Surface) At(d Door) http.Handler { return s.doors[d] }

// ServeHTTP serves all routes.
func (s *Surface) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.At(Everything).ServeHTTP(w, r)
}

// isTelemetry reports whether a route belongs to the door Telemetry.
func isTelemetry(r route) bool { return r.permission == permHealth || r.permission == permScrape }

// surface returns the handlers of all doors for the same routes.
func (a *api) surface(routes []route) *Surface {
	telemetry, main := slices.Clone(routes), slices.Clone(routes)
	telemetry = slices.DeleteFunc(telemetry, func(r route) bool { return !isTelemetry(r) })
	main = slices.DeleteFunc(main, isTelemetry)
	var doors [Telemetry + 1]*router
	doors[Everything] = newRouter(a.Prefix, routes, a.lost)
	doors[Main] = newRouter(a.Prefix, main, func(w http.ResponseWriter, r *http.Request, path string) {
		a.lostAt(doors[Telemetry], "--web.telemetry-listen-address", a.Addresses().Telemetry, w, r, path)
	})
	doors[Telemetry] = newRouter(a.Prefix, telemetry, func(w http.ResponseWriter, r *http.Request, path string) {
		a.lostAt(doors[Main], "--web.listen-address", a.Addresses().Main, w, r, path)
	})
	s := new(Surface)
	for d, rt := range doors {
		s.doors[d] = a.settled(a.Origins.guard(rt))
	}
	return s
}

// lostAt answers a request for a path that this door does not have. If the other
// one has it, the answer says where that is.
func (a *api) lostAt(other *router, flag string, addresses []string, w http.ResponseWriter, r *http.Request, path string) {
	if !other.serves(r.Method, path) {
		a.lost(w, r, path)
		return
	}
	w.Header().Del("Allow")
	err := &pathError{status: http.StatusNotFound, error: fmt.Errorf("the path %q is not served at this address; use that of %s%s", excerpt.Of(path), flag, inBrackets(addresses))}
	if reads(r.Method) || r.Method == http.MethodOptions {
		http.Error(w, err.Error(), err.status)
		return
	}
	a.refuse(w, r, err)
}

// serves reports whether a router has a path for a method.
func (rt *router) serves(method, path string) bool {
	allowed := rt.allowed(rt.tidy(path))
	return slices.Contains(allowed, method) || method == http.MethodOptions && len(allowed) > 0
}

func inBrackets(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return " (" + strings.Join(list, ", ") + ")"
}
