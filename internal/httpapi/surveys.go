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
	// A survey that took long is reused for surveyRest times as long, but for no
	// longer than surveyOldest, so that those who ask again every few seconds cost
	// about as much as one of them.
	surveyRest   = 25
	surveyOldest = 5 * time.Second
)

// surveys makes surveys of all groups, one at a time, and shares them among all
// who ask. It is safe for concurrent use.
type surveys[T any] struct {
	look  func(*gateway.View, time.Time) T
	place chan struct{} // held while reading the field below, or making a survey
	last  *survey[T]
}

// survey is what was seen in a view. It is immutable.
type survey[T any] struct {
	seen T
	view weak.Pointer[gateway.View] // does not keep the view in memory
	made time.Time
	took time.Duration
}

// newSurveys returns surveys that look makes. What it returns must not change.
func newSurveys[T any](look func(*gateway.View, time.Time) T) surveys[T] {
	return surveys[T]{look: look, place: make(chan struct{}, 1)}
}

// latest returns what was seen and when, or false if ctx ends before. The first
// caller makes the survey for the others too, and so finishes it in any case.
func (s *surveys[T]) latest(ctx context.Context, g *gateway.Gateway) (seen T, at time.Time, ok bool) {
	return s.latestBy(ctx, g, s.look)
}

// latestBy is latest, but look makes the survey. If look ends with ctx, so does the
// survey.
func (s *surveys[T]) latestBy(ctx context.Context, g *gateway.Gateway, look func(*gateway.View, time.Time) T) (seen T, at time.Time, ok bool) {
	select {
	case s.place <- struct{}{}:
		defer func() { <-s.place }()
	case <-ctx.Done():
		return seen, at, false
	}
	now, v := time.Now(), g.View()
	if s.last == nil || !s.last.serves(v, now) {
		s.last = &survey[T]{seen: look(v, now), view: weak.Make(v), made: now, took: time.Since(now)}
	}
	return s.last.seen, s.last.made, true
}

// serves reports whether a survey can be used for a view.
func (s *survey[T]) serves(v *gateway.View, now time.Time) bool {
	age := max(surveyAge, min(surveyRest*s.took, surveyOldest))
	return now.Sub(s.made) < age && (s.view == weak.Make(v) || v.Groups()+v.Held > surveyLarge)
}
