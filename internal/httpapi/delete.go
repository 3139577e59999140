package httpapi

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"pushgateway/internal/access"
	"pushgateway/internal/config"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
)

// delete serves DELETE. It answers 202 even if the group does not exist, since
// clients depend on it, and says so in the body.
func (a *api) delete(w http.ResponseWriter, r *http.Request) {
	key, err := a.key(r)
	if errors.Is(err, grouping.ErrNotText) { // no such group can exist
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "Nothing was deleted: %s.\n", excerpt.Message(err))
		return
	}
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	who := senderOf(r)
	if err := access.Check(who, config.Delete, key); err != nil {
		a.refuse(w, r, err)
		return
	}
	existed, err := a.Gateway.End(r.Context(), key)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	if !existed {
		fmt.Fprintf(w, "Nothing was deleted: %s.\n", a.noGroup(who, key))
	}
}

// deletedGroups is the answer to a delete by selector.
type deletedGroups struct {
	DryRun  bool `json:"dry_run"`
	Deleted int  `json:"deleted"` // or that would be
	Groups  list `json:"groups"`  // their grouping labels
	// Left is how many groups the client selects but may not delete.
	Left int `json:"left,omitempty"`
}

// deleteGroups deletes all groups that the parameters select, which are those
// of GET /api/v1/groups.
func (a *api) deleteGroups(w http.ResponseWriter, r *http.Request) {
	if err := readForm(r, a.Limits.Query.Form); err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	s, end := a.searching(w, r)
	if end == nil {
		return
	}
	defer end()
	f, dry, err := parseDelete(r, a.Limits)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	if err := a.Gateway.Sync(r.Context()); err != nil { // the answer says which groups there were
		writeError(w, a.refused(w, r, err), err)
		return
	}
	f.refused = a.refusedPushes()
	groups, left := deletable(senderOf(r), f.among(s, a.Gateway.View()))
	if s.cutShort(w) {
		return
	}
	if !dry {
		groups, err = a.endGroups(r.Context(), &f, groups)
	}
	done := deletedGroups{dry, len(groups), listOf(slices.Values(groups), func(g *gateway.Group) any { return labelsJSON(g.Key.Labels()) }), left}
	switch {
	case err == nil:
		writeData(w, done)
	case len(groups) == 0:
		writeError(w, a.refused(w, r, err), err)
	default: // some are gone, and the client must know which
		writeJSON(w, a.refused(w, r, err), answer{Status: "error", Error: excerpt.Message(err), Data: done})
	}
}

// deletable returns the groups that a principal may delete, and how many others
// there are.
func deletable(who *access.Principal, groups iter.Seq[*gateway.Group]) (may []*gateway.Group, left int) {
	for g := range groups {
		if access.Check(who, config.Delete, g.Key) == nil {
			may = append(may, g)
		} else {
			left++
		}
	}
	return may, left
}

// readForm reads parameters from the URL and from a form of at most this many
// bytes.
func readForm(r *http.Request, most int64) error {
	r.Body = http.MaxBytesReader(nil, r.Body, most)
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("reading the parameters: %w", err)
	}
	return nil
}

func parseDelete(r *http.Request, l guard.Limits) (f filter, dry bool, err error) {
	if err := knownParameters(r.Form); err != nil {
		return f, false, err
	}
	if !narrows(r.Form) {
		return f, false, errors.New("name the groups with match[], older_than, newer_than, status or search; to delete all groups, use PUT /api/v1/admin/wipe")
	}
	if r.Form.Has("dry_run") {
		s := r.Form.Get("dry_run")
		if dry, err = strconv.ParseBool(s); err != nil {
			return f, false, fmt.Errorf("dry_run=%q must be true or false", excerpt.Of(s))
		}
	}
	f, err = parseFilter(r.Form, time.Now(), l)
	return f, dry, err
}

// knownParameters refuses unknown names, and two values where one decides. Otherwise a
// misspelling, or a value that is ignored, would delete more groups than intended.
func knownParameters(v url.Values) error {
	for name, values := range v {
		switch name {
		case "match[]":
		case "older_than", "newer_than", "status", "search", "dry_run":
			for _, other := range values[1:] {
				if other != values[0] {
					return fmt.Errorf("the parameter %s is there with %q and %q; give it once", name, excerpt.Of(values[0]), excerpt.Of(other))
				}
			}
		default:
			return fmt.Errorf("there is no parameter %q; use match[], older_than, newer_than, status, search and dry_run", excerpt.Of(name))
		}
	}
	return nil
}

// endGroups deletes the groups that a filter has selected. It checks them again
// while their pushes wait. That needs no selector, since the labels of a group
// never change.
func (a *api) endGroups(ctx context.Context, f *filter, found []*gateway.Group) (ended []*gateway.Group, err error) {
	keys := keysOf(found)
	// Once begun, it is completed, whether or not the client waits.
	ended, err = a.Gateway.DeleteMatching(context.WithoutCancel(ctx), func(g *gateway.Group) bool { return keys[g.Key] && f.holds(g) })
	if len(ended) > 0 {
		a.Logger.Info("Deleted groups by selector", "groups", len(ended))
	}
	return ended, err
}

func keysOf(groups []*gateway.Group) map[grouping.Key]bool {
	keys := make(map[grouping.Key]bool, len(groups))
	for _, g := range groups {
		keys[g.Key] = true
	}
	return keys
}
