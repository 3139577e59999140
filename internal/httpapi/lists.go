package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"time"

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
	of map[string]*surveys[[]byte] // by query
}

// sharedList returns the text of a list. It is nil if the request is not one that
// can share a list, or if ctx ended before the list was made. That is remembered
// like a list, so that for the age of one all who ask make their own.
func (a *api) sharedList(ctx context.Context, r *http.Request, q *groupsQuery) []byte {
	if r.Header.Get(pageHeader) != sharing || q.limit > mostShared {
		return nil
	}
	text, _, _ := a.lists.list(r.URL.RawQuery).latestBy(ctx, a.Gateway, func(v *gateway.View, now time.Time) []byte {
		page := a.groupsPage(ctx, v, q, now)
		if ctx.Err() != nil {
			return nil
		}
		var text bytes.Buffer
		_ = encode(&text, answer{Status: "success", Data: page}) // writing to memory cannot fail
		return text.Bytes()
	})
	return text
}

// list returns the surveys of one query. It forgets those of others once there
// are many.
func (l *lists) list(query string) *surveys[[]byte] {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of[query]
	if s == nil {
		if l.of == nil || len(l.of) == maxFound {
			l.of = make(map[string]*surveys[[]byte])
		}
		s = &surveys[[]byte]{place: make(chan struct{}, 1)}
		l.of[query] = s
	}
	return s
}
