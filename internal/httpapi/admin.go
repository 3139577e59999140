package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"pushgateway/internal/access"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/live"
)

func (a *api) healthy(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "OK") }

func (a *api) quit(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "Requesting termination... Goodbye!")
	a.Quit()
}

// reload reads the configuration file again. As in Prometheus, a file with
// mistakes is answered with 500, and what was before stays in force.
func (a *api) reload(w http.ResponseWriter, _ *http.Request) {
	note, err := a.Reload()
	switch {
	case errors.Is(err, live.ErrFixed):
		http.Error(w, "Reloading the configuration: "+err.Error()+".", http.StatusBadRequest)
	case err != nil:
		http.Error(w, "Reloading the configuration; the one from before stays in force:\n"+err.Error(), http.StatusInternalServerError)
	case note != "":
		_, _ = io.WriteString(w, note+"\n")
	}
}

// snapshot answers with a copy of everything as a persistence file. It is made
// from one view, so it is consistent while pushes go on.
func (a *api) snapshot(w http.ResponseWriter, r *http.Request) {
	giveBack := a.copies.await(w, r)
	if giveBack == nil {
		return
	}
	defer giveBack()
	f, err := a.Snapshot(r.Context(), a.Gateway.View())
	if r.Context().Err() != nil {
		if err == nil {
			_ = f.Close() // closing removes it
		}
		return
	}
	if err != nil {
		a.Logger.Error("Could not make a snapshot", "err", err)
		http.Error(w, "Making a snapshot: "+excerpt.Message(err), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	name := "pushgateway-" + time.Now().UTC().Format("20060102T150405Z") + ".db"
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	http.ServeContent(w, r, "", time.Time{}, f)
}

// wipe deletes all groups, or those that the client may delete. Then the body
// says how many others are left: 1.11 answers without a body.
func (a *api) wipe(w http.ResponseWriter, r *http.Request) {
	who := senderOf(r)
	left, err := a.wipeFor(r.Context(), who)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	args := []any{"client", a.Proxies.Client(r)}
	if who != nil {
		args = append(args, "user", who.Name, "left", left)
	}
	a.Logger.Info("Wiped all groups", args...)
	w.WriteHeader(http.StatusAccepted)
	if left > 0 {
		fmt.Fprintf(w, "The user %q may not delete %d groups; they are left.\n", who.Name, left)
	}
}

func (a *api) wipeFor(ctx context.Context, who *access.Principal) (left int, err error) {
	// Once begun, it is completed, whether or not the client waits.
	ctx = context.WithoutCancel(ctx)
	if !who.Restricted() {
		ended, err := a.Gateway.Wipe(ctx)
		return 0, wiped(ended, err)
	}
	if err := a.Gateway.Sync(ctx); err != nil {
		return 0, err
	}
	groups, left := deletable(who, a.Gateway.View().EachGroup(""))
	keys := keysOf(groups)
	ended, err := a.Gateway.DeleteMatching(ctx, func(g *gateway.Group) bool { return keys[g.Key] })
	return left, wiped(ended, err)
}

// wiped adds to the error of a wipe how far it came.
func wiped(ended []*gateway.Group, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; %d groups were deleted before", err, len(ended))
}
