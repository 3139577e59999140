package httpapi

import (
	"net/http"
	"sync"
	"time"

	"pushgateway/internal/compression"
	"pushgateway/internal/gateway"
)

// mostShared bounds how many groups a list has whose text is kept.
const mostShared = 1000

// lists are the lists of groups that open pages ask for. All pages ask at the same
// seconds of the clock, so that one search serves all. Others who ask get a list of
// their own, which has everything that was answered before. It is safe for
// concurrent use.
type lists struct {
	mu sync.Mutex
	of map[string]*surveys[*compression.Content] // by query
}

// sharedList returns the answer with a list. It is nil if the request is not one that
// can share a list, or if the search ended before the list was made. That is remembered
// like a list, so that for the age of one all who ask make their own.
func (a *api) sharedList(s *search, r *http.Request, q *groupsQuery) *compression.Content {
	if r.Header.Get(pageHeader) != sharing || q.limit > mostShared {
		return nil
	}
	list, _, _ := a.lists.list(r.URL.RawQuery).latestBy(s.ctx, a.Gateway, func(v *gateway.View, now time.Time) *compression.Content {
		page := a.groupsPage(s, v, q, now)
		if s.ctx.Err() != nil {
			return nil
		}
		return encoded(page)
	})
	return list
}

// list returns the surveys of one query. It forgets those of others once there
// are many.
func (l *lists) list(query string) *surveys[*compression.Content] {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of[query]
	if s == nil {
		if l.of == nil || len(l.of) == maxFound {
			l.of = make(map[string]*surveys[*compression.Content])
		}
		s = &surveys[*compression.Content]{place: make(chan struct{}, 1)}
		l.of[query] = s
	}
	return s
}
