package gateway

import (
	"sync"

	"pushgateway/internal/grouping"
)

// keyLocks lets one writer at a time change a group, so that merging and
// checking work on what is really there, while other groups go on. Nobody waits
// for a group while he holds another: a slow push makes nobody wait but those
// who push to the same group.
type keyLocks struct {
	mu   sync.Mutex
	held map[grouping.Key]*keyLock
}

type keyLock struct {
	sync.Mutex
	users int // holder and waiters; guarded by keyLocks.mu
}

// lock waits for a group and gives the function that lets it go.
func (l *keyLocks) lock(key grouping.Key) (unlock func()) {
	l.use(key).Lock()
	return func() { l.release(key) }
}

// tryLock takes those of different groups that are free, and gives the function
// that lets them go.
func (l *keyLocks) tryLock(keys []grouping.Key) (taken []grouping.Key, unlock func()) {
	for _, key := range keys {
		if l.tryUse(key) {
			taken = append(taken, key)
		}
	}
	return taken, func() {
		for _, key := range taken {
			l.release(key)
		}
	}
}

// lockSome takes those of different groups that are free. If none is it waits
// for the first. It takes at least one.
func (l *keyLocks) lockSome(keys []grouping.Key) (taken []grouping.Key, unlock func()) {
	if len(keys) > 1 {
		if taken, unlock = l.tryLock(keys); len(taken) > 0 {
			return taken, unlock
		}
	}
	return []grouping.Key{keys[0]}, l.lock(keys[0])
}

// tryUse takes a group that nobody uses.
func (l *keyLocks) tryUse(key grouping.Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[key] != nil {
		return false
	}
	return l.useLocked(key).TryLock()
}

func (l *keyLocks) use(key grouping.Key) *keyLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.useLocked(key)
}

func (l *keyLocks) useLocked(key grouping.Key) *keyLock {
	k := l.held[key]
	if k == nil {
		if l.held == nil {
			l.held = make(map[grouping.Key]*keyLock)
		}
		k = new(keyLock)
		l.held[key] = k
	}
	k.users++
	return k
}

// isAwaited tells whether others wait for a group that the caller holds.
func (l *keyLocks) isAwaited(key grouping.Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[key].users > 1
}

func (l *keyLocks) release(key grouping.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.held[key]
	k.Unlock()
	if k.users--; k.users == 0 {
		delete(l.held, key)
	}
}
