package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"pushgateway/internal/access"
	"pushgateway/internal/accesslog"
	"pushgateway/internal/config"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/login"
	"pushgateway/internal/otlp"
)

// sender is the key of the principal in the context of a request.
type sender struct{}

// senderOf returns who sends a request, as admitted found out. It is nil if
// everybody may do everything.
func senderOf(r *http.Request) *access.Principal {
	who, _ := r.Context().Value(sender{}).(*access.Principal)
	return who
}

// withSender returns a request from a principal, and has the log name it.
func withSender(r *http.Request, who *access.Principal) *http.Request {
	if who != nil {
		accesslog.Of(r.Context()).Principal(who.Name)
	}
	return r.WithContext(context.WithValue(r.Context(), sender{}, who))
}

// admitted serves a request if its sender may do what the route needs. The
// selectors of users are held against keys later: see mayTouch.
func (a *api) admitted(to route, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		users := a.settings(r).Users
		if users == nil {
			admit(r)
			next(w, r)
			return
		}
		who, err := users.Identify(r)
		if err == nil {
			err = access.Check(who, rules[to.permission].needs, "")
		}
		if err == nil {
			admit(r)
			next(w, withSender(r, who))
			return
		}
		if to.permission == permPush {
			a.activity.note(time.Now(), false)
		}
		a.turnAway(w, withSender(r, who), users, to, err)
	}
}

// admit tells the body of a request that its sender may send it. From then on
// the connection is not closed to make room for others.
func admit(r *http.Request) {
	if body, ok := r.Body.(interface{ Admitted() }); ok {
		body.Admitted()
	}
}

// turnAway answers a request whose sender may not do what the route needs. Only
// pushes and deletes count as such. The answer has the form of the others of that
// route.
func (a *api) turnAway(w http.ResponseWriter, r *http.Request, users *login.Users, to route, err error) {
	status, reason := classify(err)
	if to.permission == permPush || to.permission == permDelete {
		a.Refused(reason)
	}
	key, _ := a.key(r)
	a.note(r, key, status, reason, err)
	switch status {
	case http.StatusUnauthorized:
		w.Header()["Www-Authenticate"] = challenges(r, users)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	}
	switch {
	case to.name == nameOTLP:
		encoding, _ := otlp.EncodingOf(r.Header.Get("Content-Type"))
		otlp.WriteError(w, encoding, status, excerpt.Message(err))
	case strings.HasPrefix(to.path, "/api/"):
		writeError(w, status, err)
	default:
		writePlainError(w, status, err)
	}
}

// pageHeader is in the requests of the page. It is sharing if the answer may be one
// that was made for another page, some seconds ago.
const (
	pageHeader = "X-Pushgateway-Page"
	sharing    = "sharing"
)

// challenges returns how a client can show who it is. The page gets no challenge
// that makes a browser ask for a password: it first says what is missing.
func challenges(r *http.Request, users *login.Users) []string {
	if r.Header.Get(pageHeader) == "" || !reads(r.Method) {
		return users.Challenges()
	}
	return []string{`Page realm="pushgateway"`}
}

// note remembers and logs a refused request, and counts it for its sender if
// there are users. All that strangers with one address send wrong is one entry.
func (a *api) note(r *http.Request, key grouping.Key, status int, reason string, err error) {
	refused := guard.Refused{Key: string(key), Client: a.Proxies.Client(r), Reason: reason, Err: err, Stranger: status == http.StatusUnauthorized}
	if who := senderOf(r); who != nil {
		refused.User = who.Name
		a.RefusedUser(who.Name, reason)
	}
	a.Refusals.Note(r, refused)
}

// mayTouch returns which groups the sender of a request may push to or delete.
// It is nil if there are no others.
func mayTouch(r *http.Request, what config.Permission) func(grouping.Key) error {
	who := senderOf(r)
	if who == nil {
		return nil
	}
	return func(key grouping.Key) error { return access.Check(who, what, key) }
}

// login makes a browser ask its user for a password, and then shows the page.
// Browsers ask only if an answer challenges them, and a page that everybody may
// open does not.
func (a *api) login(w http.ResponseWriter, r *http.Request) {
	if users := a.settings(r).Users; users != nil {
		who, err := users.Identify(r)
		switch {
		case err != nil:
			a.turnAway(w, withSender(r, who), users, route{path: "/api/v1/login", permission: permLogin}, err)
			return
		case !who.Known(): // as was to be expected
			w.Header()["Www-Authenticate"] = users.Challenges()
			writeError(w, http.StatusUnauthorized, &access.Denied{Who: who})
			return
		}
	}
	w.Header().Set("Location", "../../") // wherever a proxy has put the gateway
	w.WriteHeader(http.StatusSeeOther)
}

// identity is what the status says of its reader, if there are users.
type identity struct {
	User  string              `json:"user,omitempty"`
	May   []config.Permission `json:"may,omitempty"`
	Match string              `json:"match,omitempty"` // of pushes and deletes
	// Denied says why the reader may not do the rest.
	Denied map[config.Permission]string `json:"denied,omitempty"`
}

func identityOf(who *access.Principal) identity {
	if who == nil {
		return identity{}
	}
	i := identity{User: who.Name, May: (who.May | who.Anybody).List(), Denied: deniedOf(who, "", config.Permissions...)}
	if who.Match != nil {
		i.Match = who.Match.String()
	}
	return i
}

// deniedOf returns why a principal may not do some things to a group, by
// permission.
func deniedOf(who *access.Principal, key grouping.Key, what ...config.Permission) map[config.Permission]string {
	denied := make(map[config.Permission]string)
	for _, p := range what {
		if err := access.Check(who, p, key); err != nil {
			denied[p] = excerpt.Message(err)
		}
	}
	return denied
}
