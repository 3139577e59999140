package httpapi

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/intake"
)

// Origins says which pages in browsers may use the gateway besides its own. The
// zero value lets in only the gateway's own page, as identified by the request
// headers.
type Origins struct {
	// Protection detects requests that a browser makes for a page of another
	// origin.
	Protection *http.CrossOriginProtection
	// Allowed matches the origins of other pages that may query, push and delete.
	// Nil matches none.
	Allowed *regexp.Regexp
	// Hosts are the names and addresses, without a port, under which browsers may
	// use the gateway. If empty, they may use any.
	Hosts []string
}

// guard lets pages of allowed origins read answers, and refuses browsers that
// use a host which the gateway does not have: that is a page whose name was
// made to resolve to the gateway.
func (o *Origins) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(o.Hosts) > 0 && isBrowser(r) && !o.knows(r.Host) {
			http.Error(w, fmt.Sprintf("This gateway does not accept the host %q; use one of its hosts, or add this one to --web.allowed-hosts.", excerpt.Of(r.Host)), http.StatusForbidden)
			return
		}
		if o.allows(r.Header.Get("Origin")) {
			h := w.Header()
			h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
			h.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Encoding, Content-Type, Origin, "+intake.TTLHeader+", "+intake.SeriesTTLHeader+", "+intake.MergeHeader+", "+intake.GaugesHeader+", "+intake.OnceHeader+", "+intake.InstanceHeader)
			h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
			h.Set("Access-Control-Expose-Headers", "Date, "+intake.ReplayedHeader)
			h.Add("Vary", "Origin")
		}
		next.ServeHTTP(w, r)
	})
}

func (o *Origins) allows(origin string) bool {
	return origin != "" && o.Allowed != nil && o.Allowed.MatchString(origin)
}

// check refuses changes that a browser requests for a page of another origin.
// Clients that are not browsers send no origin, and pass.
func (o *Origins) check(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if o.allows(origin) {
		return nil
	}
	protection := o.Protection
	if protection == nil {
		protection = http.NewCrossOriginProtection()
	}
	if protection.Check(r) == nil {
		return nil
	}
	return fmt.Errorf("the request comes from a page of %q, which is not the origin of this gateway; --web.cors.origin lets other pages push and delete; behind a proxy, set the gateway's own origin with --web.external-url", excerpt.Of(origin))
}

// isBrowser relies on headers that only browsers send. They send no origin with
// a simple request.
func isBrowser(r *http.Request) bool {
	return r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" || strings.HasPrefix(r.UserAgent(), "Mozilla/")
}

func (o *Origins) knows(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	name = strings.Trim(name, "[]")
	return slices.ContainsFunc(o.Hosts, func(known string) bool { return strings.EqualFold(known, name) })
}

// ownOrigin refuses requests that a browser makes for a page of another origin.
func (a *api) ownOrigin(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := a.Origins.check(r); err != nil {
			a.refuse(w, r, &originError{err})
			return
		}
		next(w, r)
	}
}

// fresh is for answers that must not be cached, since they are out of date at
// once.
func fresh(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache, no-store, must-revalidate")
		next(w, r)
	}
}

// anyOrigin lets pages of all origins read what they may read with 1.11.
func anyOrigin(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Origin")
		h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
		if h.Get("Access-Control-Allow-Origin") == "" {
			h.Set("Access-Control-Allow-Origin", "*")
		}
		h.Set("Access-Control-Expose-Headers", "Date")
		next(w, r)
	}
}
