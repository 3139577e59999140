package accesslog

import (
	"context"
	"time"
)

// Note is what handlers add to the line of a request. The methods of nil do
// nothing. It belongs to the goroutine that serves the request.
type Note struct {
	route, principal string
	turn             time.Duration
}

type noteKey struct{}

// Of returns the note of a request, or nil if requests are not logged.
func Of(ctx context.Context) *Note {
	n, _ := ctx.Value(noteKey{}).(*Note)
	return n
}

// Route sets the name of the request's route.
func (n *Note) Route(name string) {
	if n != nil {
		n.route = name
	}
}

// Principal sets who the client is.
func (n *Note) Principal(name string) {
	if n != nil {
		n.principal = name
	}
}

// Turn starts a wait for a turn, and returns the function that ends it.
func (n *Note) Turn() (end func()) {
	if n == nil {
		return func() {}
	}
	start := time.Now()
	return func() { n.turn += time.Since(start) }
}
