package intake

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/common/model"

	"pushgateway/internal/config"
	"pushgateway/internal/duration"
	"pushgateway/internal/excerpt"
)

// TTL says how long groups live without further pushes, if no rule for the group
// says something else.
type TTL struct {
	Default time.Duration // 0 for no expiry
	Max     time.Duration // 0 for no limit
}

// TTLHeader is the header that sets the time to live of a group.
const TTLHeader = "X-Pushgateway-TTL"

// ttlField is TTLHeader in the form that needs no conversion to be looked up.
var ttlField = http.CanonicalHeaderKey(TTLHeader)

// ParseTTL parses a duration as in Prometheus, like 90m, 2h30m or 7d, or as in
// Go, like 1.5h. 0 means forever.
func ParseTTL(s string) (time.Duration, error) {
	ttl, err := duration.Parse(s)
	if errors.Is(err, duration.ErrSyntax) {
		ttl, err = time.ParseDuration(s)
	}
	switch {
	case errors.Is(err, duration.ErrTooLong), ttl > duration.Longest:
		return 0, fmt.Errorf("%q is longer than 100 years; use 0 for forever", excerpt.Of(s))
	case err != nil || ttl < 0:
		return 0, fmt.Errorf("%q must be a duration like 90m, 24h or 7d; 0 means forever", excerpt.Of(s))
	}
	return ttl, nil
}

// Check returns an error if the two contradict each other.
func (t TTL) Check() error {
	if t.Max > 0 && t.Default > t.Max {
		return fmt.Errorf("--push.ttl=%s is longer than --push.max-ttl=%s", model.Duration(t.Default), model.Duration(t.Max))
	}
	return nil
}

// Unasked returns how long a group lives after a push that does not say that itself.
// r is the rule for the group, or nil.
func (t TTL) Unasked(r *config.Rule) time.Duration { return t.unasked().under(r) }

func (t TTL) unasked() lifetime { return lifetime{ttl: cmp.Or(t.Default, t.Max), max: t.Max} }

// lifetime is how long the groups of a push live.
type lifetime struct {
	ttl   time.Duration // 0 means forever
	asked bool          // whether the push asks for that
	max   time.Duration // 0 for no limit
}

// under returns the time to live of a group. If the rule for the group sets one,
// the group gets that, unless the push asks for less. r may be nil.
func (l lifetime) under(r *config.Rule) time.Duration {
	ttl, ok := r.TimeToLive()
	switch {
	case !ok:
		return l.ttl
	case l.max > 0 && (ttl == 0 || ttl > l.max):
		ttl = l.max
	}
	if l.asked && l.ttl > 0 && (ttl == 0 || l.ttl < ttl) {
		return l.ttl
	}
	return ttl
}

// of returns how long the groups of a push live, which may set that in a header or
// a parameter.
func (t TTL) of(header, parameter string) (lifetime, error) {
	none := lifetime{}
	if header == "" && parameter == "" {
		return t.unasked(), nil
	}
	name, asked := TTLHeader+": ", header
	switch {
	case header == "":
		name, asked = "ttl=", parameter
	case parameter != "" && parameter != header:
		return none, &ParameterError{fmt.Errorf("the header %s says %q and the parameter ttl says %q; use one of them", TTLHeader, excerpt.Of(header), excerpt.Of(parameter))}
	}
	ttl, err := ParseTTL(asked)
	switch {
	case err != nil:
		return none, &ParameterError{fmt.Errorf("%s%w", name, err)}
	case t.Max > 0 && (ttl > t.Max || ttl == 0):
		return none, &ParameterError{fmt.Errorf("%s%q: groups live at most %s (--push.max-ttl); ask for that or less", name, excerpt.Of(asked), model.Duration(t.Max))}
	}
	return lifetime{ttl: ttl, asked: true, max: t.Max}, nil
}
