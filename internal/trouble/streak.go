package trouble

import (
	"sync"
	"time"
)

// calm is how long nothing must fail before a streak is over.
const calm = 10 * time.Second

// Streak is a series of failures, with successes among them. It is safe for
// concurrent use, and its zero value is ready.
type Streak struct {
	mu          sync.Mutex
	first, last time.Time
	err         error
	count       int // since the start
}

// Note notes a failure.
func (s *Streak) Note(err error, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.last) > calm {
		s.first = now
	}
	s.last, s.err = now, err
	s.count++
}

// Add adds the failures to a finding, and returns the last error. It returns nil
// if the streak is over.
func (s *Streak) Add(f *Finding, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Refused = s.count
	if s.count == 0 || now.Sub(s.last) > calm {
		return nil
	}
	f.Since, f.Last = s.first, s.last
	return s.err
}
