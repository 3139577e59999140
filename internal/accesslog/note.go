package accesslog

import (
	"context"
	"time"
)

// Note is what handlers add to the line of a request. The methods of nil do
// nothing. It belongs to the goroutine that serves the request.
type Note struct {
	route, principal string
	waited           [numWaits]time.Duration
}

// Wait is what a request can wait for.
type Wait int

// What handlers and the engine wait for.
const (
	ForTurn    Wait = iota // an answer of a kind of which few are made at once
	ForGroup               // another change of the same group
	ForJournal             // the disk, or other members
	numWaits
)

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

// Waiting starts a wait, and returns the function that ends it.
func (n *Note) Waiting(what Wait) (end func()) {
	if n == nil {
		return func() {}
	}
	start := time.Now()
	return func() { n.waited[what] += time.Since(start) }
}
