package gateway

import (
	"sync"

	"pushgateway/internal/grouping"
)

// keyLocks lets one writer at a time change a group, so that merging and
// checking work on what is really there, while other groups go on.
type keyLocks struct {
	all  sync.RWMutex // held for reading with each key, for writing with all
	mu   sync.Mutex
	held map[grouping.Key]*keyLock
}

type keyLock struct {
	sync.Mutex
	users int // holder and waiters; guarded by keyLocks.mu
}

// lockAll waits for all groups, those included that do not exist yet, and
// gives the function that lets them go.
func (l *keyLocks) lockAll() (unlock func()) {
	l.all.Lock()
	return l.all.Unlock
}

// lock waits for the group and gives the function that lets it go.
func (l *keyLocks) lock(key grouping.Key) (unlock func()) {
	l.all.RLock()
	l.mu.Lock()
	k := l.held[key]
	if k == nil {
		if l.held == nil {
			l.held = make(map[grouping.Key]*keyLock)
		}
		k = new(keyLock)
		l.held[key] = k
	}
	k.users++
	l.mu.Unlock()
	k.Lock()
	return func() {
		defer l.all.RUnlock()
		k.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.held, key)
		}
	}
}
