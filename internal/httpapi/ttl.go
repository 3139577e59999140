package httpapi

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"

	"pushgateway/internal/excerpt"
)

// TTL says how long groups live that nobody pushes to. Durations that depend
// on the group belong here too, once there is a way to say them.
type TTL struct {
	Default time.Duration // 0 for ever
	Max     time.Duration // 0 for no bound
}

const (
	ttlHeader = "X-Pushgateway-TTL"
	// longestTTL keeps deadlines within what times can say.
	longestTTL = 100 * 365 * 24 * time.Hour
)

// ParseTTL reads a duration as Prometheus has them, like 90m, 2h30m or 7d, or
// as Go has them, like 1.5h. 0 stands for ever.
func ParseTTL(s string) (time.Duration, error) {
	d, err := model.ParseDuration(s)
	ttl := time.Duration(d)
	if err != nil {
		ttl, err = time.ParseDuration(s)
	}
	switch {
	case err != nil || ttl < 0:
		return 0, fmt.Errorf("%q must be a duration like 90m, 24h or 7d; 0 means forever", excerpt.Of(s))
	case ttl > longestTTL:
		return 0, fmt.Errorf("%q is longer than 100 years; use 0 for forever", excerpt.Of(s))
	}
	return ttl, nil
}

// Check tells whether the two fit together.
func (t TTL) Check() error {
	if t.Max > 0 && t.Default > t.Max {
		return fmt.Errorf("--push.ttl=%s is longer than --push.max-ttl=%s", model.Duration(t.Default), model.Duration(t.Max))
	}
	return nil
}

// of gives the time to live of a push that asks for one in a header or a
// parameter, or in neither.
func (t TTL) of(header, parameter string) (time.Duration, error) {
	if header == "" && parameter == "" {
		if t.Default == 0 {
			return t.Max, nil
		}
		return t.Default, nil
	}
	name, asked := ttlHeader+": ", header
	switch {
	case header == "":
		name, asked = "ttl=", parameter
	case parameter != "" && parameter != header:
		return 0, &parameterError{fmt.Errorf("the header %s says %q and the parameter ttl says %q; use one of them", ttlHeader, excerpt.Of(header), excerpt.Of(parameter))}
	}
	ttl, err := ParseTTL(asked)
	switch {
	case err != nil:
		return 0, &parameterError{fmt.Errorf("%s%w", name, err)}
	case t.Max > 0 && (ttl > t.Max || ttl == 0):
		return 0, &parameterError{fmt.Errorf("%s%q is longer than the maximum of %s (--push.max-ttl); ask for less", name, excerpt.Of(asked), model.Duration(t.Max))}
	}
	return ttl, nil
}
