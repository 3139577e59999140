package httpapi

import (
	"context"
	"io"
	"net/http"
)

func (a *api) healthy(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "OK") }

// ready tells whether scrapes are served; with ?for=push, whether pushes are.
// In memory both always are.
func (a *api) ready(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "OK") }

func (a *api) quit(w http.ResponseWriter, _ *http.Request) {
	if a.Quit == nil {
		http.Error(w, "Ending the process over HTTP is not enabled: start with --web.enable-lifecycle.", http.StatusForbidden)
		return
	}
	_, _ = io.WriteString(w, "Requesting termination... Goodbye!")
	a.Quit()
}

// admin lets a handler be used only if the flag is set.
func (a *api) admin(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !a.EnableAdmin {
			http.Error(w, "The admin API is not enabled: start with --web.enable-admin-api.", http.StatusForbidden)
			return
		}
		next(w, r)
	}
}

func (a *api) wipe(w http.ResponseWriter, r *http.Request) {
	// Once begun it is finished, whether or not the client waits for it.
	if err := a.Gateway.Wipe(context.WithoutCancel(r.Context())); err != nil {
		a.refuse(w, r, err)
		return
	}
	a.Logger.Info("All groups have been wiped", "client", r.RemoteAddr)
	w.WriteHeader(http.StatusAccepted)
}
