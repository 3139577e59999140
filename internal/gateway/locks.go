package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"pushgateway/internal/grouping"
)

// keyLocks lets one writer at a time change a group, so that merging and
// checking see the stored state, while other groups proceed. Nobody waits for a
// group while he holds another: a slow push makes nobody wait but those who
// push to the same group, and these no longer than they said.
type keyLocks struct {
	mu   sync.Mutex
	held map[grouping.Key]*keyLock
}

// keyLock is a group that somebody has. Guarded by keyLocks.mu.
type keyLock struct {
	// holds is how often it must be released: twice if it is kept.
	holds int
	// waiters get it in their order: it is theirs once their channel is closed.
	waiters []chan struct{}
}

// patience is how long somebody waits: until his client has gone, and not
// beyond a time.
type patience struct {
	client context.Context
	until  time.Time
}

// over tells why waiting has no sense any more, nil if it has.
func (p patience) over() error {
	if err := p.client.Err(); err != nil {
		return givenUp(err)
	}
	if !time.Now().Before(p.until) {
		return errTookLong
	}
	return nil
}

// sent gives the context of a change: it is not over when the client goes, as
// others may just be waiting for what becomes of it.
func (p patience) sent() (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.WithoutCancel(p.client), p.until)
}

// errTookLong is the answer to who waits too long.
var errTookLong = fmt.Errorf("%w: earlier changes of this group took too long, or their outcome is not known yet; try again", ErrUnavailable)

// lock waits for a group. The error is that patience is over.
func (l *keyLocks) lock(p patience, key grouping.Key) error {
	l.mu.Lock()
	k := l.held[key]
	if k == nil {
		l.takeLocked(key)
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	k.waiters = append(k.waiters, turn)
	l.mu.Unlock()

	late := time.NewTimer(time.Until(p.until))
	defer late.Stop()
	err := errTookLong
	select {
	case <-turn:
		return nil
	case <-p.client.Done():
		err = givenUp(p.client.Err())
	case <-late.C:
	}
	l.giveUp(key, turn)
	return err
}

// giveUp leaves the queue for a group, or lets the group go if it came just now.
func (l *keyLocks) giveUp(key grouping.Key, turn chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.held[key] // somebody has it, perhaps the caller
	if i := slices.Index(k.waiters, turn); i >= 0 {
		k.waiters = slices.Delete(k.waiters, i, i+1)
		return
	}
	l.releaseLocked(key)
}

// tryLock takes those of different groups that are free.
func (l *keyLocks) tryLock(keys []grouping.Key) (taken []grouping.Key) {
	for _, key := range keys {
		if l.tryTake(key) {
			taken = append(taken, key)
		}
	}
	return taken
}

// lockSome takes those of different groups that are free. If none is it waits
// for the first. It takes at least one, or patience is over.
func (l *keyLocks) lockSome(p patience, keys []grouping.Key) (taken []grouping.Key, err error) {
	if len(keys) > 1 {
		if taken = l.tryLock(keys); len(taken) > 0 {
			return taken, nil
		}
	}
	return []grouping.Key{keys[0]}, l.lock(p, keys[0])
}

func (l *keyLocks) tryTake(key grouping.Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[key] != nil {
		return false
	}
	l.takeLocked(key)
	return true
}

func (l *keyLocks) takeLocked(key grouping.Key) {
	if l.held == nil {
		l.held = make(map[grouping.Key]*keyLock)
	}
	l.held[key] = &keyLock{holds: 1}
}

// isAwaited reports whether others wait for a group that the caller holds.
func (l *keyLocks) isAwaited(key grouping.Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held[key].waiters) > 0
}

// keep makes a group that the caller has one that must be released once more:
// his change is under way beyond him.
func (l *keyLocks) keep(key grouping.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[key].holds++
}

// release lets groups go.
func (l *keyLocks) release(keys ...grouping.Key) {
	for _, key := range keys {
		l.mu.Lock()
		l.releaseLocked(key)
		l.mu.Unlock()
	}
}

func (l *keyLocks) releaseLocked(key grouping.Key) {
	k := l.held[key]
	if k.holds--; k.holds > 0 {
		return
	}
	if len(k.waiters) == 0 {
		delete(l.held, key)
		return
	}
	k.holds = 1
	close(k.waiters[0])
	k.waiters = slices.Delete(k.waiters, 0, 1)
}
