package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"pushgateway/internal/guard"
)

const (
	// searchLimit is how long one request may search groups.
	searchLimit = 10 * time.Second
	// searchTurn is how long it searches before it lets others search.
	searchTurn = 10 * time.Millisecond
)

// search is a request that looks through groups. It ends with the client, after
// searchLimit, or if its client has several places and another waits for one. It takes
// turns with other searches, so that a processor is left for pushes and scrapes, if
// there are two, and so that no client has all turns.
type search struct {
	ctx   context.Context
	turns *guard.Lease
	since time.Time // when it got its turn; zero if it has none
	asked int       // how often Err was called
	// answering means that the search is over, and that what remains is to write.
	answering atomic.Bool
}

// newSearchTurns returns turns for searches: one for each processor but one.
func newSearchTurns() *guard.Shares {
	return guard.NewShares(int64(max(1, runtime.GOMAXPROCS(0)-1)))
}

// searching gives a request that searches groups a place among the answers of its
// kind. The time that it takes to end groups whose time has come does not count as
// search. end releases everything. If there is no place, it has already answered, and
// end is nil.
func (a *api) searching(w http.ResponseWriter, r *http.Request) (s *search, end func()) {
	s = new(search)
	ctx, makeRoom := context.WithCancelCause(r.Context())
	cut := cutting(w)
	giveBack := a.tables.awaitFor(w, r, func() {
		if makeRoom(errManySearches); s.answering.Load() {
			cut()
		}
	})
	if giveBack == nil {
		makeRoom(nil)
		return nil, nil
	}
	a.Gateway.View()
	ctx, cancel := context.WithTimeoutCause(ctx, searchLimit, errSlow)
	s.ctx, s.turns = ctx, a.searches.Open(a.Proxies.Client(r))
	return s, func() {
		cancel()
		makeRoom(nil)
		s.turns.Close()
		giveBack()
	}
}

// Err returns why the search must end, or nil. It waits until it is the turn of this
// search, so nobody may wait for the caller who has a turn.
func (s *search) Err() error {
	const often = 8 // reading the clock takes longer than looking at a short key
	if s.asked++; s.since.IsZero() || s.asked%often == 0 && time.Since(s.since) > searchTurn {
		s.rest()
		if s.turns.Wait(s.ctx, 1) == nil {
			s.since = time.Now()
		}
	}
	return s.ctx.Err()
}

// rest gives the turn to others. The next Err takes another one.
func (s *search) rest() {
	if !s.since.IsZero() {
		s.since = time.Time{}
		s.turns.Return(1)
	}
}

var (
	errSlow         = fmt.Errorf("searching all groups took more than %s; use fewer selectors or simpler regexps", searchLimit)
	errManySearches = errors.New("this search has made room for another client, since this one searches several times at once; try again")
)

// cutShort answers a search that did not finish, if the client still waits. Otherwise
// the answer begins.
func (s *search) cutShort(w http.ResponseWriter) (was bool) {
	why := context.Cause(s.ctx)
	if why == nil {
		s.answering.Store(true)
	}
	if errors.Is(why, errSlow) || errors.Is(why, errManySearches) {
		w.Header().Set("Retry-After", retryAfter)
		writeError(w, http.StatusServiceUnavailable, why)
	}
	return why != nil
}
