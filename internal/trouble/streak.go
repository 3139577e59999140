package trouble

import (
	"sync"
	"time"
)

// calm is how long nothing must fail before a streak is over.
const calm = 10 * time.Second

// Streak is a series of failures, with successes among them. It is over when
// nothing has failed for a while, and something has succeeded since. It is safe
// for concurrent use, and its zero value is ready.
type Streak struct {
	mu                  sync.Mutex
	first, last, worked time.Time
	err                 error
	count               int // since the start
}

// Failed notes a failure.
func (s *Streak) Failed(err error, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over(now) {
		s.first = now
	}
	s.last, s.err = now, err
	s.count++
}

// Worked notes a success.
func (s *Streak) Worked(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.worked.After(s.last) {
		s.worked = now
	}
}

// Add adds the failures to a finding, and returns the last error. It returns nil
// if the streak is over.
func (s *Streak) Add(f *Finding, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Refused = s.count
	if s.over(now) {
		return nil
	}
	f.Since = s.first
	if s.worked.After(s.last) {
		f.Last = s.worked
	}
	return s.err
}

func (s *Streak) over(now time.Time) bool {
	return s.count == 0 || now.Sub(s.last) > calm && s.worked.After(s.last)
}
