package scrape

import (
	"sync/atomic"
	"time"
)

const (
	// slice is how long a scrape works at least before it rests: the shortest rest
	// takes about that.
	slice = 250 * time.Microsecond
	// maxRest bounds one rest of a scrape.
	maxRest = time.Millisecond
	// longest is how many rests follow each other at most, as long as pushes are in
	// progress.
	longest = 3
	// maxRests bounds all rests of a scrape together, as scrapers do not wait for
	// ever: Prometheus gives up after 10 s.
	maxRests = time.Second
	// lately is how long pushes count as being under way after the last one was
	// seen. They are seen only between two pieces of work.
	lately = 10 * time.Millisecond
)

// giveWay makes one scrape let pushes go first. Go runs what is ready in turn, and
// looks at the network only when nothing is. So a scrape that is always ready, on
// every processor, makes each push wait for it again and again. While pushes are
// under way, a scrape works in one goroutine, and after each piece of work it
// rests for as long as that took, or up to three times that while a push is in
// progress. It is safe for concurrent use.
type giveWay struct {
	busy   func() bool  // reports whether a push is in progress; nil means never
	seen   atomic.Int64 // when busy last said so, in Unix ns
	worked atomic.Int64 // ns, since the last rest
	rested atomic.Int64 // ns, in all
}

// asked reports whether pushes are under way, unless the scrape has rested enough.
func (g *giveWay) asked() bool {
	if g.busy == nil || g.rested.Load() >= int64(maxRests) {
		return false
	}
	now := time.Now().UnixNano()
	if g.busy() {
		g.seen.Store(now)
	}
	return now-g.seen.Load() < int64(lately)
}

// rest rests after a piece of work that took this long, if pushes are under way.
// It lets short pieces come together.
func (g *giveWay) rest(worked time.Duration) {
	if !g.asked() {
		return
	}
	due := g.worked.Add(int64(worked))
	if due < int64(slice) || !g.worked.CompareAndSwap(due, 0) {
		return
	}
	begin := time.Now()
	for range longest {
		time.Sleep(min(time.Duration(due), maxRest))
		if !g.busy() {
			break
		}
	}
	g.rested.Add(int64(time.Since(begin)))
}
