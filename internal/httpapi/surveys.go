package httpapi

import (
	"context"
	"time"
	"weak"

	"pushgateway/internal/gateway"
)

const (
	// surveyAge is how old a survey may be that is given once more: ages of
	// groups are right to a second.
	surveyAge = time.Second
	// surveyLarge is how many groups and families make a survey so dear that it is
	// given once more though they have changed.
	surveyLarge = 20_000
)

// surveys makes surveys of all groups, one at a time, for all who ask. It is
// safe for concurrent use.
type surveys struct {
	place chan struct{} // taken by who looks at the rest, or makes a survey
	last  *survey
}

// survey is the state of a view in numbers, never changed.
type survey struct {
	overview
	view weak.Pointer[gateway.View] // not kept in memory for this
	made time.Time
}

func newSurveys() surveys { return surveys{place: make(chan struct{}, 1)} }

// latest gives what a survey knows, to be filled in by the caller, or nil if ctx
// ends before. The survey is made by who asks first, for the others too, and so
// to its end.
func (s *surveys) latest(ctx context.Context, g *gateway.Gateway) *overview {
	select {
	case s.place <- struct{}{}:
		defer func() { <-s.place }()
	case <-ctx.Done():
		return nil
	}
	now, v := time.Now(), g.View()
	if s.last == nil || !s.last.serves(v, now) {
		s.last = &survey{*look(v, now), weak.Make(v), now}
	}
	o := s.last.overview
	return &o
}

// serves tells whether a survey can be given for a view.
func (s *survey) serves(v *gateway.View, now time.Time) bool {
	return now.Sub(s.made) < surveyAge && (s.view == weak.Make(v) || v.Groups()+v.Held > surveyLarge)
}
