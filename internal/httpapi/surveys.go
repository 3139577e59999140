package httpapi

import (
	"context"
	"time"
	"weak"

	"pushgateway/internal/gateway"
)

const (
	// surveyAge is how old a reused survey may be. Ages of groups are correct to
	// the second.
	surveyAge = time.Second
	// surveyLarge is how many groups and families make a survey so expensive that
	// it is reused even if they have changed.
	surveyLarge = 20_000
)

// surveys makes surveys of all groups, one at a time, and shares them among all
// who ask. It is safe for concurrent use.
type surveys struct {
	place chan struct{} // held while reading the fields below, or making a survey
	last  *survey
}

// survey is the state of a view in numbers. It is immutable.
type survey struct {
	overview
	view weak.Pointer[gateway.View] // does not keep the view in memory
	made time.Time
}

func newSurveys() surveys { return surveys{place: make(chan struct{}, 1)} }

// latest returns a survey, which the caller completes, or nil if ctx ends
// before. The first caller makes the survey for the others too, and so finishes
// it in any case.
func (s *surveys) latest(ctx context.Context, g *gateway.Gateway) *overview {
	select {
	case s.place <- struct{}{}:
		defer func() { <-s.place }()
	case <-ctx.Done():
		return nil
	}
	now, v := time.Now(), g.View()
	if s.last == nil || !s.last.serves(v, now) {
		s.last = &survey{*look(g, v, now), weak.Make(v), now}
	}
	o := s.last.overview
	return &o
}

// serves reports whether a survey can be used for a view.
func (s *survey) serves(v *gateway.View, now time.Time) bool {
	return now.Sub(s.made) < surveyAge && (s.view == weak.Make(v) || v.Groups()+v.Held > surveyLarge)
}
