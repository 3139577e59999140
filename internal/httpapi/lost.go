package httpapi

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"pushgateway/internal/excerpt"
)

// lost answers a request for an unknown path with the path that was probably
// meant. It records a push or a delete like any other refusal.
func (a *api) lost(w http.ResponseWriter, r *http.Request, path string) {
	err := &pathError{status: http.StatusNotFound, error: fmt.Errorf("the path %q does not exist; %s", excerpt.Of(path), a.insteadOf(r, path))}
	if allowed := w.Header().Get("Allow"); allowed != "" {
		err = &pathError{status: http.StatusMethodNotAllowed, error: fmt.Errorf("the path %[2]q does not accept %[1]q, only %[3]s; %[4]s", excerpt.Of(r.Method), excerpt.Of(path), allowed, a.insteadOf(r, path))}
	}
	if reads(r.Method) || r.Method == http.MethodOptions {
		http.Error(w, err.Error(), err.status)
		return
	}
	if part, unclean := uncleanPart(path); unclean {
		has := fmt.Sprintf("the part %q", part)
		if part == "" {
			has = "an empty part"
		}
		err = &pathError{status: http.StatusBadRequest, error: fmt.Errorf("the path %q has %s, which proxies and clients remove; leave it out; %s", excerpt.Of(path), has, a.insteadOf(r, path))}
	}
	a.activity.note(time.Now(), false)
	a.refuse(w, r, err)
}

// uncleanPart finds a part of the path that is empty, "." or "..". A slash at
// the end makes none.
func uncleanPart(path string) (part string, unclean bool) {
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if plain, err := url.PathUnescape(part); err == nil && (plain == "" || plain == "." || plain == "..") {
			return part, path != "/"
		}
	}
	return "", strings.HasPrefix(path, "//")
}

// pathError means that a path, or a method on it, does not exist.
type pathError struct {
	error
	status int
}

func (e *pathError) Unwrap() error { return e.error }

// keySyntax is the path of a group.
const keySyntax = "/metrics/job/<JOB>{/<LABEL>/<VALUE>}"

// elsewhere lists paths of other systems that clients push to.
var elsewhere = map[string]string{
	"/api/v1/write":             "remote write",
	"/api/prom/push":            "remote write",
	"/api/v1/receive":           "remote write",
	"/write":                    "InfluxDB",
	"/api/v2/write":             "InfluxDB",
	"/api/put":                  "OpenTSDB",
	"/api/v1/import":            "VictoriaMetrics",
	"/api/v1/import/prometheus": "VictoriaMetrics",
}

// otherOTLP lists paths at which other systems take OTLP.
var otherOTLP = []string{"/opentelemetry/v1/metrics", "/opentelemetry/api/v1/push", "/otlp/v1/metrics", "/v1/traces", "/v1/logs", "/v1/metrics", "/api/v1/otlp/v1/metrics"}

// insteadOf returns what to request instead of a path, or of its method on it.
func (a *api) insteadOf(r *http.Request, path string) string {
	method := r.Method
	push := "push to " + a.Prefix + keySyntax
	below, hasPrefix := strings.CutPrefix(path, a.Prefix)
	key := strings.TrimPrefix(cmp.Or(guessKey(strings.TrimPrefix(below, "/api/v1/group")), guessKey(path)), "/metrics/")
	if _, err := a.Intake.Key(key, a.settings(r)); key == "" || err != nil {
		key = ""
	}
	switch {
	case strings.TrimSuffix(below, "/") == "/api/v1/push":
		return "push several groups to " + a.Prefix + "/api/v1/push?group_by=job with PUT or POST, or one " + strings.TrimPrefix(push, "push ")
	case elsewhere[strings.TrimSuffix(below, "/")] != "":
		return fmt.Sprintf("this is a path of %s, which this gateway does not accept; %s, in the text format of Prometheus or as protobuf", elsewhere[strings.TrimSuffix(below, "/")], push)
	case slices.Contains(otherOTLP, strings.TrimSuffix(below, "/")):
		return "export metrics over OTLP to " + a.Prefix + "/v1/metrics with POST"
	case key != "" && reads(method):
		return fmt.Sprintf("read the group at %s/api/v1/group/%s, or all groups at %s", a.Prefix, excerpt.Of(key), a.Prefix+a.TelemetryPath)
	case key != "" && method == http.MethodDelete:
		return fmt.Sprintf("delete the group at %s/metrics/%s", a.Prefix, excerpt.Of(key))
	case key != "":
		return fmt.Sprintf("push to %s/metrics/%s, with PUT to replace the group, or with POST to replace only the families in the body", a.Prefix, excerpt.Of(key))
	case !reads(method) && (strings.HasPrefix(below, "/api/") || strings.HasPrefix(below, "/-/")):
		return "see docs/http-api.md for the existing paths"
	case method == http.MethodDelete:
		return "delete a group at " + a.Prefix + keySyntax
	case !reads(method):
		return push
	case !hasPrefix:
		return fmt.Sprintf("the gateway serves everything below %s (--web.route-prefix)", a.Prefix)
	}
	return fmt.Sprintf("scrapes are at %s, the page is at %s/, and the API is below %s/api/v1/", a.Prefix+a.TelemetryPath, a.Prefix, a.Prefix)
}

// startsKey reports whether parts of a path begin with a job.
func startsKey(parts []string) bool {
	return len(parts) > 1 && (strings.EqualFold(parts[0], "job") || strings.EqualFold(parts[0], "jobs") || strings.EqualFold(parts[0], "job@base64"))
}

// guessKey returns the path of the group that was probably meant: if the job is
// in another place, its label is misspelt, or /metrics is missing. It is empty
// if the path contains no job.
func guessKey(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		if strings.EqualFold(part, "metrics") && startsKey(parts[i+1:]) {
			parts = parts[i:] // the parts before are a prefix
			break
		}
	}
	if strings.EqualFold(parts[0], "metrics") || strings.EqualFold(parts[0], "metric") {
		parts = parts[1:]
	}
	i := slices.IndexFunc(parts, func(part string) bool {
		return startsKey([]string{part, ""})
	})
	if i < 0 || i%2 != 0 || i+1 >= len(parts) {
		return ""
	}
	label := "job"
	if strings.EqualFold(parts[i], "job@base64") {
		label = "job@base64"
	}
	rest := slices.Concat([]string{"/metrics", label, parts[i+1]}, parts[:i], parts[i+2:])
	return strings.Join(rest, "/")
}
