package guard

import (
	"hash/maphash"
	"math"
	"sync"
	"time"
)

// Rates bounds how often something may happen, by name: so many times at once,
// and that many times a second. It remembers a name only as long as its past
// still counts, and no more than maxNames. The zero value is ready for use. It is
// safe for concurrent use.
type Rates struct {
	mu      sync.Mutex
	seed    maphash.Seed
	buckets map[uint64]bucket // by the hash of the name
	swept   time.Time
}

// maxNames bounds the names that are remembered, in some 8 MB. Only names with
// slow rates are remembered for long; beyond the bound some are forgotten early.
const maxNames = 100_000

// bucket is what has happened of late.
type bucket struct {
	used float64 // decreases with time
	at   time.Time
	rate float64 // by which it decreases, each second
}

// Rate is how often something with this name may happen each second.
type Rate struct {
	Name      string
	PerSecond float64
}

// burst is how often it may happen at once.
func (r Rate) burst() float64 { return math.Max(1, r.PerSecond) }

// sweepEvery is how often names are forgotten.
const sweepEvery = time.Second

// Take counts one event for each of the rates, unless one of them is used up.
// Then it counts none, and returns which one that is, and how long until it
// allows one more.
func (s *Rates) Take(now time.Time, rates ...Rate) (over int, wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets == nil {
		s.buckets, s.seed = make(map[uint64]bucket), maphash.MakeSeed()
	}
	s.sweep(now)
	for i, r := range rates {
		if excess := s.used(now, r) + 1 - r.burst(); excess > 0 {
			return i, time.Duration(math.Ceil(excess / r.PerSecond * float64(time.Second))), false
		}
	}
	for _, r := range rates {
		s.buckets[s.hash(r)] = bucket{s.used(now, r) + 1, now, r.PerSecond}
	}
	s.forgetSome()
	return 0, 0, true
}

func (s *Rates) hash(r Rate) uint64 { return maphash.String(s.seed, r.Name) }

// forgetSome keeps to the bound of names.
func (s *Rates) forgetSome() {
	for name := range s.buckets {
		if len(s.buckets) <= maxNames {
			return
		}
		delete(s.buckets, name)
	}
}

// used returns what counts of the past of a name.
func (s *Rates) used(now time.Time, r Rate) float64 {
	return s.buckets[s.hash(r)].left(now)
}

func (b bucket) left(now time.Time) float64 {
	return max(0, b.used-max(0, now.Sub(b.at).Seconds())*b.rate)
}

// sweep forgets the names whose past no longer counts.
func (s *Rates) sweep(now time.Time) {
	if now.Sub(s.swept).Abs() < sweepEvery {
		return
	}
	s.swept = now
	for name, b := range s.buckets {
		if b.left(now) == 0 {
			delete(s.buckets, name)
		}
	}
}
