package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"pushgateway/internal/config"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/grouping"
	"pushgateway/internal/intake"
)

// push serves PUT, which replaces the group, and POST, which replaces the
// families that it names.
func (a *api) push(replace bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		size, err := a.takePush(w, r, replace)
		a.Pushed(strings.ToLower(r.Method), size, time.Since(start))
		a.activity.note(time.Now(), err == nil)
		switch {
		case err != nil:
			a.refuse(w, r, err)
		case a.Gateway.Unchecked():
			w.WriteHeader(http.StatusAccepted)
		}
	}
}

func (a *api) takePush(w http.ResponseWriter, r *http.Request, replace bool) (size int64, err error) {
	size, err = a.Intake.Push(r.Context(), a.pushRequest(w, r, replace))
	if a.Gateway.Unchecked() && errors.Is(err, exposition.ErrTimestamps) {
		key, _ := a.key(r)
		a.noteRefused(r, key, err)
		err = nil // 1.11 answers before it checks them
	}
	return size, err
}

// pushRequest returns the push in a request. While its body arrives, the push can
// be ended to make room for others.
func (a *api) pushRequest(w http.ResponseWriter, r *http.Request, replace bool) intake.Request {
	control := http.NewResponseController(w)
	return intake.Request{
		Settings: a.settings(r),
		Key:      r.PathValue("key"), Replace: replace, Query: r.URL.RawQuery, Header: r.Header,
		Client: a.Proxies.Client(r), Body: r.Body, Length: r.ContentLength, May: mayTouch(r, config.Push), Guarded: senderOf(r).Guarded(),
		Cut:      func() { _ = control.SetReadDeadline(time.Unix(1, 0)) },
		Replayed: func() { w.Header().Set(intake.ReplayedHeader, "true") },
	}
}

// pushedGroup is the outcome for one group.
type pushedGroup struct {
	Labels map[string]string `json:"labels"`
	Error  string            `json:"error,omitempty"` // empty if it was accepted
}

type pushedGroups struct {
	Taken   int  `json:"taken"`
	Refused int  `json:"refused"`
	Groups  list `json:"groups"` // of pushedGroup
}

// pushMany serves pushes of several groups in one body. group_by names the
// labels that divide the series into groups. Each group has its own outcome.
func (a *api) pushMany(replace bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		keys, errs, size, err := a.Intake.PushMany(r.Context(), a.pushRequest(w, r, replace))
		a.Pushed(strings.ToLower(r.Method), size, time.Since(start))
		a.activity.note(time.Now(), err == nil && errors.Join(errs...) == nil)
		if err != nil {
			writeError(w, a.refused(w, r, err), err)
			return
		}
		a.answerMany(w, r, keys, errs)
	}
}

// answerMany answers with the outcome of each group. The status is the worst
// one, so that a client that reads nothing else does not take partial success
// for success.
func (a *api) answerMany(w http.ResponseWriter, r *http.Request, keys []grouping.Key, errs []error) {
	ok := http.StatusOK
	if a.Gateway.Unchecked() {
		ok = http.StatusAccepted
	}
	status, refused := ok, 0
	for i, err := range errs {
		if err != nil {
			refused++
			status = max(status, a.refusedFor(w, r, keys[i], err))
		}
	}
	outcomes := func(yield func(any) bool) {
		for i, key := range keys {
			g := pushedGroup{Labels: labelsJSON(key.Labels())}
			if errs[i] != nil {
				g.Error = excerpt.Message(errs[i])
			}
			if !yield(g) {
				return
			}
		}
	}
	out := answer{Status: "success", Data: pushedGroups{len(keys) - refused, refused, outcomes}}
	if refused > 0 {
		out.Status, out.Error = "error", fmt.Sprintf("%d of %d groups were refused", refused, len(keys))
	}
	writeJSON(w, status, out)
}
