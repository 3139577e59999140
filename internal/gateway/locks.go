package gateway

import (
	"slices"
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

// lock waits for the groups and gives the function that lets them go. The keys
// are different and sorted: who takes several takes them in one order.
func (l *keyLocks) lock(keys ...grouping.Key) (unlock func()) {
	l.all.RLock()
	for _, key := range keys {
		l.use(key).Lock()
	}
	return func() {
		defer l.all.RUnlock()
		for _, key := range slices.Backward(keys) {
			l.release(key)
		}
	}
}

func (l *keyLocks) use(key grouping.Key) *keyLock {
	l.mu.Lock()
	defer l.mu.Unlock()
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

func (l *keyLocks) release(key grouping.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.held[key]
	k.Unlock()
	if k.users--; k.users == 0 {
		delete(l.held, key)
	}
}
