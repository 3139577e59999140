package httpapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

func (a *api) healthy(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "OK") }

// ready tells whether scrapes are served, and they always are; with ?for=push,
// whether pushes are.
func (a *api) ready(w http.ResponseWriter, r *http.Request) {
	if err := a.Gateway.Err(); err != nil && r.URL.Query().Get("for") == "push" {
		w.Header().Set("Retry-After", retryAfter)
		http.Error(w, "Pushes are not taken: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "OK")
}

func (a *api) quit(w http.ResponseWriter, _ *http.Request) {
	if a.Quit == nil {
		http.Error(w, "Ending the process over HTTP is not enabled: start with --web.enable-lifecycle.", http.StatusForbidden)
		return
	}
	_, _ = io.WriteString(w, "Requesting termination... Goodbye!")
	a.Quit()
}

// admin lets a handler be used only if the flag is set, and not by pages of
// other origins in somebody's browser.
func (a *api) admin(next http.HandlerFunc) http.HandlerFunc {
	return a.ownOrigin(func(w http.ResponseWriter, r *http.Request) {
		if !a.EnableAdmin {
			http.Error(w, "The admin API is not enabled: start with --web.enable-admin-api.", http.StatusForbidden)
			return
		}
		next(w, r)
	})
}

// ownOrigin refuses requests that a browser makes for a page from elsewhere.
// What is not a browser says nothing of origins, and is let through.
func (a *api) ownOrigin(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := a.Origins.Check(r); err != nil {
			http.Error(w, fmt.Sprintf("A page of %s asks for this, which is not the origin of this gateway: behind a proxy, --web.external-url says what that is.", r.Header.Get("Origin")), http.StatusForbidden)
			return
		}
		next(w, r)
	}
}

// snapshot answers with a copy of everything as a persistence file. It is made
// of one view, so it is consistent, and pushes go on meanwhile.
func (a *api) snapshot(w http.ResponseWriter, r *http.Request) {
	f, err := a.Snapshot(a.Gateway.View())
	if err != nil {
		a.Logger.Error("Making a snapshot", "err", err)
		http.Error(w, "Making the snapshot: "+err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	name := "pushgateway-" + time.Now().UTC().Format("20060102T150405Z") + ".db"
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	http.ServeContent(w, r, "", time.Time{}, f)
}

func (a *api) wipe(w http.ResponseWriter, r *http.Request) {
	// Once begun it is finished, whether or not the client waits for it.
	if err := a.Gateway.Wipe(context.WithoutCancel(r.Context())); err != nil {
		a.refuse(w, r, err)
		return
	}
	a.Logger.Info("All groups have been wiped", "client", a.Proxies.Client(r))
	w.WriteHeader(http.StatusAccepted)
}
