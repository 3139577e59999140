package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"pushgateway/internal/accesslog"
	"pushgateway/internal/grouping"
)

// keyLocks gives each group one writer at a time, so that a push is merged with
// and checked against the stored state. Writers of other groups proceed. A
// writer never waits for one group while it holds another. So a slow push
// delays only pushes to the same group, and these no longer than their
// patience. It is safe for concurrent use.
type keyLocks struct {
	mu   sync.Mutex
	held map[grouping.Key]*keyLock
}

// keyLock is a group that is locked. keyLocks.mu guards it.
type keyLock struct {
	// holds is how often the lock must be released: twice after keep.
	holds int
	// waiters receive the lock in order. Closing a channel hands the lock over.
	waiters []chan struct{}
}

// patience bounds a wait. The wait ends when the client leaves, or at a time.
type patience struct {
	client context.Context
	until  time.Time
}

// over returns an error if the wait must end, or nil.
func (p patience) over() error {
	if err := p.client.Err(); err != nil {
		return givenUp(err)
	}
	if !time.Now().Before(p.until) {
		return errTookLong
	}
	return nil
}

// context returns the context for a wait of a change that has not gone to the
// journal yet. It takes a timer, so make one only where there may be such a wait.
func (p patience) context() (context.Context, context.CancelFunc) {
	return context.WithDeadline(p.client, p.until)
}

// sent returns the context for a change that goes to the journal. It does not
// end when the client leaves, because others may be waiting for the outcome.
// Call end when the journal has answered.
func (p patience) sent() (ctx context.Context, end func()) {
	l := &lasting{Context: context.WithoutCancel(p.client), until: p.until}
	return l, l.end
}

// lasting is a context that ends at a time. It has no timer until somebody waits
// for its end: most changes are stored at once, and a timer costs as much as
// storing a small one. It is safe for concurrent use.
type lasting struct {
	context.Context // never ends
	until           time.Time

	mu     sync.Mutex
	timed  context.Context // nil until somebody waits
	cancel context.CancelFunc
}

// Deadline implements context.Context.
func (l *lasting) Deadline() (time.Time, bool) { return l.until, true }

// Done implements context.Context.
func (l *lasting) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timed == nil {
		l.timed, l.cancel = context.WithDeadline(l.Context, l.until)
	}
	return l.timed.Done()
}

// Err implements context.Context.
func (l *lasting) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.timed != nil:
		return l.timed.Err()
	case time.Now().Before(l.until):
		return nil
	}
	return context.DeadlineExceeded
}

// end releases the timer, if there is one.
func (l *lasting) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		l.cancel()
	}
}

// errTookLong is the error of a change that has waited until its time limit.
var errTookLong = fmt.Errorf("%w: earlier changes of this group took too long, or their outcome is not known yet; try again", ErrUnavailable)

// lock waits until it has locked a group. It returns an error if patience ends
// first, and errSettled if settled is closed, after which the caller no longer
// needs the lock.
func (l *keyLocks) lock(p patience, key grouping.Key, settled <-chan struct{}) error {
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

	defer accesslog.Of(p.client).Waiting(accesslog.ForGroup)()
	late := time.NewTimer(time.Until(p.until))
	defer late.Stop()
	err := errTookLong
	select {
	case <-turn:
		if p.client.Err() == nil {
			return nil
		}
		err = givenUp(p.client.Err())
	case <-settled:
		err = errSettled
	case <-p.client.Done():
		err = givenUp(p.client.Err())
	case <-late.C:
	}
	l.giveUp(key, turn)
	return err
}

// giveUp leaves the queue for a group. If the caller has just received the
// lock, giveUp releases it.
func (l *keyLocks) giveUp(key grouping.Key, turn chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.held[key] // never nil: somebody, perhaps the caller, has the lock
	if i := slices.Index(k.waiters, turn); i >= 0 {
		k.waiters = slices.Delete(k.waiters, i, i+1)
		return
	}
	l.releaseLocked(key)
}

// tryLock locks those of the groups that are free and returns them. It does not
// wait.
func (l *keyLocks) tryLock(keys []grouping.Key) (taken []grouping.Key) {
	for _, key := range keys {
		if l.tryTake(key) {
			taken = append(taken, key)
		}
	}
	return taken
}

// lockSome locks those of the groups that are free and returns them. If none is
// free, it waits for the first one, as lock does. It returns at least one group.
// With an error, the returned group is not locked.
func (l *keyLocks) lockSome(p patience, keys []grouping.Key, settled <-chan struct{}) (taken []grouping.Key, err error) {
	if len(keys) > 1 {
		if taken = l.tryLock(keys); len(taken) > 0 {
			return taken, nil
		}
	}
	return []grouping.Key{keys[0]}, l.lock(p, keys[0], settled)
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

// keep makes the lock of a group need one more release, because the caller's
// change is still in progress when the caller returns. The caller holds the
// lock.
func (l *keyLocks) keep(key grouping.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[key].holds++
}

// release releases the locks of groups. The next waiter of each group receives
// its lock.
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
