package httpapi

import (
	"errors"
	"math"
	"net/http"
	"strconv"

	"pushgateway/internal/access"
	"pushgateway/internal/excerpt"
	"pushgateway/internal/exposition"
	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/guard"
	"pushgateway/internal/intake"
	"pushgateway/internal/login"
)

// Reasons why a push is refused. They are values of a metric's label.
const (
	reasonPath         = "path"
	reasonOrigin       = "origin"
	reasonNobody       = "unauthenticated"
	reasonCredentials  = "credentials"
	reasonForbidden    = "forbidden"
	reasonKey          = "grouping_key"
	reasonParameter    = "parameter"
	reasonSyntax       = "syntax"
	reasonInvalid      = "invalid"
	reasonKeyReused    = "idempotency_key"
	reasonTimestamps   = "timestamps"
	reasonInconsistent = "inconsistent"
	reasonTooLarge     = "too_large"
	reasonOverload     = "overload"
	reasonTimeout      = "timeout"
	reasonUnavailable  = "unavailable"
	reasonGone         = "client_gone"
)

// Reasons lists all reasons.
var Reasons = append([]string{reasonPath, reasonOrigin, reasonNobody, reasonCredentials, reasonForbidden, reasonKey, reasonParameter, reasonSyntax, reasonInvalid, reasonKeyReused, reasonTimestamps, reasonInconsistent, reasonTooLarge, reasonOverload, reasonTimeout, reasonUnavailable, reasonGone}, limitReasons()...)

// limitReasons lists the reasons of pushes over a limit that the configuration
// sets.
func limitReasons() (all []string) {
	for _, l := range guard.AllLimits {
		all = append(all, l.Reason())
	}
	return all
}

// originError marks an error about the page for which a browser sends the
// request.
type originError struct{ error }

func (e *originError) Unwrap() error { return e.error }

// classify maps an error to a status and a reason. It is the only place that
// does.
func classify(err error) (status int, reason string) {
	var (
		path     *pathError
		origin   *originError
		denied   *access.Denied
		key      *intake.KeyError
		param    *intake.ParameterError
		invalid  *exposition.InvalidError
		conflict *gateway.ConflictError
		twin     *gateway.TwinError
		limit    *guard.LimitError
	)
	switch {
	case errors.As(err, &limit) && limit.At != "":
		return limitStatus(limit), limit.Limit.Reason()
	case errors.As(err, &path):
		return path.status, reasonPath
	case errors.As(err, &origin):
		return http.StatusForbidden, reasonOrigin
	case errors.Is(err, login.ErrWrong):
		return http.StatusUnauthorized, reasonCredentials
	case errors.As(err, &denied) && !denied.Who.Known():
		return http.StatusUnauthorized, reasonNobody
	case denied != nil:
		return http.StatusForbidden, reasonForbidden
	case errors.As(err, &key):
		return http.StatusBadRequest, reasonKey
	case errors.As(err, &param):
		return http.StatusBadRequest, reasonParameter
	case errors.Is(err, intake.ErrTimeout):
		return http.StatusRequestTimeout, reasonTimeout
	case errors.Is(err, intake.ErrBodyTooLarge), errors.Is(err, exposition.ErrTooLarge):
		return http.StatusRequestEntityTooLarge, reasonTooLarge
	case errors.Is(err, exposition.ErrBusy):
		return http.StatusTooManyRequests, reasonOverload
	case errors.Is(err, guard.ErrNoRoom): // for passwords
		return http.StatusServiceUnavailable, reasonOverload
	case errors.Is(err, gateway.ErrGone):
		return http.StatusServiceUnavailable, reasonGone
	case errors.Is(err, gateway.ErrUnavailable):
		return http.StatusServiceUnavailable, reasonUnavailable
	case errors.Is(err, gateway.ErrKeyReused):
		return http.StatusUnprocessableEntity, reasonKeyReused
	case errors.Is(err, exposition.ErrTimestamps):
		return http.StatusBadRequest, reasonTimestamps
	case errors.As(err, &invalid):
		return http.StatusBadRequest, reasonInvalid
	case errors.As(err, &conflict), errors.As(err, &twin):
		return http.StatusBadRequest, reasonInconsistent
	}
	return http.StatusBadRequest, reasonSyntax
}

// limitStatus returns the status of a push over a limit that the configuration
// sets. The same push may succeed later only if the limit is about what others
// have sent, too.
func limitStatus(e *guard.LimitError) int {
	if e.Stored || e.Wait > 0 {
		return http.StatusTooManyRequests
	}
	return http.StatusRequestEntityTooLarge
}

// retryAfter is how many seconds a client should wait if the gateway has no
// room.
const retryAfter = "1"

// refuse answers a push or a delete with an error.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	http.Error(w, excerpt.Message(err), a.refused(w, r, err))
}

// refused records a refused push or delete and returns the status to answer.
func (a *api) refused(w http.ResponseWriter, r *http.Request, err error) (status int) {
	key, _ := a.key(r)
	return a.refusedFor(w, r, key, err)
}

// refusedFor does the same for one of the groups in a request.
func (a *api) refusedFor(w http.ResponseWriter, r *http.Request, key grouping.Key, err error) (status int) {
	status = a.noteRefused(r, key, err)
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		setRetryAfter(w.Header(), err)
	}
	return status
}

// setRetryAfter says when to try again, in whole seconds. If too much is stored,
// nobody knows.
func setRetryAfter(h http.Header, err error) {
	var limit *guard.LimitError
	switch {
	case !errors.As(err, &limit):
		h.Set("Retry-After", retryAfter)
	case limit.Wait > 0:
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(limit.Wait.Seconds()))))
	}
}

// noteRefused counts, remembers and logs a refused request. The key is "" if it
// is unknown.
func (a *api) noteRefused(r *http.Request, key grouping.Key, err error) (status int) {
	status, reason := classify(err)
	a.Refused(reason)
	if reason == reasonUnavailable {
		a.Unstored(err)
	}
	a.note(r, key, status, reason, err)
	return status
}
