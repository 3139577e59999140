package httpapi

import (
	"context"
	"net/http"

	"pushgateway/internal/live"
)

// settingsKey is the key of the settings in the context of a request.
type settingsKey struct{}

// settled gives each request the settings that are in force when it arrives. It
// is the only place that asks for them, so that no request sees parts of two
// configurations. Without a configuration file it costs nothing.
func (a *api) settled(next http.Handler) http.Handler {
	if !a.Settings.Changes() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), settingsKey{}, a.Settings.Get())))
	})
}

// settings returns the settings of a request.
func (a *api) settings(r *http.Request) *live.Settings {
	if a.Settings.Changes() {
		if s, ok := r.Context().Value(settingsKey{}).(*live.Settings); ok {
			return s
		}
	}
	return a.Settings.Get() // they never change
}
